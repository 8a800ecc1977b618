//! Reading the head of a request.

use std::future::poll_fn;
use std::task::Poll;

use router_core::failure::Failure;
use router_core::http1::Limits;

use super::Exchange;
use super::waiting::on_others;
use crate::io::buffers::NoRoom;

/// What came.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A complete head.
    Complete,
    /// The end, before any request.
    Nothing,
}

/// The largest buffer that a head within these limits needs, with room for what comes behind it.
pub(super) const fn largest(limits: &Limits) -> usize {
    limits.head_bytes + limits.head_bytes / 4 + 1024
}

impl Exchange {
    /// Reads until the head is complete. One deadline holds for all of it.
    pub(super) async fn read_head(&mut self) -> Result<Arrived, Failure> {
        self.scratch.request.begin(0);
        let limits = self.settings.client.limits;
        let mut due = None;
        loop {
            let parsed = self.scratch.request.advance(self.input.filled(), &limits);
            if parsed.map_err(Failure::Refused)? {
                return Ok(Arrived::Complete);
            }
            if self.input.is_full() {
                let grown = self.input.grow(largest(&limits));
                grown.map_err(|NoRoom| Failure::HeadMemory)?;
            }
            let by = match due {
                Some(by) => by,
                None => {
                    let by = self.head_deadline();
                    self.client.deadline.set(by);
                    *due.insert(by)
                }
            };
            match self.read_more().await {
                Some(0) => return Ok(Arrived::Nothing),
                // A client that sends a byte at every look is late all the same.
                Some(_) if self.worker.clock.now() < by => {}
                _ if self.scratch.request.has_begun(self.input.filled()) => {
                    return Err(Failure::HeadTimeout);
                }
                _ => return Ok(Arrived::Nothing),
            }
        }
    }

    /// Reads once. Zero is the end or a failure, nothing is the deadline.
    async fn read_more(&mut self) -> Option<usize> {
        let Self {
            client,
            worker,
            input,
            story,
            ..
        } = self;
        let read = poll_fn(|cx| match client.socket.poll_read(cx, input.room()) {
            Poll::Ready(read) => {
                let count = read.unwrap_or(0);
                input.add(count);
                Poll::Ready(Some(count))
            }
            Poll::Pending if client.deadline.poll_expired(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        on_others(worker, &story.waited, read).await
    }
}

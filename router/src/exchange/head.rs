//! Reading the head of a request.

use std::future::poll_fn;
use std::task::Poll;

use component::tick::Tick;
use router_core::failure::Failure;
use router_core::http1::Limits;

use super::Exchange;
use super::request::Request;
use super::waiting::on_others;
use crate::io::buffers::NoRoom;

/// How the wait for a head ended.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A complete head.
    Complete,
    /// No head: the client is gone, or sent nothing in time.
    Nothing,
}

/// The largest buffer that a head within these limits needs, with room for what comes behind it.
pub(super) const fn largest(limits: &Limits) -> usize {
    limits.head_bytes + limits.head_bytes / 4 + 1024
}

impl Exchange {
    /// Reads until the head is complete. One deadline holds for all of it.
    pub(super) async fn read_head(&mut self) -> Result<Arrived, Failure> {
        let limits = self.settings.heads.requests;
        let mut due = None;
        loop {
            let Request { input, parser, .. } = &mut self.request;
            let complete = parser.advance(input.filled(), &limits);
            if complete.map_err(Failure::Refused)? {
                return Ok(Arrived::Complete);
            }
            if input.is_full() {
                let grown = input.grow(largest(&limits));
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
                _ if self.request.has_begun() => {
                    return Err(Failure::HeadTimeout);
                }
                _ => return Ok(Arrived::Nothing),
            }
        }
    }

    /// How long the head may take: from its first byte, or from the accept on when the connection
    /// has not served a request yet.
    fn head_deadline(&self) -> Tick {
        let seat = &self.client.seat;
        let from = if seat.has_served() {
            self.record.began_tick()
        } else {
            seat.opened()
        };
        from.plus(self.settings.client.head_timeout)
    }

    /// Reads once. Zero is the end or a failure, nothing is the deadline.
    async fn read_more(&mut self) -> Option<usize> {
        let Self {
            client,
            worker,
            request: Request { input, .. },
            record,
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
        on_others(worker, &record.waited, read).await
    }
}

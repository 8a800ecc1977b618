//! Ending a connection so that the client can read the last response.
//!
//! Closing with bytes unread would make the kernel send a reset, which overtakes the response
//! (RFC 9112 §9.6): first this side ends alone, then the client is read until it ends too.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use component::shutdown::Phase;

use crate::config::Linger;
use crate::worker::client::Client;

/// For a client that owes nothing: it has seen the end of this side, or will at once.
pub(crate) const BRIEFLY: Linger = Linger {
    idle: Duration::from_secs(1),
    total: Duration::from_secs(1),
};

/// What is read of one client before others have their turn, in bytes.
const TURN: usize = 256 << 10;

/// Ends this side, and takes what the client still sends until it ends, is silent for too long, or
/// has had all the time there is.
pub(crate) async fn linger(client: &Client, limits: Linger) {
    let worker = &client.worker;
    client.socket.finish();
    let began = worker.clock.now();
    let mut end = began.plus(limits.total);
    client.deadline.set(end.min(began.plus(limits.idle)));
    let mut saw_closing = false;
    poll_fn(|cx| {
        let mut buffer = worker.tools.buffers.small();
        let mut taken = 0;
        let pending = loop {
            match client.socket.poll_read(cx, buffer.room()) {
                Poll::Ready(Ok(count)) if count > 0 => taken += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break true,
            }
            if taken >= TURN {
                break false;
            }
        };
        let now = worker.clock.now();
        if !saw_closing && worker.phase.get() >= Phase::Closing {
            saw_closing = true;
            end = end.min(now.plus(BRIEFLY.total));
            client.deadline.set(end);
        }
        // Looked at before it is moved on: a client that always sends has its end as well.
        if now >= end {
            return Poll::Ready(());
        }
        if taken > 0 {
            client.deadline.set(end.min(now.plus(limits.idle)));
        }
        if client.deadline.poll_expired(cx) {
            return Poll::Ready(());
        }
        if !pending {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

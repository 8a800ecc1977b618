//! Writing heads, and with each what is there of the body.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;

use crate::io::deadlines::Deadline;
use crate::io::socket::Socket;

/// Up to so many bytes that go with a head are copied behind it. One piece costs the kernel less
/// than several, by about as much as it costs to copy this much.
const JOINED: usize = 4 << 10;

/// Nothing that goes with a head.
pub(super) const NO_BODY: [&[u8]; 3] = [b"", b"", b""];

/// A write that ended early.
#[derive(Debug)]
pub(super) struct Unsent {
    /// Bytes that were written all the same.
    pub(super) written: usize,
    pub(super) cause: Cause,
}

/// Why a write ended early.
#[derive(Debug)]
pub(super) enum Cause {
    /// The connection failed.
    Broken(io::Error),
    /// The deadline passed.
    Late,
}

/// Writes `head` and `parts` of a body in this order; `head` is left as it happens to be.
///
/// # Errors
/// The connection fails, or `deadline` passes before everything is written.
pub(super) async fn send(
    socket: &Socket,
    deadline: &Deadline,
    head: &mut Vec<u8>,
    parts: [&[u8]; 3],
) -> Result<(), Unsent> {
    let [first, second, third] = parts;
    let joined = first.len() + second.len() + third.len() <= JOINED;
    if joined {
        parts.iter().for_each(|part| head.extend_from_slice(part));
    }
    let mut slices = [head, first, second, third].map(IoSlice::new);
    let count = if joined { 1 } else { slices.len() };
    let mut left = &mut slices[..count];
    let mut written = 0;
    poll_fn(|cx| {
        while !left.is_empty() {
            let cause = match socket.poll_write(cx, left) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    IoSlice::advance_slices(&mut left, count);
                    continue;
                }
                Poll::Ready(Err(error)) => Cause::Broken(error),
                Poll::Pending if deadline.poll_expired(cx) => Cause::Late,
                Poll::Pending => return Poll::Pending,
            };
            return Poll::Ready(Err(Unsent { written, cause }));
        }
        Poll::Ready(Ok(()))
    })
    .await
}

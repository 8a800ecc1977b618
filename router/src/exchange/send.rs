//! Writing heads: many small parts in one call.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;

use crate::deadlines::Deadline;
use crate::socket::Socket;

/// Parts that go out as they lie. A head in more pieces than this is put together first.
const PARTS: usize = 16;

/// Why a write ended early.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The connection failed.
    Broken(io::Error),
    /// The deadline passed.
    Late,
}

/// Writes `parts` in order. `written` counts the bytes that are gone, also when it fails.
pub(super) async fn send<'a>(
    socket: &Socket,
    deadline: &Deadline,
    parts: impl Iterator<Item = &'a [u8]>,
    written: &mut usize,
) -> Result<(), Unsent> {
    let mut joined = Vec::new();
    let mut slices = [IoSlice::new(&[]); PARTS];
    let mut count = 0;
    // Walked from within: a chain of iterators asked one by one looks for its place every time.
    parts.filter(|part| !part.is_empty()).for_each(|part| {
        match slices.get_mut(count) {
            Some(slice) => *slice = IoSlice::new(part),
            None => join(&mut joined, &slices, part),
        }
        count += 1;
    });
    if count > PARTS {
        slices[0] = IoSlice::new(&joined);
        count = 1;
    }
    let mut left = &mut slices[..count];
    poll_fn(|cx| {
        while !left.is_empty() {
            match socket.poll_write(cx, left) {
                Poll::Ready(Ok(count)) => {
                    *written += count;
                    IoSlice::advance_slices(&mut left, count);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Unsent::Broken(error))),
                Poll::Pending if deadline.poll_expired(cx) => {
                    return Poll::Ready(Err(Unsent::Late));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Puts a head in very many pieces together: those that have a slice, and one more.
#[cold]
fn join(joined: &mut Vec<u8>, first: &[IoSlice<'_>], part: &[u8]) {
    if joined.is_empty() {
        first.iter().for_each(|part| joined.extend_from_slice(part));
    }
    joined.extend_from_slice(part);
}

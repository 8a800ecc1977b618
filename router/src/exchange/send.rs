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
    let joined;
    let mut slices = [IoSlice::new(&[]); PARTS];
    let mut parts = parts.filter(|part| !part.is_empty());
    let mut count = 0;
    for (slice, part) in slices.iter_mut().zip(&mut parts) {
        *slice = IoSlice::new(part);
        count += 1;
    }
    if let Some(more) = parts.next() {
        joined = join(&slices, std::iter::once(more).chain(parts));
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

/// A head in very many pieces, put together.
#[cold]
fn join<'a>(first: &[IoSlice<'_>], rest: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    first.iter().for_each(|part| joined.extend_from_slice(part));
    rest.for_each(|part| joined.extend_from_slice(part));
    joined
}

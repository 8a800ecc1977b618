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
    let mut slices: [&[u8]; PARTS] = [&[]; PARTS];
    let mut count = 0;
    let mut joined = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if count == PARTS {
            joined = slices.concat();
            count += 1;
        }
        if count > PARTS {
            joined.extend_from_slice(part);
        } else {
            slices[count] = part;
            count += 1;
        }
    }
    if count > PARTS {
        slices = [&[]; PARTS];
        slices[0] = &joined;
        count = 1;
    }
    let slices = &slices[..count];
    let total: usize = slices.iter().map(|slice| slice.len()).sum();
    poll_fn(|cx| {
        while *written < total {
            let mut left = [IoSlice::new(&[]); PARTS];
            let mut used = 0;
            let mut skip = *written;
            for slice in slices {
                let passed = skip.min(slice.len());
                skip -= passed;
                if passed < slice.len() {
                    left[used] = IoSlice::new(&slice[passed..]);
                    used += 1;
                }
            }
            match socket.poll_write(cx, &left[..used]) {
                Poll::Ready(Ok(count)) => *written += count,
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

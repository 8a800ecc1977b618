//! One write of a body: a chunk head, payload, and what ends the chunk or the body.

use std::io::IoSlice;
use std::ops::Range;

use router_core::http1::chunked::{CHUNK_HEAD_BYTES, LAST_CHUNK, chunk_head};

/// A write under way. Its payload is a place in the buffer that it was read into.
#[derive(Debug, Default)]
pub(super) struct Pending {
    head: [u8; CHUNK_HEAD_BYTES],
    head_length: usize,
    payload: Range<usize>,
    tail: Tail,
    written: usize,
}

#[derive(Debug, Default)]
enum Tail {
    #[default]
    None,
    LineEnd,
    /// The last chunk and the trailers; a line end before it if a chunk is open.
    Last(Vec<u8>),
}

impl Pending {
    /// Payload as it is.
    pub(super) fn plain(payload: Range<usize>) -> Self {
        Self {
            payload,
            ..Self::default()
        }
    }

    /// Payload as a chunk; nothing if there is none, for an empty chunk would end the body.
    pub(super) fn chunk(payload: Range<usize>) -> Self {
        let mut pending = Self::plain(payload);
        if !pending.payload.is_empty() {
            (pending.head, pending.head_length) = chunk_head(pending.payload.len());
            pending.tail = Tail::LineEnd;
        }
        pending
    }

    /// Payload as a chunk, and the end of the body.
    pub(super) fn last_chunk(payload: Range<usize>, trailers: &[u8]) -> Self {
        let mut pending = Self::chunk(payload);
        let mut last = pending.tail.bytes().to_vec();
        let (size, end) = LAST_CHUNK.split_at(LAST_CHUNK.len() - 2);
        last.extend_from_slice(size);
        last.extend_from_slice(trailers);
        last.extend_from_slice(end);
        pending.tail = Tail::Last(last);
        pending
    }

    /// Its parts in order; `bytes` is the buffer with the payload.
    pub(super) fn parts<'a>(&'a self, bytes: &'a [u8]) -> [&'a [u8]; 3] {
        [
            &self.head[..self.head_length],
            bytes.get(self.payload.clone()).unwrap_or_default(),
            self.tail.bytes(),
        ]
    }

    /// What is left of its parts, and how many they are.
    pub(super) fn unwritten<'a>(&'a self, bytes: &'a [u8], into: &mut [IoSlice<'a>; 3]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for part in self.parts(bytes) {
            let passed = skip.min(part.len());
            skip -= passed;
            if passed < part.len() {
                into[count] = IoSlice::new(&part[passed..]);
                count += 1;
            }
        }
        count
    }

    /// Takes note that `count` bytes are gone.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.len() {
            *self = Self::default();
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.head_length + self.payload.len() + self.tail.bytes().len()
    }
}

impl Tail {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::None => b"",
            Self::LineEnd => b"\r\n",
            Self::Last(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pending: &Pending, expected: &str) {
        assert_eq!(pending.parts(b"..payload..").concat(), expected.as_bytes());
        assert_eq!(pending.is_empty(), expected.is_empty());
    }

    #[test]
    fn payload_is_framed_as_it_should_go_out() {
        check(&Pending::plain(2..9), "payload");
        check(&Pending::plain(0..0), "");
        check(&Pending::chunk(2..9), "7\r\npayload\r\n");
        check(&Pending::chunk(3..3), "");
        check(&Pending::last_chunk(2..9, b""), "7\r\npayload\r\n0\r\n\r\n");
        check(&Pending::last_chunk(0..0, b"A: 1\r\n"), "0\r\nA: 1\r\n\r\n");
    }

    #[test]
    fn a_write_goes_on_where_it_stopped() {
        let mut pending = Pending::chunk(2..9);
        let mut left = 12;
        for count in [1, 3, 5] {
            pending.wrote(count);
            left -= count;
            let mut slices = [IoSlice::new(&[]); 3];
            let used = pending.unwritten(b"..payload..", &mut slices);
            assert_eq!(
                slices[..used].iter().map(|part| part.len()).sum::<usize>(),
                left
            );
        }
        pending.wrote(left);
        assert!(pending.is_empty());
    }
}

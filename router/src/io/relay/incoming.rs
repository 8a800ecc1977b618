//! How the rest of a body is told from what follows it.

use std::ops::Range;

use router_core::http1::Refusal;
use router_core::http1::chunked::{ChunkedDecoder, Piece};
use router_core::http1::framing::BodyLength;
use router_core::trailer::TrailerRules;

use crate::io::buffers::Buffer;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Incoming {
    /// So many bytes.
    Exact {
        /// How many.
        left: u64,
    },
    /// Chunks up to the last one.
    Chunked(Box<ChunkedDecoder>),
    /// Whatever comes until the sender closes.
    UntilClose,
}

impl Incoming {
    /// All of a body of that length.
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Empty => Self::Exact { left: 0 },
            BodyLength::Exact(left) => Self::Exact { left },
            BodyLength::Chunked => Self::Chunked(Box::default()),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// Lets only those trailers through that `rules` pass.
    pub(super) fn filter(&mut self, rules: TrailerRules) {
        if let Self::Chunked(decoder) = self {
            decoder.filter(rules);
        }
    }

    /// Takes the payload out of what is there behind `at`, and moves `at` behind it.
    ///
    /// # Errors
    /// Malformed framing.
    pub(super) fn take(
        &mut self,
        buffer: &mut Buffer,
        at: &mut usize,
    ) -> Result<Range<usize>, Refusal> {
        let there = buffer.filled().len();
        let start = *at;
        match self {
            Self::Exact { left } => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                *at += most.min(there - start);
                *left -= (*at - start) as u64;
            }
            Self::UntilClose => *at = there,
            Self::Chunked(decoder) => return gather(decoder, buffer, at),
        }
        Ok(start..*at)
    }

    /// Whether nothing is still to come. A body that lasts until its sender closes never says so.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Exact { left } => *left == 0,
            Self::Chunked(decoder) => decoder.is_done(),
            Self::UntilClose => false,
        }
    }

    /// The trailer fields that go out behind the body, as lines.
    pub(super) fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(decoder) => decoder.trailers(),
            Self::Exact { .. } | Self::UntilClose => &[],
        }
    }
}

/// Decodes what is there; payload that framing divides is moved together within the buffer.
fn gather(
    decoder: &mut ChunkedDecoder,
    buffer: &mut Buffer,
    at: &mut usize,
) -> Result<Range<usize>, Refusal> {
    let mut payload = *at..*at;
    while let Piece::Data(piece) = decoder.next(buffer.filled(), at)? {
        if payload.is_empty() {
            payload = piece;
        } else if piece.start == payload.end {
            payload.end = piece.end;
        } else {
            let end = payload.end + piece.len();
            buffer.move_down(piece, payload.end);
            payload.end = end;
        }
    }
    Ok(payload)
}

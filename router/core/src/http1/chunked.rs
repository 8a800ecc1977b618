//! Chunked bodies (RFC 9112 §7.1).
//!
//! The decoder points at the payload where it lies; framing is taken apart byte by byte and never
//! forwarded: extensions are dropped, and the encoder on the other side writes framing of its own.

use std::ops::Range;

use super::Refusal;
use super::framing::MAX_LENGTH;
use super::lines;
use crate::field::Span;
use crate::trailer::TrailerRules;

/// Bytes of extensions in one body, of all its chunks together. They carry nothing for us, so a
/// sender that sends more of them than this is not sending a body.
const EXTENSION_BYTES: u32 = 16 << 10;

/// Bytes of the trailer section.
const TRAILER_BYTES: usize = 8 << 10;

/// What the decoder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Payload, at this place of the buffer.
    Data(Range<usize>),
    /// Nothing more without more bytes.
    More,
    /// The body is complete.
    End,
}

/// Takes one chunked body apart as its bytes arrive.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    extension_bytes: u32,
    trailer_bytes: usize,
    /// Bytes of the trailer line under way that hold no line end.
    line_scanned: usize,
    trailers: Vec<u8>,
    rules: TrailerRules,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        value: u64,
        digits: u8,
    },
    /// White space after the size: an extension must follow.
    Blank {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailer,
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size {
            value: 0,
            digits: 0,
        }
    }
}

impl ChunkedDecoder {
    /// Lets only those trailers through that `rules` pass.
    pub fn filter(&mut self, rules: TrailerRules) {
        self.rules = rules;
    }

    /// Takes the next piece of `buffer[*at..]` and moves `at` behind it.
    ///
    /// Bytes behind `at` that were not taken must be there again, first, at the next call.
    ///
    /// # Errors
    /// Malformed framing; the connection is of no more use.
    pub fn next(&mut self, buffer: &[u8], at: &mut usize) -> Result<Piece, Refusal> {
        while *at < buffer.len() {
            match self.state {
                State::Done => return Ok(Piece::End),
                State::Data { left } => {
                    let there = buffer.len() - *at;
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
                    let start = *at;
                    *at += taken;
                    let left = left - taken as u64;
                    self.state = if left == 0 {
                        State::DataCr
                    } else {
                        State::Data { left }
                    };
                    return Ok(Piece::Data(start..*at));
                }
                State::Trailer => {
                    if !self.trailer_line(buffer, at)? {
                        return Ok(Piece::More);
                    }
                }
                framing => {
                    self.state = self.step(framing, buffer[*at])?;
                    *at += 1;
                }
            }
        }
        Ok(if self.state == State::Done {
            Piece::End
        } else {
            Piece::More
        })
    }

    /// The trailer fields that may be forwarded, as lines with their line ends.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// One byte of framing.
    fn step(&mut self, state: State, byte: u8) -> Result<State, Refusal> {
        Ok(match (state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let value = value << 4 | u64::from(digit);
                if digits >= 16 || value > MAX_LENGTH {
                    return Err(Refusal::Chunk);
                }
                State::Size {
                    value,
                    digits: digits + 1,
                }
            }
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { size: value },
            (State::Size { value, digits: 1.. }, b' ' | b'\t') => State::Blank { size: value },
            (State::Blank { size }, b' ' | b'\t') => State::Blank { size },
            (
                State::Size {
                    value: size,
                    digits: 1..,
                }
                | State::Blank { size },
                b';',
            ) => State::Extension { size },
            (State::Extension { size }, b'\r') => State::SizeLf { size },
            (State::Extension { size }, b'\t' | 0x20..=0x7e | 0x80..) => {
                self.extension_bytes += 1;
                if self.extension_bytes > EXTENSION_BYTES {
                    return Err(Refusal::Chunk);
                }
                State::Extension { size }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Trailer,
            (State::SizeLf { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::default(),
            _ => return Err(Refusal::Chunk),
        })
    }

    /// Takes one line of the trailer section if it is complete.
    fn trailer_line(&mut self, buffer: &[u8], at: &mut usize) -> Result<bool, Refusal> {
        let rest = &buffer[*at..];
        let Some(found) = memchr::memchr(b'\n', &rest[self.line_scanned..]) else {
            self.line_scanned = rest.len();
            let over = self.trailer_bytes + rest.len() > TRAILER_BYTES;
            return if over {
                Err(Refusal::HeadTooLarge)
            } else {
                Ok(false)
            };
        };
        let length = self.line_scanned + found + 1;
        self.line_scanned = 0;
        self.trailer_bytes += length;
        if self.trailer_bytes > TRAILER_BYTES {
            return Err(Refusal::HeadTooLarge);
        }
        let Some(b"\r\n") = rest[..length].last_chunk::<2>() else {
            return Err(Refusal::LineEnd);
        };
        if length == 2 {
            self.state = State::Done;
        } else {
            let line = Span::new(*at, *at + length - 2);
            let field = lines::field(buffer, line)?;
            if self.rules.pass(field.kind, field.name.of(buffer)) {
                self.trailers.extend_from_slice(field.line.of(buffer));
            }
        }
        *at += length;
        Ok(true)
    }
}

/// Longest chunk head that [`chunk_head`] writes.
pub const CHUNK_HEAD_BYTES: usize = 18;

/// What ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes the line before a chunk of `size` bytes.
#[must_use]
pub fn chunk_head(size: usize) -> ([u8; CHUNK_HEAD_BYTES], usize) {
    let mut text = [0; CHUNK_HEAD_BYTES];
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1) as usize;
    for (place, byte) in text[..digits].iter_mut().rev().enumerate() {
        *byte = b"0123456789abcdef"[size >> (4 * place) & 0xf];
    }
    text[digits] = b'\r';
    text[digits + 1] = b'\n';
    (text, digits + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payload, trailers, and how many bytes were taken.
    type Decoded = Result<(Vec<u8>, Vec<u8>, usize), Refusal>;

    /// Decodes `body` given whole, and again a byte at a time; both must agree.
    fn decode(body: &[u8]) -> Decoded {
        let whole = decode_in_steps(body, body.len());
        let dribbled = decode_in_steps(body, 1);
        assert_eq!(whole, dribbled);
        whole
    }

    fn decode_in_steps(body: &[u8], step: usize) -> Decoded {
        let mut decoder = ChunkedDecoder::default();
        let (mut data, mut at, mut there) = (Vec::new(), 0, step.min(body.len()));
        loop {
            match decoder.next(&body[..there], &mut at)? {
                Piece::Data(range) => data.extend_from_slice(&body[range]),
                Piece::End => return Ok((data, decoder.trailers().to_vec(), at)),
                Piece::More if there == body.len() => return Ok((data, b"incomplete".into(), at)),
                Piece::More => there = (there + step).min(body.len()),
            }
        }
    }

    #[track_caller]
    fn gives(body: &str, data: &str, trailers: &str) {
        let expected = Ok((data.into(), trailers.into(), body.len()));
        assert_eq!(decode(body.as_bytes()), expected, "{body:?}");
    }

    #[test]
    fn bodies_that_are_well_formed() {
        gives("0\r\n\r\n", "", "");
        gives("3\r\nabc\r\n0\r\n\r\n", "abc", "");
        gives("A\r\n0123456789\r\n000\r\n\r\n", "0123456789", "");
        gives(
            "1;a=b\r\nx\r\n1 ; c=\"d;e\"\r\ny\r\n0;last\r\n\r\n",
            "xy",
            "",
        );
        gives(
            "0\r\nDigest: 1\r\nX-Sum: 2\r\n\r\n",
            "",
            "Digest: 1\r\nX-Sum: 2\r\n",
        );
        gives(
            "0\r\nContent-Length: 9\r\nHost: a\r\nCookie: c\r\n\r\n",
            "",
            "",
        );
    }

    #[test]
    fn bodies_that_are_refused() {
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\nx",
            "+1\r\nx",
            "0x1\r\nx",
            "1\nx\r\n",
            "1\r\nx\n",
            "1\r\nxy\r\n",
            " 1\r\nx",
            "1 \r\nx",
            "1;a\nx",
            "1;a\0\r\nx",
            "1\rx",
            "11111111111111111\r\n",
            "8000000000000000\r\n",
            "ffffffffffffffff\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n folded: 1\r\n\r\n",
            "0\r\nA: 1\n\r\n",
            "0\r\nA : 1\r\n\r\n",
        ] {
            assert!(decode(body.as_bytes()).is_err(), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(4000));
        assert!(decode_in_steps(chunk.repeat(5).as_bytes(), 512).is_err());
        let trailers = format!("0\r\n{}", "A: b\r\n".repeat(2000));
        assert!(decode_in_steps(trailers.as_bytes(), 512).is_err());
        let line = format!("0\r\nA: {}", "b".repeat(9000));
        assert!(decode_in_steps(line.as_bytes(), 512).is_err());
    }

    #[test]
    fn what_follows_the_body_is_left_alone() {
        assert_eq!(
            decode(b"1\r\nx\r\n0\r\n\r\nGET /"),
            Ok((b"x".to_vec(), Vec::new(), 11))
        );
    }

    #[test]
    fn chunk_heads_are_shortest_hex() {
        for (size, text) in [
            (0, "0\r\n"),
            (1, "1\r\n"),
            (255, "ff\r\n"),
            (262_144, "40000\r\n"),
        ] {
            let (bytes, length) = chunk_head(size);
            assert_eq!(&bytes[..length], text.as_bytes());
        }
    }
}

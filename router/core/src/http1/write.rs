//! Heads put together again, from spans of the bytes they arrived in and lines of our own.

use super::Version;
use super::request::{Form, RequestHead};
use super::response::ResponseHead;
use crate::field::Span;
use crate::headers::Edits;

/// A head on its way out: what is written, in order.
///
/// First `opening` (a start line of our own, or nothing), then the `kept` spans of the buffer the
/// head arrived in, then `closing` (fields of our own and the empty line). Reused from message to
/// message, so that none of it is allocated anew.
#[derive(Debug, Default)]
pub struct HeadParts {
    /// A start line of our own; empty when the one that came is the first of `kept`.
    pub opening: Vec<u8>,
    /// Runs of lines that go out as they came.
    pub kept: Vec<Span>,
    /// Fields of our own and the empty line.
    pub closing: Vec<u8>,
}

impl HeadParts {
    /// Prepares a request for the backend, as HTTP/1.1 whatever the client spoke.
    pub fn request(&mut self, buffer: &[u8], head: &RequestHead, edits: &Edits) {
        self.begin();
        let canonical = head.form != Form::Absolute && head.version == Version::Http11;
        let mut run = Span::new(head.start, head.start);
        if canonical {
            run.end = head
                .fields
                .first()
                .map_or_else(|| end_of_lines(head.end), |f| f.line.start);
        } else {
            self.opening.extend_from_slice(head.method_name.of(buffer));
            self.opening.push(b' ');
            let path = head.path.of(buffer);
            let asterisk = head.form == Form::Absolute
                && path.is_empty()
                && head.method == super::request::Method::Options;
            if asterisk {
                // RFC 9112 §3.2.4: OPTIONS for a whole server that came through a proxy.
                self.opening.push(b'*');
            } else if path.first() != Some(&b'/') && head.form == Form::Absolute {
                self.opening.push(b'/');
            }
            self.opening.extend_from_slice(path);
            self.opening.extend_from_slice(b" HTTP/1.1\r\n");
        }
        self.finish(&head.fields, run, edits);
    }

    /// Prepares a response for a client that speaks 1.x, as HTTP/1.1 whatever the backend spoke.
    pub fn response(&mut self, buffer: &[u8], head: &ResponseHead, edits: &Edits) {
        self.begin();
        let mut run = Span::new(head.start, head.start);
        if head.line_is_canonical {
            run = head.line;
        } else {
            let status = head.status;
            let digits = [status / 100, status / 10 % 10, status % 10];
            self.opening.extend_from_slice(b"HTTP/1.1 ");
            self.opening
                .extend(digits.map(|digit| b"0123456789"[usize::from(digit % 10)]));
            self.opening.push(b' ');
            self.opening.extend_from_slice(head.reason.of(buffer));
            self.opening.extend_from_slice(b"\r\n");
        }
        self.finish(&head.fields, run, edits);
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        let kept: usize = self
            .kept
            .iter()
            .map(|span| (span.end - span.start) as usize)
            .sum();
        self.opening.len() + kept + self.closing.len()
    }

    /// Whether nothing is prepared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closing.is_empty()
    }

    /// The parts in the order they are written.
    pub fn slices<'a>(&'a self, buffer: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let opening = std::iter::once(self.opening.as_slice());
        let closing = std::iter::once(self.closing.as_slice());
        opening
            .chain(self.kept.iter().map(|span| span.of(buffer)))
            .chain(closing)
    }

    fn begin(&mut self) {
        self.opening.clear();
        self.kept.clear();
        self.closing.clear();
    }

    fn finish(&mut self, fields: &[crate::field::Field], mut run: Span, edits: &Edits) {
        if edits.drops_nothing() {
            if let Some(last) = fields.last() {
                if run.is_empty() {
                    run.start = fields[0].line.start;
                }
                run.end = last.line.end;
            }
        } else {
            for (index, field) in fields.iter().enumerate() {
                if edits.is_dropped(index) {
                    continue;
                }
                if field.line.start == run.end {
                    run.end = field.line.end;
                } else {
                    self.keep(run);
                    run = field.line;
                }
            }
        }
        self.keep(run);
        self.closing.extend_from_slice(edits.added());
        self.closing.extend_from_slice(b"\r\n");
    }

    fn keep(&mut self, run: Span) {
        if !run.is_empty() {
            self.kept.push(run);
        }
    }
}

/// Where the lines of a head without fields end: before the empty line.
#[expect(
    clippy::cast_possible_truncation,
    reason = "heads are bounded far below 4 GiB"
)]
const fn end_of_lines(head_end: usize) -> u32 {
    (head_end - 2) as u32
}

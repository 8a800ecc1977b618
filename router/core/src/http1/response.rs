//! The head of a response (RFC 9112 §4). A backend is trusted no more than a client.

use super::framing::{BodyLength, Framing};
use super::lines::{self, Limits, Lines};
use super::{Refusal, Version};
use crate::field::{Field, FieldKind, Fields, Span};

/// A complete, unambiguous response head. Its spans point into the buffer it was parsed from.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// The status line with its line end.
    pub line: Span,
    /// The status line can go out as it came.
    pub line_is_canonical: bool,
    /// The version.
    pub version: Version,
    /// The field lines.
    pub fields: Vec<Field>,
    /// How long the body is.
    pub body: BodyLength,
    /// The number in Content-Length, also where there is no body (HEAD).
    pub content_length: Option<u64>,
    /// Content-Length was repeated or not in its shortest form, and is forwarded anew.
    pub length_needs_rewrite: bool,
    /// Whether the backend keeps the connection for another request.
    pub persistent: bool,
    /// Both Content-Length and Transfer-Encoding came, and there is no body to frame.
    pub contradictory_framing: bool,
    /// `Connection` names fields of this hop beyond the known ones.
    pub connection_names_fields: bool,
    /// First byte of the status line.
    pub start: usize,
    /// First byte after the head.
    pub end: usize,
}

impl ResponseHead {
    /// The fields over the buffer they were parsed from.
    #[must_use]
    pub fn fields<'a>(&'a self, buffer: &'a [u8]) -> Fields<'a> {
        Fields::new(buffer, &self.fields)
    }

    /// Whether more heads follow: 1xx but 101 (RFC 9110 §15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Whether its framing fields go no further: a 1xx or a 204 has none (RFC 9110 §8.6,
    /// RFC 9112 §6.1), and of two that exclude each other neither can be believed.
    #[must_use]
    pub const fn is_unframed(&self) -> bool {
        self.status < 200 || self.status == 204 || self.contradictory_framing
    }
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self {
            status: 0,
            reason: Span::default(),
            line: Span::default(),
            line_is_canonical: false,
            version: Version::Http11,
            fields: Vec::with_capacity(32),
            body: BodyLength::Empty,
            content_length: None,
            length_needs_rewrite: false,
            persistent: false,
            contradictory_framing: false,
            connection_names_fields: false,
            start: 0,
            end: 0,
        }
    }
}

/// Parses response heads, one after the other, as their bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct ResponseParser {
    head: ResponseHead,
    lines: Lines,
    framing: Framing,
    /// The request was HEAD: no body, whatever the fields say.
    to_head: bool,
    in_fields: bool,
}

impl ResponseParser {
    /// Forgets the last head and begins at `offset` of the buffer; `to_head` when it answers HEAD.
    pub fn begin(&mut self, offset: usize, to_head: bool) {
        self.head.fields.clear();
        self.head.start = offset;
        self.lines = Lines::at(offset);
        self.framing = Framing::default();
        self.to_head = to_head;
        self.in_fields = false;
    }

    /// The head that [`advance`](Self::advance) has completed.
    #[must_use]
    pub const fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Reads on. `buffer` is the same buffer as before with more bytes at its end.
    ///
    /// Returns whether the head is complete.
    ///
    /// # Errors
    /// The first rule that the head breaks; the connection to the backend is not used again.
    pub fn advance(&mut self, buffer: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        while let Some(line) = self.lines.next(buffer)? {
            if line.end as usize - self.head.start > limits.head_bytes {
                return Err(Refusal::HeadTooLarge);
            }
            if !self.in_fields {
                self.status_line(buffer, line)?;
                self.in_fields = true;
            } else if line.is_empty() {
                self.finish()?;
                return Ok(true);
            } else {
                if self.head.fields.len() >= limits.fields {
                    return Err(Refusal::HeadTooLarge);
                }
                let field = lines::field(buffer, line)?;
                self.note(field, buffer)?;
            }
        }
        if buffer.len() - self.head.start > limits.head_bytes {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(false)
    }

    fn note(&mut self, field: Field, buffer: &[u8]) -> Result<(), Refusal> {
        match field.kind {
            FieldKind::Other | FieldKind::OtherX | FieldKind::XForwarded => {}
            kind => self.framing.note(kind, field.value.of(buffer))?,
        }
        self.head.fields.push(field);
        Ok(())
    }

    fn status_line(&mut self, buffer: &[u8], line: Span) -> Result<(), Refusal> {
        let text = line.of(buffer);
        self.head.version = match text.get(..8) {
            Some(b"HTTP/1.1") => Version::Http11,
            Some(b"HTTP/1.0") => Version::Http10,
            _ => return Err(Refusal::StatusLine),
        };
        let [b' ', status @ ..] = &text[8..] else {
            return Err(Refusal::StatusLine);
        };
        let (digits, rest) = status.split_at_checked(3).ok_or(Refusal::StatusLine)?;
        if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
            return Err(Refusal::StatusLine);
        }
        self.head.status = digits
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        let reason_start = match rest {
            [] => 12,
            [b' ', ..] => 13,
            _ => return Err(Refusal::StatusLine),
        };
        if !lines::is_value(rest) {
            return Err(Refusal::StatusLine);
        }
        self.head.reason = Span::new(line.start as usize + reason_start, line.end as usize);
        self.head.line = Span::new(line.start as usize, line.end as usize + 2);
        self.head.line_is_canonical = self.head.version == Version::Http11 && !rest.is_empty();
        Ok(())
    }

    /// The rules that need the whole head.
    fn finish(&mut self) -> Result<(), Refusal> {
        let head = &mut self.head;
        head.end = self.lines.position();
        let bodiless = self.to_head || head.status < 200 || matches!(head.status, 204 | 304);
        head.body = self.framing.response_body(head.version, bodiless)?;
        head.content_length = self.framing.content_length();
        head.length_needs_rewrite = self.framing.length_needs_rewrite;
        head.connection_names_fields = self.framing.names_fields;
        head.contradictory_framing = self.framing.is_contradictory();
        // Who contradicts itself may send a body after all.
        head.persistent = self.framing.persistent(head.version)
            && head.body != BodyLength::UntilClose
            && !head.contradictory_framing;
        Ok(())
    }
}

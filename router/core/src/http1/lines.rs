//! The lines of a head, taken as they become complete.

use super::Refusal;
use crate::byte_scan;
use crate::field::{Field, FieldKind, Span};

/// What one head may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole head, line ends included.
    pub head_bytes: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of a request's target.
    pub target_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            fields: 256,
            target_bytes: 16 << 10,
        }
    }
}

/// Where the reading of a head stands: it goes on where it stopped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// First byte of the line under way.
    start: usize,
    /// First byte not looked at yet.
    scanned: usize,
}

impl Lines {
    /// Begins at `offset` of the buffer.
    pub(super) const fn at(offset: usize) -> Self {
        Self {
            start: offset,
            scanned: offset,
        }
    }

    /// The next complete line of `buffer` without its CR LF, or nothing until more bytes are there.
    ///
    /// # Errors
    /// A line that ends in a bare LF.
    #[inline]
    pub(super) fn next(&mut self, buffer: &[u8]) -> Result<Option<Span>, Refusal> {
        let Some(found) = byte_scan::position(&buffer[self.scanned..], b'\n') else {
            self.scanned = buffer.len();
            return Ok(None);
        };
        let end = self.scanned + found;
        let line = Span::new(self.start, end.wrapping_sub(1));
        if end == self.start || buffer[end - 1] != b'\r' {
            return Err(Refusal::LineEnd);
        }
        self.start = end + 1;
        self.scanned = end + 1;
        Ok(Some(line))
    }

    /// First byte after the last complete line.
    pub(super) const fn position(&self) -> usize {
        self.start
    }
}

/// Parses one complete field line (RFC 9112 §5).
#[inline]
pub(super) fn field(buffer: &[u8], line: Span) -> Result<Field, Refusal> {
    let text = line.of(buffer);
    let name_length = token_length(text);
    if text.get(name_length) != Some(&b':') || name_length == 0 {
        let folded = matches!(text.first(), Some(b' ' | b'\t'));
        return Err(if folded {
            Refusal::Folding
        } else {
            Refusal::FieldName
        });
    }
    let start = line.start as usize;
    let (from, to) = trim(text, name_length + 1);
    if !is_value(&text[from..to]) {
        return Err(Refusal::FieldValue);
    }
    Ok(Field {
        kind: FieldKind::of(&text[..name_length]),
        name: Span::new(start, start + name_length),
        value: Span::new(start + from, start + to),
        line: Span::new(start, line.end as usize + 2),
    })
}

/// The bounds of `text[from..]` without spaces and tabs at its ends.
#[inline]
fn trim(text: &[u8], from: usize) -> (usize, usize) {
    let (mut start, mut end) = (from, text.len());
    while let Some(b' ' | b'\t') = text.get(start) {
        start += 1;
    }
    while end > start && matches!(text[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    (start, end)
}

/// Whether `text` is a token, as the names of fields and methods are (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && token_length(text) == text.len()
}

/// How many bytes from the start are token characters (RFC 9110 §5.6.2).
#[inline]
pub(super) fn token_length(text: &[u8]) -> usize {
    text.iter()
        .position(|&byte| !TOKEN[byte as usize])
        .unwrap_or(text.len())
}

/// Whether no control character but a tab is in it (RFC 9110 §5.5; obs-text passes).
#[inline]
pub(super) fn is_value(value: &[u8]) -> bool {
    let odd = |block| byte_scan::below(block, b' ') | byte_scan::is(block, 0x7f);
    let bad = |byte: &u8| matches!(byte, 0..=0x1f | 0x7f) && *byte != b'\t';
    // A tab is odd and yet allowed; it is rare.
    !byte_scan::any(value, odd) || !value.iter().any(bad)
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

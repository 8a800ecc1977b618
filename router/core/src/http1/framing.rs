//! How long a body is (RFC 9112 §6), gathered field by field while a head is parsed.

use super::{Refusal, Version};
use crate::field::{FieldKind, members};

/// The length of a message body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// So many bytes, at least one.
    Exact(u64),
    /// As many as the chunks say.
    Chunked,
    /// Until the connection closes (responses only).
    UntilClose,
}

/// The longest body: lengths from 2^63 on are negative to many a parser behind us.
pub const MAX_LENGTH: u64 = i64::MAX as u64;

/// Options that the `Connection` fields of a head may list together. Each is looked for among all
/// fields; nobody has use for more than a few.
const CONNECTION_OPTIONS: u32 = 64;

/// What the framing fields of a head have said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    /// The Content-Length lines cannot go out as they came: repeated, or not in the shortest form.
    pub(super) length_needs_rewrite: bool,
    coding: Option<Coding>,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// `Connection: upgrade`.
    pub(super) upgrade: bool,
    /// `Connection` names fields of this hop beyond the known ones.
    pub(super) names_fields: bool,
    options: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// Only codings that exist elsewhere, so far.
    Unknown,
    /// Such codings, and `chunked` last.
    UnknownThenChunked,
    Malformed,
}

impl Framing {
    /// Takes note of one field.
    #[inline]
    pub(super) fn note(&mut self, kind: FieldKind, value: &[u8]) -> Result<(), Refusal> {
        match kind {
            FieldKind::ContentLength => self.note_length(value),
            FieldKind::TransferEncoding => {
                self.note_coding(value);
                Ok(())
            }
            FieldKind::Connection => self.note_connection(value),
            _ => Ok(()),
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if value.is_empty() {
            return Err(Refusal::EmptyContentLength);
        }
        let length = decimal(value).filter(|length| *length <= MAX_LENGTH);
        let length = length.ok_or(Refusal::ContentLength)?;
        self.length_needs_rewrite |= self.length.is_some() || (value.len() > 1 && value[0] == b'0');
        match self.length.replace(length) {
            Some(other) if other != length => Err(Refusal::ContentLength),
            _ => Ok(()),
        }
    }

    fn note_coding(&mut self, value: &[u8]) {
        for member in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let chunked = member.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match self.coding {
                None if chunked => Coding::Chunked,
                Some(Coding::Unknown) if chunked => Coding::UnknownThenChunked,
                None | Some(Coding::Unknown) if is_foreign(member) => Coding::Unknown,
                _ => Coding::Malformed,
            });
        }
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for member in members(value) {
            self.options += 1;
            if self.options > CONNECTION_OPTIONS {
                return Err(Refusal::ConnectionOptions);
            }
            if member.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if member.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if member.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names_fields = true;
            }
        }
        Ok(())
    }

    /// The length of a request's body (RFC 9112 §6.3).
    pub(super) fn request_body(&self, version: Version) -> Result<BodyLength, Refusal> {
        match (self.coding, self.length) {
            (None, None | Some(0)) => Ok(BodyLength::Empty),
            (None, Some(length)) => Ok(BodyLength::Exact(length)),
            (Some(_), Some(_)) => Err(Refusal::LengthAndCoding),
            (Some(coding), None) => coding.check(version).map(|()| BodyLength::Chunked),
        }
    }

    /// The length of a response's body, `bodiless` when the request was HEAD or the status has none:
    /// then there is nothing to frame, and nothing ambiguous about two fields that would.
    pub(super) fn response_body(
        &self,
        version: Version,
        bodiless: bool,
    ) -> Result<BodyLength, Refusal> {
        match (self.coding, self.length) {
            (Some(Coding::Malformed), _) => Err(Refusal::TransferEncoding),
            _ if bodiless => Ok(BodyLength::Empty),
            (Some(_), Some(_)) => Err(Refusal::LengthAndCoding),
            (Some(coding), None) => coding.check(version).map(|()| BodyLength::Chunked),
            (None, Some(0)) => Ok(BodyLength::Empty),
            (None, Some(length)) => Ok(BodyLength::Exact(length)),
            (None, None) => Ok(BodyLength::UntilClose),
        }
    }

    /// Whether both kinds of framing were there.
    pub(super) const fn is_contradictory(&self) -> bool {
        self.coding.is_some() && self.length.is_some()
    }

    /// The number in Content-Length, if there was one.
    pub(super) const fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the connection outlives this message (RFC 9112 §9.3).
    pub(super) const fn persistent(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

impl Coding {
    const fn check(self, version: Version) -> Result<(), Refusal> {
        match (self, version) {
            (Self::Chunked, Version::Http11) => Ok(()),
            (Self::UnknownThenChunked, Version::Http11) => Err(Refusal::UnknownCoding),
            (Self::Chunked | Self::UnknownThenChunked, Version::Http10) => {
                Err(Refusal::CodingInHttp10)
            }
            _ => Err(Refusal::TransferEncoding),
        }
    }
}

/// A coding that exists, though not here. `identity` does not any more (RFC 9112 §7).
fn is_foreign(member: &[u8]) -> bool {
    !member.is_empty()
        && super::lines::token_length(member) == member.len()
        && !member.eq_ignore_ascii_case(b"identity")
}

/// `1*DIGIT` that fits; nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

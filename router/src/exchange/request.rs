//! The request of an exchange, as it lies in the buffer that it was read into.

use router_core::field::{FieldKind, Fields, Span, members};
use router_core::http1::Version;
use router_core::http1::framing::BodyLength;
use router_core::http1::request::{RequestHead, RequestParser};

use crate::io::buffers::Buffer;

/// A request, its head parsed as far as it was read.
#[derive(Debug)]
pub(super) struct Request {
    /// The head, what was read of the body with it, and perhaps requests behind it.
    pub(super) input: Buffer,
    pub(super) parser: Box<RequestParser>,
    /// What was read behind a chunked body.
    pub(super) behind: Option<Buffer>,
}

impl Request {
    /// Whether anything of a request was read.
    pub(super) fn has_begun(&self) -> bool {
        self.parser.has_begun(self.input.filled())
    }

    pub(super) fn head(&self) -> &RequestHead {
        self.parser.head()
    }

    /// The fields; of a head that was refused, those before the place where it was.
    pub(super) fn fields(&self) -> Fields<'_> {
        self.head().fields(self.input.filled())
    }

    /// The authority as the client wrote it, perhaps with a port.
    pub(super) fn authority(&self) -> &str {
        self.text(self.head().authority)
    }

    /// The bytes of the authority, for those who need no text.
    pub(super) fn authority_bytes(&self) -> &[u8] {
        self.head().authority.of(self.input.filled())
    }

    /// The host without its port, as messages name it.
    pub(super) fn host(&self) -> &str {
        router_core::host::bare(self.authority())
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.text(self.head().path)
    }

    /// Both were checked to be ASCII when they were parsed.
    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(span.of(self.input.filled())).unwrap_or_default()
    }

    /// Whether the client speaks HTTP/1.0: it can read neither interim responses nor chunks.
    pub(super) fn is_http10(&self) -> bool {
        self.head().version == Version::Http10
    }

    pub(super) fn is_websocket(&self) -> bool {
        let asked = self.fields().all(FieldKind::Upgrade).flat_map(members);
        self.head().upgrade
            && asked
                .into_iter()
                .any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    }

    /// Whether the client holds its body back until it is told to send it (RFC 9110 §10.1.1).
    pub(super) fn holds_body_back(&self) -> bool {
        self.head().end == self.input.filled().len()
            && self.head().version == Version::Http11
            && (self.fields().all(FieldKind::Expect))
                .any(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// The length of the body, when the head tells it.
    pub(super) fn body_length(&self) -> Option<u64> {
        match self.head().body {
            BodyLength::Exact(length) => Some(length),
            _ => None,
        }
    }

    /// The part of the body that was read with the head and is sent on with it. What lies behind the
    /// head of a chunked request belongs to its relay.
    pub(super) fn body_with_head(&self) -> &[u8] {
        &self.input.filled()[self.head().end..self.body_end()]
    }

    /// What lies behind the request, or behind the head of a chunked one.
    pub(super) fn rest(&self) -> &[u8] {
        &self.input.filled()[self.body_end()..]
    }

    /// Whether nothing of the request is left to be read from the connection.
    pub(super) fn is_whole(&self) -> bool {
        match self.head().body {
            BodyLength::Empty => true,
            BodyLength::Exact(length) => self.body_with_head().len() as u64 == length,
            BodyLength::Chunked | BodyLength::UntilClose => false,
        }
    }

    /// Forgets the request; what lies behind it stays.
    pub(super) fn forget(&mut self) {
        if self.head().body == BodyLength::Chunked {
            self.input.clear();
            if let Some(behind) = self.behind.take() {
                self.input = behind;
            }
            return;
        }
        let end = self.body_end();
        if end == self.input.filled().len() {
            self.input.clear();
        } else {
            self.input.consume(end);
        }
    }

    fn body_end(&self) -> usize {
        let (head, there) = (self.head(), self.input.filled().len());
        match head.body {
            BodyLength::Exact(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                head.end.saturating_add(length).min(there)
            }
            _ => head.end,
        }
    }
}

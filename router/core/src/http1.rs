//! HTTP/1.1 on the wire (RFC 9112), without a socket: bytes in, spans and verdicts out.
//!
//! - [`request`] and [`response`] parse a head that may arrive a byte at a time; no byte is looked at
//!   twice.
//! - [`framing`] says how long a body is, and refuses whatever two parsers could read differently.
//! - [`chunked`] takes a chunked body apart.
//! - [`write`](mod@write) puts a head together again: what is unchanged is a span of the bytes it arrived in.
//!
//! Refused is whatever is ambiguous: nothing is repaired by guess (RFC 9112 §2.2, §5.1, §6.3, §11.2).

mod authority;
pub mod chunked;
pub mod framing;
mod lines;
pub mod request;
pub mod response;
pub mod write;

pub use lines::{Limits, is_token};

/// The two versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes after each message unless told otherwise, knows no chunks.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// As it stands in a start line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// Why a message is refused. Each request error has one status; each response error is a 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A line that does not end in CR LF, or a CR elsewhere (RFC 9112 §2.2).
    LineEnd,
    /// The request line is not `method SP target SP version` (§3).
    RequestLine,
    /// The target has bytes that no target has, or a form that does not fit the method (§3.2).
    Target,
    /// A version other than 1.0 and 1.1 (RFC 9110 §2.5).
    Version,
    /// `CONNECT`: the router opens no tunnels.
    Connect,
    /// The status line is not `version SP 3DIGIT [SP reason]` (§4).
    StatusLine,
    /// A field name that is not a token, or white space before the colon (§5.1).
    FieldName,
    /// A control character in a field value (RFC 9110 §5.5).
    FieldValue,
    /// A folded line (§5.2).
    Folding,
    /// No Host, two of them, one that is none, or another than the target's (§3.2).
    Host,
    /// A Content-Length that is not one number below 2^63 (§6.3).
    ContentLength,
    /// A Content-Length without a value (§6.3).
    EmptyContentLength,
    /// A Transfer-Encoding that does not end in one `chunked` (§6.1).
    TransferEncoding,
    /// A Transfer-Encoding beside a Content-Length (§6.3).
    LengthAndCoding,
    /// A Transfer-Encoding in HTTP/1.0 (§6.1).
    CodingInHttp10,
    /// A coding that the router does not know (§6.1).
    UnknownCoding,
    /// A chunk that is malformed (§7.1).
    Chunk,
    /// More options in `Connection` than anybody has use for.
    ConnectionOptions,
    /// The head is larger than the limit, or has more fields (RFC 6585 §5).
    HeadTooLarge,
    /// The target is longer than the limit (RFC 9110 §15.5.15).
    TargetTooLong,
}

impl Refusal {
    /// The status that answers a request refused for this.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Connect => 405,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::ConnectionOptions => 431,
            Self::UnknownCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// One sentence for the body of that answer.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::LineEnd => "malformed line end",
            Self::RequestLine => "malformed request line",
            Self::Target => "malformed request target",
            Self::Version => "unsupported HTTP version",
            Self::Connect => "method CONNECT is not allowed",
            Self::StatusLine => "malformed status line",
            Self::FieldName => "malformed header name",
            Self::FieldValue => "malformed header value",
            Self::Folding => "folded header line",
            Self::Host => "malformed Host header",
            Self::ContentLength => "malformed Content-Length",
            Self::EmptyContentLength => "empty Content-Length",
            Self::TransferEncoding => "malformed Transfer-Encoding",
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Self::CodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::UnknownCoding => "unsupported transfer coding",
            Self::Chunk => "malformed chunk",
            Self::ConnectionOptions => "too many Connection options",
            Self::HeadTooLarge => "header too large",
            Self::TargetTooLong => "request target too long",
        }
    }
}

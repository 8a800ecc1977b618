//! One line per finished exchange: what is known at its end, and how it is written.
//!
//! The line is gorouter's, field for field, because operators' parsers match it; the JSON form
//! carries the same facts under the same names. Everything a client or a backend chose is escaped:
//! no header value can end the line, leave its quotes or break the JSON.

mod glimpse;
mod json;
mod line;
mod number;
mod redact;
mod text;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::endpoint::Endpoint;
pub use glimpse::Glimpse;

/// All that is known at the end of one exchange. Borrowed, and built on the stack.
///
/// An empty byte string means "not there" and is written as `"-"`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The host as the client sent it.
    pub host: &'a [u8],
    /// The request method.
    pub method: &'a [u8],
    /// The request target as it was received, query included.
    pub target: &'a [u8],
    /// The protocol of the client's side, `HTTP/1.1`.
    pub version: &'static str,
    /// `Referer`.
    pub referer: &'a [u8],
    /// `User-Agent`.
    pub user_agent: &'a [u8],
    /// `X-Forwarded-For` as sent to the backend.
    pub x_forwarded_for: &'a [u8],
    /// `X-Forwarded-Proto` as sent to the backend.
    pub x_forwarded_proto: &'a [u8],
    /// The id that this router gave the request.
    pub request_id: &'a str,
    /// The other end of the client's connection; none on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The client's address as computed once from the PROXY header, trusted headers and the peer.
    pub client: Option<IpAddr>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<&'a Endpoint>,
    /// When the head of the request had arrived, in nanoseconds since 1970.
    pub started_unix_nanos: u64,
    /// The status that the client was sent; none when the client went away before it.
    pub status: Option<u16>,
    /// Body bytes received from the client.
    pub request_bytes: u64,
    /// Body bytes sent to the client.
    pub response_bytes: u64,
    /// From the request's head to the last byte of the response.
    pub total: Duration,
    /// The part of `total` that was not spent waiting for the backend or for the client.
    pub gorouter_time: Duration,
    /// The time the backend took for the attempt that answered.
    pub backend_time: Option<Duration>,
    /// The time it took to connect; none on a reused connection.
    pub dial_time: Option<Duration>,
    /// The time it took to resolve the endpoint's name; none when it is an address.
    pub dns_time: Option<Duration>,
    /// Attempts that failed before the one that answered.
    pub failed_attempts: u32,
    /// The time those attempts took together.
    pub failed_attempts_time: Duration,
    /// The reason of an answer that this router made itself, else what the app's own
    /// `X-Cf-RouterError` says, else how the exchange ended when it did so too early; or empty.
    pub router_error: &'a str,
    /// This router's end of the connection to the backend.
    pub local: Option<SocketAddr>,
    /// Values of the extra headers to log, in configured order, under lower-snake names.
    pub extra: &'a [(&'a str, &'a [u8])],
}

impl<'a> Entry<'a> {
    /// The app, its instance's index and its instance's id, each empty when unknown.
    fn identity(&self) -> (&'a str, &'a str, &'a str) {
        self.endpoint.map_or(("", "", ""), |endpoint| {
            let facts = endpoint.facts();
            (facts.app(), facts.instance_index(), facts.instance_id())
        })
    }

    /// The time spent on failed attempts; none when none failed.
    fn failed_time(&self) -> Option<Duration> {
        (self.failed_attempts > 0).then_some(self.failed_attempts_time)
    }
}

/// One try at one endpoint, as `watch` and the retry log show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The endpoint's address, `host:port`.
    pub address: Box<str>,
    /// What came of it: `ok`, or the failure's class.
    pub outcome: &'static str,
    /// From choosing the endpoint to the response's head or the failure.
    pub took: Duration,
    /// Whether the connection had carried a request before.
    pub reused: bool,
}

/// How a query is written: gorouter's `redact_query_params`. It concerns GET requests alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedactQuery {
    /// As it was received.
    #[default]
    None,
    /// The query is left out.
    All,
    /// The query is replaced by `hash=` and its SHA-1 in hex, so that equal queries can be told.
    Hash,
}

/// A field that is written only when configured: gorouter's `extra_access_log_fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraField {
    /// `backend_time`
    BackendTime,
    /// `dial_time`
    DialTime,
    /// `dns_time`
    DnsTime,
    /// `failed_attempts`
    FailedAttempts,
    /// `failed_attempts_time`
    FailedAttemptsTime,
    /// `local_address`
    LocalAddress,
    /// `tls_time`; a plain backend has none, and it is written as unknown.
    TlsTime,
}

impl ExtraField {
    /// Every field, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::BackendTime,
        Self::DialTime,
        Self::DnsTime,
        Self::FailedAttempts,
        Self::FailedAttemptsTime,
        Self::LocalAddress,
        Self::TlsTime,
    ];

    /// The name in the configuration and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackendTime => "backend_time",
            Self::DialTime => "dial_time",
            Self::DnsTime => "dns_time",
            Self::FailedAttempts => "failed_attempts",
            Self::FailedAttemptsTime => "failed_attempts_time",
            Self::LocalAddress => "local_address",
            Self::TlsTime => "tls_time",
        }
    }

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// gorouter's line.
    #[default]
    Line,
    /// One JSON object a line.
    Json,
}

/// What is written of a entry, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Line or JSON.
    pub style: Style,
    /// How queries are written.
    pub redact_query: RedactQuery,
    /// Writes `"-"` for `X-Forwarded-For` and leaves the computed client out.
    pub hide_forwarded_for: bool,
    /// Writes `"-"` for the peer's address.
    pub hide_source_ip: bool,
    /// The extra fields in configured order.
    pub extra_fields: Vec<ExtraField>,
}

impl Format {
    /// Appends the entry to `out` in the configured style, the line feed included.
    pub fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self.style {
            Style::Line => self.line(entry, out),
            Style::Json => self.json(entry, out),
        }
    }

    /// Appends gorouter's line. It allocates only when `out` has to grow.
    pub fn line(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        line::write(self, entry, out);
    }

    /// Appends one JSON object and a line feed.
    pub fn json(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        json::write(self, entry, out);
    }
}

/// A moment in UTC as the log writes it: `2006-01-02T15:04:05.000000000Z`.
pub fn timestamp(unix_nanos: u64) -> String {
    let mut text = Vec::new();
    number::timestamp(unix_nanos, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The log's name of an extra header: `X-Some-Thing` is written as `x_some_thing`.
///
/// Anything that is not a letter, digit, `_` or `.` becomes `_` as well, so that a configured name
/// cannot break the line.
pub fn extra_header_name(header: &str) -> String {
    header
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '_' | '.' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests;

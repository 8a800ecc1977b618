//! What counts one event each, with its name and what it says.

use crate::observe::metrics::Event;

/// The counters of gorouter that count one event each.
pub(super) const EVENTS: [(Event, &str, &str); 9] = [
    (
        Event::Rejected,
        "rejected_requests",
        "requests refused before an endpoint was chosen",
    ),
    (
        Event::BadGateway,
        "bad_gateways",
        "502 answers made by the router",
    ),
    (
        Event::EmptyContentLength,
        "empty_content_length_header",
        "requests with an empty length",
    ),
    (
        Event::BackendInvalidId,
        "backend_invalid_id",
        "backends that proved to be somebody else",
    ),
    (
        Event::BackendInvalidTlsCert,
        "backend_invalid_tls_cert",
        "untrusted backend certificates",
    ),
    (
        Event::BackendTlsHandshakeFailed,
        "backend_tls_handshake_failed",
        "failed TLS handshakes",
    ),
    (
        Event::BackendExhausted,
        "backend_exhausted_conns",
        "requests with all endpoints at their limit",
    ),
    (
        Event::WebsocketUpgrade,
        "websocket_upgrades",
        "requests that became a WebSocket",
    ),
    (
        Event::WebsocketFailure,
        "websocket_failures",
        "WebSocket requests that were refused",
    ),
];

/// Our own, of the same kind.
pub(super) const OUR_EVENTS: [(Event, &str, &str); 9] = [
    (
        Event::Retry,
        "switchyard_retries_total",
        "attempts after the first of their request",
    ),
    (
        Event::Ejection,
        "switchyard_ejections_total",
        "endpoints taken out after a failure",
    ),
    (
        Event::ConnectionOpened,
        "switchyard_connections_opened_total",
        "accepted connections",
    ),
    (
        Event::UpstreamConnect,
        "switchyard_upstream_connects_total",
        "connections made to backends",
    ),
    (
        Event::UpstreamReuse,
        "switchyard_upstream_reuses_total",
        "requests on a kept connection",
    ),
    (
        Event::UpstreamStale,
        "switchyard_upstream_stale_total",
        "kept connections found dead",
    ),
    (
        Event::Panic,
        "switchyard_panics_total",
        "panics inside a connection",
    ),
    (
        Event::BytesIn,
        "switchyard_received_bytes_total",
        "bytes of heads and bodies read from clients",
    ),
    (
        Event::BytesOut,
        "switchyard_sent_bytes_total",
        "bytes of heads and bodies written to clients",
    ),
];

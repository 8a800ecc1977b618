//! Fields of a response on its way to the client.

use super::{Edits, request};
use crate::field::{FieldKind, Fields};
use crate::http1::framing::BodyLength;

/// What a response looks like from where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// The request's id; added when the app did not set one.
    pub id: &'a [u8],
    /// The date to add when the app sent none (RFC 9110 §6.6.1).
    pub date: &'a str,
    /// How the body goes out.
    pub body: BodyLength,
    /// Content-Length to write anew, when the one that came cannot go out.
    pub length: Option<u64>,
    /// Framing fields that came are dropped: the status has no body (204, 1xx).
    pub unframed: bool,
    /// What becomes of the client's connection.
    pub connection: Connection,
    /// The response names the protocols that the client must change to (426, RFC 9110 §15.5.22).
    pub upgrade_required: bool,
    /// `Connection` names more than the known fields.
    pub connection_names_fields: bool,
    /// The client asked with the right key where the response came from.
    pub trace: Option<Trace<'a>>,
}

/// What the client is told about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: it stays, as HTTP/1.1 expects.
    Stays,
    /// `keep-alive`: it stays, and the client speaks HTTP/1.0.
    KeepAlive,
    /// `close`.
    Closes,
    /// `Upgrade`: the protocol changes.
    Upgrades,
}

/// The answer to `X-Vcap-Trace`.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// This router's address.
    pub router: &'a str,
    /// The endpoint's.
    pub backend: &'a str,
}

/// Works out the edits of one response; interim ones get none of the router's own fields.
pub fn edit(fields: Fields<'_>, departure: &Departure<'_>, interim: bool, edits: &mut Edits) {
    edits.clear();
    let (mut has_id, mut has_date) = (false, false);
    for (index, field) in fields.lines().iter().enumerate() {
        let dropped = match field.kind {
            FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyAuthenticate
            | FieldKind::ProxyAuthorization
            | FieldKind::ProxyConnection
            | FieldKind::Te
            | FieldKind::TransferEncoding
            | FieldKind::XCfProxySignature => true,
            FieldKind::ContentLength => departure.unframed || departure.length.is_some(),
            FieldKind::Trailer => departure.body != BodyLength::Chunked,
            FieldKind::Upgrade => {
                departure.connection != Connection::Upgrades && !departure.upgrade_required
            }
            FieldKind::XVcapRequestId => {
                has_id = true;
                false
            }
            FieldKind::Date => {
                has_date = true;
                false
            }
            _ => false,
        };
        if dropped {
            edits.drop_field(index);
        }
    }
    if departure.connection_names_fields {
        request::drop_named(fields, &request::Rules::default(), edits);
    }
    if interim {
        return;
    }
    add_framing(departure, edits);
    if !has_id {
        edits.add("X-Vcap-Request-Id", departure.id);
    }
    if !has_date {
        edits.add("Date", departure.date.as_bytes());
    }
    if let Some(trace) = departure.trace {
        edits.add("X-Vcap-Router", trace.router.as_bytes());
        edits.add("X-Vcap-Backend", trace.backend.as_bytes());
        edits.add("X-Cf-RouteEndpoint", trace.backend.as_bytes());
    }
}

fn add_framing(departure: &Departure<'_>, edits: &mut Edits) {
    match (departure.body, departure.length) {
        (BodyLength::Chunked, _) => edits.add("Transfer-Encoding", b"chunked"),
        (_, Some(length)) if !departure.unframed => {
            edits.begin_line("Content-Length");
            edits.add_number(length);
            edits.end_line();
        }
        _ => {}
    }
    // Whoever sends Upgrade names it here (RFC 9110 §7.8).
    let options: &[u8] = match (departure.connection, departure.upgrade_required) {
        (Connection::Stays, false) => return,
        (Connection::KeepAlive, false) => b"keep-alive",
        (Connection::KeepAlive, true) => b"keep-alive, Upgrade",
        (Connection::Closes, false) => b"close",
        (Connection::Closes, true) => b"close, Upgrade",
        (Connection::Upgrades, _) | (Connection::Stays, true) => b"Upgrade",
    };
    edits.add("Connection", options);
}

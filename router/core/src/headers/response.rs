//! Fields of a response on its way to the client.

use super::request;
use crate::edits::Edits;
use crate::field::names::FieldNames;
use crate::field::{FieldKind, Fields};
use crate::http1::framing::BodyLength;
use crate::trailer::TrailerRules;

/// What the operator wants changed in every response, the router's own answers included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseRules {
    removed: FieldNames,
    /// Names and values, and which kind each name is.
    added: Vec<(String, String, FieldKind)>,
}

impl ResponseRules {
    /// Removes the fields of the names in `removed`, then adds each pair of name and value in `added`
    /// to responses that have no field of that name. Names that
    /// [frame the message](is_framing) are left alone.
    #[must_use]
    pub fn new<'a>(
        removed: impl IntoIterator<Item = &'a str>,
        added: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let added = added.into_iter().filter(|(name, _)| !is_framing(name));
        let pair = |(name, value): (&str, &str)| {
            let kind = FieldKind::of(name.as_bytes());
            (name.to_owned(), value.to_owned(), kind)
        };
        Self {
            removed: FieldNames::new(removed.into_iter().filter(|name| !is_framing(name))),
            added: added.map(pair).collect(),
        }
    }

    /// The fields of an answer of the router's own, as lines with their line ends: `lines` after the
    /// change, and the date unless a rule gives another.
    #[must_use]
    pub fn apply(&self, lines: &str, date: &str) -> String {
        let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        let mut kept = String::with_capacity(lines.len() + 64);
        for line in lines.split_inclusive("\r\n") {
            if !self.removed.contains(name(line).as_bytes()) {
                kept.push_str(line);
            }
        }
        for (added, value, _) in &self.added {
            let is = |line: &str| name(line).eq_ignore_ascii_case(added);
            if !kept.split_inclusive("\r\n").any(is) {
                kept.extend([added, ": ", value, "\r\n"]);
            }
        }
        if !self
            .added
            .iter()
            .any(|(_, _, kind)| *kind == FieldKind::Date)
        {
            kept.extend(["Date: ", date, "\r\n"]);
        }
        kept
    }

    fn add(&self, fields: Fields<'_>, has: &mut Has, edits: &mut Edits) {
        for (name, value, kind) in &self.added {
            let is_there = match kind {
                FieldKind::XVcapRequestId => std::mem::replace(&mut has.id, true),
                FieldKind::Date => std::mem::replace(&mut has.date, true),
                kind => fields.lines().iter().enumerate().any(|(index, field)| {
                    field.kind == *kind
                        && !edits.is_dropped(index)
                        && fields
                            .bytes(field.name)
                            .eq_ignore_ascii_case(name.as_bytes())
                }),
            };
            if !is_there {
                edits.add(name, value.as_bytes());
            }
        }
    }
}

/// Whether a field says where a message or a connection ends, so that only the router may set it.
#[must_use]
pub fn is_framing(name: &str) -> bool {
    matches!(
        FieldKind::of(name.as_bytes()),
        FieldKind::Connection
            | FieldKind::ContentLength
            | FieldKind::TransferEncoding
            | FieldKind::Upgrade
    )
}

/// What a response looks like from where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// What the operator wants changed.
    pub rules: &'a ResponseRules,
    /// The request's id; added when the app did not set one.
    pub id: &'a [u8],
    /// The date to add when the app sent none (RFC 9110 §6.6.1).
    pub date: &'a str,
    /// How the body goes out.
    pub body: BodyLength,
    /// Content-Length to write anew, when the one that came cannot go out.
    pub length: Option<u64>,
    /// Framing fields that came are dropped: there is no body to frame.
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

/// Which fields a response has that the router would add.
#[derive(Default)]
struct Has {
    id: bool,
    date: bool,
}

impl Has {
    /// Whether a field is dropped, by what it is.
    #[inline]
    fn drops(&mut self, kind: FieldKind, departure: &Departure<'_>) -> bool {
        match kind {
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
                self.id = true;
                false
            }
            FieldKind::Date => {
                self.date = true;
                false
            }
            _ => false,
        }
    }
}

/// Works out the edits of one response; interim ones get none of the router's own fields.
pub fn edit(fields: Fields<'_>, departure: &Departure<'_>, interim: bool, edits: &mut Edits) {
    edits.clear();
    // First, so that what is dropped here counts as absent and is set anew.
    if departure.connection_names_fields {
        request::drop_named(fields, &FieldNames::default(), edits);
    }
    let rules = departure.rules;
    let mut has = Has::default();
    for (index, field) in fields.lines().iter().enumerate() {
        let named = departure.connection_names_fields && edits.is_dropped(index);
        let removed = named || rules.removed.contains(fields.bytes(field.name));
        if removed || has.drops(field.kind, departure) {
            edits.drop_field(index);
        }
    }
    if interim {
        return;
    }
    add_framing(departure, edits);
    let mut add = |name: &str, value: &[u8]| {
        if !rules.removed.contains(name.as_bytes()) {
            edits.add(name, value);
            return true;
        }
        false
    };
    if !has.id {
        has.id = add("X-Vcap-Request-Id", departure.id);
    }
    if let Some(trace) = departure.trace {
        add("X-Vcap-Router", trace.router.as_bytes());
        add("X-Vcap-Backend", trace.backend.as_bytes());
        add("X-Cf-RouteEndpoint", trace.backend.as_bytes());
    }
    rules.add(fields, &mut has, edits);
    if !has.date {
        edits.add("Date", departure.date.as_bytes());
    }
}

/// The rules for the trailers of a response.
#[must_use]
pub fn trailers(
    fields: Fields<'_>,
    rules: &ResponseRules,
    connection_names_fields: bool,
) -> TrailerRules {
    let trailers = TrailerRules {
        removed: rules.removed.clone(),
        ..TrailerRules::default()
    };
    if connection_names_fields {
        trailers.naming(fields, &FieldNames::default())
    } else {
        trailers
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::response::ResponseParser;
    use crate::http1::{Limits, Refusal, write};

    /// What the client gets for `lines`, without the status line.
    fn forwarded(lines: &str, rules: &ResponseRules) -> String {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        let mut parser = ResponseParser::default();
        parser.begin(0, false);
        assert_eq!(
            parser.advance(text.as_bytes(), &Limits::default()),
            Ok(true)
        );
        let head = parser.head();
        let departure = Departure {
            rules,
            id: b"id",
            date: "now",
            body: head.body,
            length: None,
            unframed: false,
            connection: Connection::Stays,
            upgrade_required: false,
            connection_names_fields: head.connection_names_fields,
            trace: None,
        };
        let mut edits = Edits::default();
        edit(head.fields(text.as_bytes()), &departure, false, &mut edits);
        let mut bytes = Vec::new();
        write::response(&mut bytes, text.as_bytes(), head, &edits);
        let text = String::from_utf8(bytes).unwrap();
        let rest = text.strip_prefix("HTTP/1.1 200 OK\r\n").unwrap();
        rest.replace("Content-Length: 0\r\n", "")
            .trim_end()
            .replace("\r\n", "|")
    }

    #[track_caller]
    fn check(rules: &ResponseRules, lines: &str, expected: &str) {
        assert_eq!(forwarded(lines, rules), expected, "{lines}");
    }

    #[test]
    fn what_connection_names_is_set_anew_where_the_router_sets_it() {
        let rules = ResponseRules::default();
        let own = "X-Vcap-Request-Id: id|Date: now";
        check(&rules, "", own);
        check(
            &rules,
            "Date: then\r\nX-Vcap-Request-Id: its\r\n",
            "Date: then|X-Vcap-Request-Id: its",
        );
        check(
            &rules,
            "Connection: date, X-Vcap-Request-Id, x-gone\r\nDate: then\r\nX-Vcap-Request-Id: its\r\n\
             X-Gone: 1\r\n",
            own,
        );
        check(&rules, "Connection: content-length, te\r\nTE: x\r\n", own);
    }

    #[test]
    fn a_list_of_options_that_nobody_needs_is_refused() {
        let parse = |options: usize| {
            let options = vec!["a"; options].join(",");
            let text = format!("HTTP/1.1 200 OK\r\nConnection: {options}\r\n\r\n");
            let mut parser = ResponseParser::default();
            parser.begin(0, false);
            parser.advance(text.as_bytes(), &Limits::default())
        };
        assert_eq!(parse(64), Ok(true));
        for options in [65, 31_000] {
            assert_eq!(parse(options), Err(Refusal::ConnectionOptions));
        }
    }

    #[test]
    fn fields_are_removed_before_others_are_added() {
        let rules = ResponseRules::new(
            ["server", "X-Both", "Content-Length", "connection"],
            [
                ("X-Both", "ours"),
                ("X-New", "ours"),
                ("Transfer-Encoding", "chunked"),
            ],
        );
        let own = "X-Vcap-Request-Id: id|X-Both: ours|X-New: ours|Date: now";
        check(&rules, "", own);
        check(
            &rules,
            "Server: app\r\nSERVER: again\r\nx-both: its\r\nX-Keep: 1\r\n",
            &format!("X-Keep: 1|{own}"),
        );
        check(
            &rules,
            "x-new: its\r\n",
            "x-new: its|X-Vcap-Request-Id: id|X-Both: ours|Date: now",
        );
        check(&rules, "Connection: x-new\r\nx-new: its\r\n", own);
    }

    #[test]
    fn a_rule_for_what_the_router_adds_goes_before_it() {
        let rules = ResponseRules::new([], [("Date", "ours"), ("X-Vcap-Request-Id", "ours")]);
        check(&rules, "", "X-Vcap-Request-Id: id|Date: ours");
        check(&rules, "Date: its\r\n", "Date: its|X-Vcap-Request-Id: id");
        let rules = ResponseRules::new(["x-vcap-request-id", "date"], []);
        check(
            &rules,
            "Date: its\r\nX-Vcap-Request-Id: its\r\n",
            "Date: now",
        );
    }

    #[test]
    fn the_routers_own_answers_obey_the_same_rules() {
        let rules = ResponseRules::new(
            ["x-content-type-options", "X-Both", "content-length"],
            [("X-Both", "ours"), ("content-type", "ours")],
        );
        let lines = "Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n";
        assert_eq!(
            rules.apply(lines, "now"),
            "Content-Type: text/plain\r\nX-Both: ours\r\nDate: now\r\n"
        );
        let plain = ResponseRules::default().apply(lines, "now");
        assert_eq!(plain, format!("{lines}Date: now\r\n"));
        let rules = ResponseRules::new([], [("date", "ours")]);
        assert_eq!(rules.apply("", "now"), "date: ours\r\n");
    }
}

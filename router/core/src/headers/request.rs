//! Fields of a request on its way to the backend (the table of gorouter's rules, row by row).

use super::Edits;
use super::client::Client;
use crate::field::{Field, FieldKind, Fields, members};
use crate::http1::framing::BodyLength;

/// What the operator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent key of the configuration"
)]
pub struct Rules {
    /// Drop every `X-` field of the client's, whoever it is.
    pub prevent_x_spoofing: bool,
    /// `X-Forwarded-Proto` is always `https`.
    pub force_forwarded_proto_https: bool,
    /// `X-Forwarded-Proto` is always what the client spoke to us.
    pub sanitize_forwarded_proto: bool,
    /// `X-Forwarded-Client-Cert` is dropped (no connection here can prove a certificate).
    pub drop_client_cert: bool,
    /// Names (lower case) that `Connection` cannot strip.
    pub protected_from_connection: Vec<String>,
    /// Keep the backend connection of a request that expects 100-continue.
    pub keep_alive_100_continue: bool,
    /// Send `Connection: close` with every request.
    pub close_backend_connections: bool,
}

/// What a request looks like from where it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it.
    pub client: Client,
    /// The peer's address as text; empty for a unix socket.
    pub peer_text: &'a str,
    /// Whether it arrived over TLS.
    pub tls: bool,
    /// When its first byte did, in milliseconds of the Unix epoch.
    pub unix_millis: u64,
    /// Its id.
    pub id: &'a [u8],
    /// How long its body is.
    pub body: BodyLength,
    /// Its Content-Length cannot go out as it came.
    pub length_needs_rewrite: bool,
    /// It asks for another protocol and may have it.
    pub upgrade: bool,
    /// `Connection` names more than the known fields.
    pub connection_names_fields: bool,
    /// Host to add: the target had one and there was no Host field.
    pub missing_host: Option<&'a [u8]>,
}

/// Which instance it goes to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination<'a> {
    /// The app's id; empty when unknown.
    pub app: &'a str,
    /// The instance's id, or the endpoint's address when it has none.
    pub instance: &'a str,
    /// The instance's index; empty when unknown.
    pub index: &'a str,
}

/// Works out the edits of one request. Says whether the backend connection may be kept.
pub fn edit(
    fields: Fields<'_>,
    rules: &Rules,
    arrival: &Arrival<'_>,
    destination: &Destination<'_>,
    edits: &mut Edits,
) -> bool {
    edits.clear();
    let mut seen = Seen::default();
    for (index, field) in fields.lines().iter().enumerate() {
        if seen.drops(fields, field, rules, arrival) {
            edits.drop_field(index);
        }
    }
    if arrival.connection_names_fields {
        drop_named(fields, rules, edits);
    }
    add_framing(arrival, edits);
    let keep = add_connection(rules, arrival, &seen, edits);
    add_forwarded(fields, rules, arrival, &seen, edits);
    edits.add("X-Vcap-Request-Id", arrival.id);
    for (name, value) in [
        ("X-CF-ApplicationID", destination.app),
        ("X-CF-InstanceID", destination.instance),
        ("X-CF-InstanceIndex", destination.index),
    ] {
        if !value.is_empty() {
            edits.add(name, value.as_bytes());
        }
    }
    keep
}

/// What the fields showed while they were gone through.
#[derive(Default)]
struct Seen {
    te_trailers: bool,
    expects: bool,
    kept_proto: bool,
    kept_start: bool,
    forwarded_for: bool,
}

impl Seen {
    /// Whether a field is dropped.
    #[inline]
    fn drops(
        &mut self,
        fields: Fields<'_>,
        field: &Field,
        rules: &Rules,
        arrival: &Arrival<'_>,
    ) -> bool {
        match field.kind {
            FieldKind::Other
            | FieldKind::Host
            | FieldKind::Referer
            | FieldKind::UserAgent
            | FieldKind::IdempotencyKey
            | FieldKind::Date => false,
            FieldKind::OtherX
            | FieldKind::XIdempotencyKey
            | FieldKind::XVcapTrace
            | FieldKind::XCfRouterError => rules.prevent_x_spoofing,
            FieldKind::Expect => {
                self.expects = true;
                false
            }
            FieldKind::ContentLength => arrival.length_needs_rewrite,
            FieldKind::Upgrade => !arrival.upgrade,
            FieldKind::Trailer => arrival.body != BodyLength::Chunked,
            FieldKind::Te => {
                let named = |member: &[u8]| member.eq_ignore_ascii_case(b"trailers");
                self.te_trailers |= members(fields.bytes(field.value)).any(named);
                true
            }
            FieldKind::XForwardedFor => {
                self.forwarded_for = true;
                true
            }
            FieldKind::XForwardedProto => {
                let overruled = rules.force_forwarded_proto_https || rules.sanitize_forwarded_proto;
                let kept = arrival.client.trusted && !overruled && !rules.prevent_x_spoofing;
                self.kept_proto |= kept;
                !kept
            }
            FieldKind::XRequestStart => {
                let kept = arrival.client.trusted && !rules.prevent_x_spoofing;
                self.kept_start |= kept;
                !kept
            }
            FieldKind::XForwardedClientCert => rules.drop_client_cert || rules.prevent_x_spoofing,
            FieldKind::Connection
            | FieldKind::Http2Settings
            | FieldKind::KeepAlive
            | FieldKind::ProxyAuthenticate
            | FieldKind::ProxyAuthorization
            | FieldKind::ProxyConnection
            | FieldKind::TransferEncoding
            | FieldKind::XCfApplicationId
            | FieldKind::XCfAppInstance
            | FieldKind::XCfForwardedUrl
            | FieldKind::XCfInstanceId
            | FieldKind::XCfInstanceIndex
            | FieldKind::XCfProcessInstance
            | FieldKind::XCfProxyMetadata
            | FieldKind::XCfProxySignature
            | FieldKind::XVcapRequestId => true,
        }
    }
}

/// Drops the fields that `Connection` names (RFC 9110 §7.6.1), but none that routing or framing
/// needs, and none that the operator protects.
pub(super) fn drop_named(fields: Fields<'_>, rules: &Rules, edits: &mut Edits) {
    for name in fields.all(FieldKind::Connection).flat_map(members) {
        let needed = matches!(
            FieldKind::of(name),
            FieldKind::Host | FieldKind::ContentLength | FieldKind::Upgrade | FieldKind::Trailer
        );
        let is = |other: &String| other.as_bytes().eq_ignore_ascii_case(name);
        if needed || rules.protected_from_connection.iter().any(is) {
            continue;
        }
        for (index, field) in fields.lines().iter().enumerate() {
            if fields.bytes(field.name).eq_ignore_ascii_case(name) {
                edits.drop_field(index);
            }
        }
    }
}

fn add_framing(arrival: &Arrival<'_>, edits: &mut Edits) {
    if let Some(host) = arrival.missing_host {
        edits.add("Host", host);
    }
    match arrival.body {
        BodyLength::Chunked => edits.add("Transfer-Encoding", b"chunked"),
        BodyLength::Exact(length) if arrival.length_needs_rewrite => {
            edits.begin_line("Content-Length");
            edits.add_number(length);
            edits.end_line();
        }
        BodyLength::Empty if arrival.length_needs_rewrite => edits.add("Content-Length", b"0"),
        _ => {}
    }
}

/// Adds the fields of the next hop. Says whether its connection may be kept.
fn add_connection(rules: &Rules, arrival: &Arrival<'_>, seen: &Seen, edits: &mut Edits) -> bool {
    if seen.te_trailers {
        edits.add("TE", b"trailers");
    }
    let close = rules.close_backend_connections || seen.expects && !rules.keep_alive_100_continue;
    if arrival.upgrade {
        edits.add("Connection", b"Upgrade");
    } else if close {
        edits.add("Connection", b"close");
    }
    !close
}

fn add_forwarded(
    fields: Fields<'_>,
    rules: &Rules,
    arrival: &Arrival<'_>,
    seen: &Seen,
    edits: &mut Edits,
) {
    let chain = seen.forwarded_for && arrival.client.trusted && !rules.prevent_x_spoofing;
    let stripped = chain && arrival.connection_names_fields && strips_forwarded_for(fields, rules);
    let chain = chain && !stripped;
    if chain || !arrival.peer_text.is_empty() {
        edits.begin_line("X-Forwarded-For");
        edits.forwarded_for.start = edits.added.len();
        let mut first = true;
        let kept = fields
            .all(FieldKind::XForwardedFor)
            .filter(|value| chain && !value.is_empty());
        for value in kept.chain(Some(arrival.peer_text.as_bytes()).filter(|text| !text.is_empty()))
        {
            if !std::mem::take(&mut first) {
                edits.add_value(b", ");
            }
            edits.add_value(value);
        }
        edits.forwarded_for.end = edits.added.len();
        edits.end_line();
    }
    if !seen.kept_proto {
        let https = rules.force_forwarded_proto_https || arrival.tls;
        edits.add("X-Forwarded-Proto", if https { b"https" } else { b"http" });
    }
    if !seen.kept_start {
        edits.begin_line("X-Request-Start");
        edits.add_number(arrival.unix_millis);
        edits.end_line();
    }
}

fn strips_forwarded_for(fields: Fields<'_>, rules: &Rules) -> bool {
    let named = |name: &[u8]| FieldKind::of(name) == FieldKind::XForwardedFor;
    !rules
        .protected_from_connection
        .iter()
        .any(|name| named(name.as_bytes()))
        && fields
            .all(FieldKind::Connection)
            .flat_map(members)
            .any(named)
}

/// The value of `X-Forwarded-Proto` as it goes out, for the log.
#[must_use]
pub fn forwarded_proto<'a>(
    fields: Fields<'a>,
    rules: &Rules,
    trusted: bool,
    tls: bool,
) -> &'a [u8] {
    let overruled = rules.force_forwarded_proto_https || rules.sanitize_forwarded_proto;
    let kept = trusted && !overruled && !rules.prevent_x_spoofing;
    let sent = fields.first(FieldKind::XForwardedProto).filter(|_| kept);
    let https = rules.force_forwarded_proto_https || tls;
    sent.unwrap_or(if https { b"https" } else { b"http" })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::http1::request::{RequestHead, RequestParser};
    use crate::http1::{Limits, Refusal, write};

    /// The head of a request that is well formed.
    pub(crate) fn parse(text: &str) -> RequestHead {
        try_parse(text).unwrap()
    }

    fn try_parse(text: &str) -> Result<RequestHead, Refusal> {
        let mut parser = RequestParser::default();
        parser.begin(0);
        assert!(
            parser.advance(text.as_bytes(), &Limits::default())?,
            "incomplete"
        );
        Ok(parser.head().clone())
    }

    /// What the backend gets for `lines`, without the request line and the fields of every request.
    fn forwarded(lines: &str, rules: &Rules, trusted: bool) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let head = parse(&text);
        let arrival = Arrival {
            client: Client {
                peer: None,
                trusted,
                address: None,
            },
            peer_text: "9.9.9.9",
            tls: false,
            unix_millis: 12,
            id: b"id",
            body: head.body,
            length_needs_rewrite: head.length_needs_rewrite,
            upgrade: head.upgrade,
            connection_names_fields: head.connection_names_fields,
            missing_host: None,
        };
        let destination = Destination {
            app: "app",
            instance: "i",
            index: "0",
        };
        let mut edits = Edits::default();
        edit(
            head.fields(text.as_bytes()),
            rules,
            &arrival,
            &destination,
            &mut edits,
        );
        let mut bytes = Vec::new();
        write::request(&mut bytes, text.as_bytes(), &head, &edits);
        let text = String::from_utf8(bytes).unwrap();
        let rest = text.strip_prefix("GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
        let end = "X-Vcap-Request-Id: id\r\nX-CF-ApplicationID: app\r\nX-CF-InstanceID: i\r\n\
                   X-CF-InstanceIndex: 0\r\n\r\n";
        rest.strip_suffix(end).unwrap().replace("\r\n", "|")
    }

    const OURS: &str = "X-Forwarded-For: 9.9.9.9|X-Forwarded-Proto: http|X-Request-Start: 12|";

    #[track_caller]
    fn check(lines: &str, expected: &str) {
        assert_eq!(
            forwarded(lines, &Rules::default(), true),
            expected,
            "{lines}"
        );
    }

    #[test]
    fn what_no_rule_names_passes_untouched() {
        check("", OURS);
        check(
            "Accept:  */* \r\nX-Real-IP: 1\r\n",
            &format!("Accept:  */* |X-Real-IP: 1|{OURS}"),
        );
        check("Forwarded: for=1\r\n", &format!("Forwarded: for=1|{OURS}"));
    }

    #[test]
    fn forwarded_fields_are_continued_for_a_trusted_peer() {
        check(
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nx-forwarded-for: 3.3.3.3\r\n",
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 9.9.9.9|X-Forwarded-Proto: http|\
             X-Request-Start: 12|",
        );
        check(
            "X-Forwarded-Proto: https\r\nX-Request-Start: 5\r\n",
            "X-Forwarded-Proto: https|X-Request-Start: 5|X-Forwarded-For: 9.9.9.9|",
        );
    }

    #[test]
    fn forwarded_fields_of_others_are_discarded_first() {
        let lines =
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Request-Start: 5\r\n";
        assert_eq!(forwarded(lines, &Rules::default(), false), OURS);
        let rules = Rules {
            prevent_x_spoofing: true,
            ..Rules::default()
        };
        let spoofed = format!("{lines}X-Real-IP: 1\r\nAccept: a\r\n");
        assert_eq!(
            forwarded(&spoofed, &rules, true),
            format!("Accept: a|{OURS}")
        );
    }

    #[test]
    fn forwarded_proto_can_be_fixed() {
        let rules = Rules {
            force_forwarded_proto_https: true,
            ..Rules::default()
        };
        let expected = OURS.replace("Proto: http", "Proto: https");
        assert_eq!(
            forwarded("X-Forwarded-Proto: http\r\n", &rules, true),
            expected
        );
        let rules = Rules {
            sanitize_forwarded_proto: true,
            ..Rules::default()
        };
        assert_eq!(
            forwarded("X-Forwarded-Proto: https\r\n", &rules, true),
            OURS
        );
    }

    #[test]
    fn fields_of_this_hop_end_here() {
        check(
            "Connection: keep-alive, X-Gone\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nX-Gone: 1\r\n\
             Proxy-Authorization: b\r\nTE: trailers, gzip\r\nTrailer: a\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: x\r\n",
            &format!("TE: trailers|{OURS}"),
        );
        check("Upgrade: websocket\r\n", OURS);
    }

    #[test]
    fn an_upgrade_goes_through_but_h2c_does_not() {
        check(
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            &format!("Upgrade: websocket|Connection: Upgrade|{OURS}"),
        );
        check(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n",
            OURS,
        );
    }

    #[test]
    fn connection_strips_only_what_it_may() {
        check(
            "Connection: host, content-length\r\nContent-Length: 1\r\n",
            &format!("Content-Length: 1|{OURS}"),
        );
        check(
            "Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.1.1.1\r\n",
            OURS,
        );
        let names = vec!["x-forwarded-for".to_owned()];
        let rules = Rules {
            protected_from_connection: names,
            ..Rules::default()
        };
        let lines = "Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.1.1.1\r\n";
        let expected = OURS.replace("9.9.9.9", "1.1.1.1, 9.9.9.9");
        assert_eq!(forwarded(lines, &rules, true), expected);
    }

    #[test]
    fn the_routers_own_names_are_never_the_clients() {
        check(
            "X-CF-ApplicationID: evil\r\nX-CF-InstanceID: evil\r\nX-CF-InstanceIndex: 9\r\n\
             X-Vcap-Request-Id: evil\r\nX-CF-App-Instance: a\r\nX-CF-Process-Instance: b\r\n\
             X-CF-Proxy-Signature: s\r\nX-CF-Proxy-Metadata: m\r\nX-CF-Forwarded-Url: u\r\n",
            OURS,
        );
    }

    #[test]
    fn framing_is_written_anew_where_it_was_not_canonical() {
        check(
            "Transfer-Encoding: CHUNKED\r\n",
            &format!("Transfer-Encoding: chunked|{OURS}"),
        );
        check(
            "Content-Length: 5\r\n",
            &format!("Content-Length: 5|{OURS}"),
        );
        check(
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            &format!("Content-Length: 5|{OURS}"),
        );
        check(
            "Content-Length: 007\r\n",
            &format!("Content-Length: 7|{OURS}"),
        );
    }

    #[test]
    fn expect_closes_the_backend_connection_unless_told() {
        check(
            "Expect: 100-continue\r\n",
            &format!("Expect: 100-continue|Connection: close|{OURS}"),
        );
        let rules = Rules {
            keep_alive_100_continue: true,
            ..Rules::default()
        };
        let kept = format!("Expect: 100-continue|{OURS}");
        assert_eq!(forwarded("Expect: 100-continue\r\n", &rules, true), kept);
    }
}

//! Fields of a request on its way to the backend (the table of gorouter's rules, row by row).

pub use super::rules::{ClientCert, RequestRules};
use super::sender::Sender;
use crate::edits::Edits;
use crate::field::names::FieldNames;
use crate::field::{Field, FieldKind, Fields, members};
use crate::http1::Version;
use crate::http1::framing::BodyLength;
use crate::trailer::TrailerRules;

/// What a request looks like from where it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it.
    pub sender: Sender,
    /// The peer's address as text; empty for a unix socket.
    pub peer_text: &'a str,
    /// Whether it arrived over TLS.
    pub tls: bool,
    /// In which version.
    pub version: Version,
    /// When its first byte did, in milliseconds of the Unix epoch.
    pub unix_millis: u64,
    /// Its id.
    pub id: &'a [u8],
    /// How long its body is.
    pub body: BodyLength,
    /// Its Content-Length cannot go out as it came.
    pub length_needs_rewrite: bool,
    /// Its method gives content a meaning, so that the lack of a body is said (RFC 9110 §8.6).
    pub says_length: bool,
    /// It asks for another protocol and may have it.
    pub upgrade: bool,
    /// `Connection` names more than the known fields.
    pub connection_names_fields: bool,
    /// The host that its target named, which goes in the place of Host (RFC 9112 §3.2.2).
    pub target_host: Option<&'a [u8]>,
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

/// Works out the edits of one request. Returns whether the backend connection may be kept.
pub fn edit(
    fields: Fields<'_>,
    rules: &RequestRules,
    arrival: &Arrival<'_>,
    destination: &Destination<'_>,
    edits: &mut Edits,
) -> bool {
    edits.clear();
    // First, so that what is dropped here counts as absent and is set anew.
    if arrival.connection_names_fields {
        drop_named(fields, &rules.protected_from_connection, edits);
    }
    let mut seen = Seen::default();
    for (index, field) in fields.lines().iter().enumerate() {
        let named = arrival.connection_names_fields && edits.is_dropped(index);
        if !named && seen.drops(fields, field, rules, arrival) {
            edits.drop_field(index);
        }
    }
    add_framing(arrival, &seen, edits);
    let keep = add_connection(rules, arrival, &seen, edits);
    add_forwarded(fields, rules, arrival, &seen, edits);
    if let Some(via) = &rules.via {
        edits.begin_line("Via");
        for piece in via.value(arrival.version) {
            edits.add_value(piece);
        }
        edits.end_line();
    }
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

/// The rules for the trailers of a request.
#[must_use]
pub fn trailers(
    fields: Fields<'_>,
    rules: &RequestRules,
    connection_names_fields: bool,
) -> TrailerRules {
    let trailers = TrailerRules {
        drops_x: rules.prevent_x_spoofing,
        drops_underscores: rules.drop_underscores,
        ..TrailerRules::default()
    };
    if connection_names_fields {
        trailers.naming(fields, &rules.protected_from_connection)
    } else {
        trailers
    }
}

/// What the fields showed while they were gone through.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one field that was there or not"
)]
struct Seen {
    te_trailers: bool,
    expects: bool,
    length: bool,
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
        rules: &RequestRules,
        arrival: &Arrival<'_>,
    ) -> bool {
        match field.kind {
            FieldKind::Other => rules.drop_underscores && has_underscore(fields, field),
            FieldKind::OtherX => {
                rules.prevent_x_spoofing || rules.drop_underscores && has_underscore(fields, field)
            }
            FieldKind::Referer
            | FieldKind::UserAgent
            | FieldKind::IdempotencyKey
            | FieldKind::Via
            | FieldKind::Date => false,
            FieldKind::Host => arrival.target_host.is_some(),
            FieldKind::XIdempotencyKey | FieldKind::XVcapTrace | FieldKind::XCfRouterError => {
                rules.prevent_x_spoofing
            }
            FieldKind::Expect => {
                self.expects = true;
                false
            }
            FieldKind::ContentLength => {
                self.length = true;
                arrival.length_needs_rewrite
            }
            FieldKind::Upgrade => !arrival.upgrade,
            FieldKind::Trailer => arrival.body != BodyLength::Chunked,
            FieldKind::Te => {
                let named = |member: &[u8]| member.eq_ignore_ascii_case(b"trailers");
                self.te_trailers |= members(fields.bytes(field.value)).any(named);
                true
            }
            FieldKind::XForwarded if rules.drop_underscores && has_underscore(fields, field) => {
                true
            }
            FieldKind::Forwarded
            | FieldKind::XForwarded
            | FieldKind::XForwardedClientCert
            | FieldKind::XForwardedFor
            | FieldKind::XForwardedProto
            | FieldKind::XRealIp
            | FieldKind::XRequestStart => self.drops_claim(field, rules, arrival.sender.trusted),
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

impl Seen {
    /// Whether a field is dropped that says where a request came from.
    #[inline]
    fn drops_claim(&mut self, field: &Field, rules: &RequestRules, trusted: bool) -> bool {
        let believed = rules.believe_x(trusted);
        let said = believed && !field.value.is_empty();
        match field.kind {
            FieldKind::Forwarded => !rules.believe(trusted),
            FieldKind::XForwardedFor => {
                self.forwarded_for = true;
                true
            }
            FieldKind::XForwardedProto => {
                let kept = said && !rules.overrule_proto();
                self.kept_proto |= kept;
                !kept
            }
            FieldKind::XRequestStart => {
                self.kept_start |= said;
                !said
            }
            FieldKind::XForwardedClientCert => match rules.client_cert {
                ClientCert::ByPeer => !believed,
                ClientCert::Pass => rules.prevent_x_spoofing,
                ClientCert::Drop => true,
            },
            _ => !believed,
        }
    }
}

fn has_underscore(fields: Fields<'_>, field: &Field) -> bool {
    fields.bytes(field.name).contains(&b'_')
}

/// Drops the fields that `Connection` names (RFC 9110 §7.6.1), but none that routing or framing
/// needs, and none that the operator protects.
///
/// The parser has seen to it that they are few, so that this costs no more than a number of walks
/// through the head.
pub(super) fn drop_named(fields: Fields<'_>, protected: &FieldNames, edits: &mut Edits) {
    for name in fields.all(FieldKind::Connection).flat_map(members) {
        let kind = FieldKind::of(name);
        let needed = matches!(
            kind,
            FieldKind::Host
                | FieldKind::ContentLength
                | FieldKind::Te
                | FieldKind::Upgrade
                | FieldKind::Trailer
        );
        if needed || protected.contains(name) {
            continue;
        }
        for (index, field) in fields.lines().iter().enumerate() {
            if field.kind == kind && fields.bytes(field.name).eq_ignore_ascii_case(name) {
                edits.drop_field(index);
            }
        }
    }
}

fn add_framing(arrival: &Arrival<'_>, seen: &Seen, edits: &mut Edits) {
    if let Some(host) = arrival.target_host {
        edits.add("Host", host);
    }
    match arrival.body {
        BodyLength::Chunked => edits.add("Transfer-Encoding", b"chunked"),
        BodyLength::Exact(length) if arrival.length_needs_rewrite => {
            edits.begin_line("Content-Length");
            edits.add_number(length);
            edits.end_line();
        }
        BodyLength::Empty
            if arrival.length_needs_rewrite || arrival.says_length && !seen.length =>
        {
            edits.add("Content-Length", b"0");
        }
        _ => {}
    }
}

/// Adds the fields of the next hop. Returns whether its connection may be kept.
fn add_connection(
    rules: &RequestRules,
    arrival: &Arrival<'_>,
    seen: &Seen,
    edits: &mut Edits,
) -> bool {
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
    rules: &RequestRules,
    arrival: &Arrival<'_>,
    seen: &Seen,
    edits: &mut Edits,
) {
    // If Connection had named the field, it would not have been seen.
    let chain = seen.forwarded_for && rules.believe_x(arrival.sender.trusted);
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

/// The value of `X-Forwarded-Proto` as it goes out, for the log.
#[must_use]
pub fn forwarded_proto<'a>(
    fields: Fields<'a>,
    rules: &RequestRules,
    trusted: bool,
    tls: bool,
) -> &'a [u8] {
    let believed = rules.believe_x(trusted) && !rules.overrule_proto();
    let mut sent = fields.all(FieldKind::XForwardedProto);
    let sent = sent.find(|value| believed && !value.is_empty());
    let https = rules.force_forwarded_proto_https || tls;
    sent.filter(|_| !strips_forwarded_proto(fields, rules))
        .unwrap_or(if https { b"https" } else { b"http" })
}

fn strips_forwarded_proto(fields: Fields<'_>, rules: &RequestRules) -> bool {
    let named = |name: &[u8]| FieldKind::of(name) == FieldKind::XForwardedProto;
    let mut named_by = fields.all(FieldKind::Connection).flat_map(members);
    named_by.any(named)
        && !rules
            .protected_from_connection
            .contains(b"x-forwarded-proto")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::headers::via::Via;
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
    fn forwarded(lines: &str, rules: &RequestRules, trusted: bool) -> String {
        forwarded_line("GET / HTTP/1.1", lines, rules, trusted)
    }

    /// The same for a request line without a host that goes out as it came.
    fn forwarded_line(line: &str, lines: &str, rules: &RequestRules, trusted: bool) -> String {
        let text = format!("{line}\r\nHost: a\r\n{lines}\r\n");
        let head = parse(&text);
        let arrival = Arrival {
            sender: Sender {
                peer: None,
                trusted,
                address: None,
            },
            peer_text: "9.9.9.9",
            tls: false,
            version: head.version,
            unix_millis: 12,
            id: b"id",
            body: head.body,
            length_needs_rewrite: head.length_needs_rewrite,
            says_length: head.method.says_length(),
            upgrade: head.upgrade,
            connection_names_fields: head.connection_names_fields,
            target_host: head.target_host(text.as_bytes()),
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
        let rest = text.split_once("HTTP/1.1\r\n").unwrap().1;
        let rest = rest.strip_prefix("Host: a\r\n").unwrap_or(rest);
        let end = "X-Vcap-Request-Id: id\r\nX-CF-ApplicationID: app\r\nX-CF-InstanceID: i\r\n\
                   X-CF-InstanceIndex: 0\r\n\r\n";
        rest.strip_suffix(end).unwrap().replace("\r\n", "|")
    }

    const OURS: &str = "X-Forwarded-For: 9.9.9.9|X-Forwarded-Proto: http|X-Request-Start: 12|";

    #[track_caller]
    fn check(lines: &str, expected: &str) {
        assert_eq!(
            forwarded(lines, &RequestRules::default(), true),
            expected,
            "{lines}"
        );
    }

    #[test]
    fn what_no_rule_names_passes_untouched() {
        check("", OURS);
        check(
            "Accept:  */* \r\nX-Real: 1\r\nx_under_score: 1\r\nVia: 1.1 lb\r\n",
            &format!("Accept:  */* |X-Real: 1|x_under_score: 1|Via: 1.1 lb|{OURS}"),
        );
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
        assert_eq!(forwarded(lines, &RequestRules::default(), false), OURS);
        let rules = RequestRules {
            prevent_x_spoofing: true,
            ..RequestRules::default()
        };
        let spoofed = format!("{lines}X-Other: 1\r\nAccept: a\r\n");
        assert_eq!(
            forwarded(&spoofed, &rules, true),
            format!("Accept: a|{OURS}")
        );
    }

    const ORIGINS: &str = "Forwarded: for=1|X-Real-IP: 1|X-Forwarded-Host: h|X-Forwarded-Port: 1|\
        x-forwarded-prefix: /p|X-Forwarded-Client-Cert: c|X-Forwarded: 1|";

    #[test]
    fn whoever_is_not_believed_says_nothing_about_where_a_request_came_from() {
        let lines = ORIGINS.replace('|', "\r\n");
        let trusting = RequestRules {
            believe_everyone: true,
            ..RequestRules::default()
        };
        let all = format!("{ORIGINS}{OURS}");
        assert_eq!(forwarded(&lines, &RequestRules::default(), true), all);
        assert_eq!(forwarded(&lines, &RequestRules::default(), false), OURS);
        assert_eq!(forwarded(&lines, &trusting, false), all);
        let lines =
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Request-Start: 5\r\n";
        assert_eq!(
            forwarded(lines, &trusting, false),
            "X-Forwarded-Proto: https|X-Request-Start: 5|X-Forwarded-For: 1.1.1.1, 9.9.9.9|"
        );
        let spoofless = RequestRules {
            prevent_x_spoofing: true,
            ..trusting
        };
        assert_eq!(
            forwarded(&ORIGINS.replace('|', "\r\n"), &spoofless, true),
            format!("Forwarded: for=1|{OURS}")
        );
    }

    #[test]
    fn a_rule_for_the_client_certificate_goes_before_that() {
        let row = |client_cert, prevent_x_spoofing, trusted, passes: bool| {
            let rules = RequestRules {
                client_cert,
                prevent_x_spoofing,
                ..RequestRules::default()
            };
            let got = forwarded("X-Forwarded-Client-Cert: c\r\n", &rules, trusted);
            assert_eq!(got != OURS, passes, "{client_cert:?} {trusted}");
        };
        row(ClientCert::ByPeer, false, true, true);
        row(ClientCert::ByPeer, false, false, false);
        row(ClientCert::Pass, false, false, true);
        row(ClientCert::Pass, true, true, false);
        row(ClientCert::Drop, false, true, false);
    }

    #[test]
    fn what_is_empty_is_absent() {
        check(
            "X-Forwarded-Proto:\r\nX-Request-Start: \t\r\nX-Forwarded-For:\r\n",
            OURS,
        );
        check(
            "X-Forwarded-Proto:\r\nX-Forwarded-Proto: https\r\n",
            "X-Forwarded-Proto: https|X-Forwarded-For: 9.9.9.9|X-Request-Start: 12|",
        );
    }

    #[test]
    fn what_connection_names_is_set_anew_where_the_router_sets_it() {
        check(
            "Connection: X-Forwarded-Proto, x-request-start, X-Vcap-Request-Id, X-CF-InstanceID\r\n\
             X-Forwarded-Proto: https\r\nX-Request-Start: 5\r\nX-Vcap-Request-Id: 1\r\n",
            OURS,
        );
        check(
            "Connection: TE, Trailer, X-A\r\nTE: trailers\r\nX-A: 1\r\nx-a: 2\r\nX-Ab: 3\r\n",
            &format!("X-Ab: 3|TE: trailers|{OURS}"),
        );
    }

    #[test]
    fn the_log_shows_the_proto_that_goes_out() {
        for (lines, trusted) in [
            ("", true),
            ("X-Forwarded-Proto: https\r\n", true),
            ("X-Forwarded-Proto: https\r\n", false),
            ("X-Forwarded-Proto:\r\n", true),
            ("X-Forwarded-Proto:\r\nX-Forwarded-Proto: https\r\n", true),
            (
                "Connection: x-forwarded-proto\r\nX-Forwarded-Proto: https\r\n",
                true,
            ),
        ] {
            for believe_everyone in [false, true] {
                let rules = RequestRules {
                    believe_everyone,
                    ..RequestRules::default()
                };
                let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
                let head = parse(&text);
                let shown = forwarded_proto(head.fields(text.as_bytes()), &rules, trusted, false);
                let shown = String::from_utf8_lossy(shown);
                let sent = forwarded(lines, &rules, trusted);
                let line = format!("X-Forwarded-Proto: {shown}|");
                assert!(sent.contains(&line), "{lines}: {sent} but {shown}");
            }
        }
    }

    #[test]
    fn names_with_underscores_can_be_dropped() {
        let rules = RequestRules {
            drop_underscores: true,
            ..RequestRules::default()
        };
        let lines = "X_Forwarded_For: 1\r\nX-Forwarded_Host: 1\r\nx-a_b: 1\r\nContent_Length: 9\r\n\
                     X-A: a_b\r\n";
        assert_eq!(forwarded(lines, &rules, true), format!("X-A: a_b|{OURS}"));
    }

    #[test]
    fn the_router_stands_in_via() {
        let rules = RequestRules {
            via: Some(Via::new("us")),
            ..RequestRules::default()
        };
        assert_eq!(
            forwarded("Via: 1.0 lb\r\n", &rules, false),
            format!("Via: 1.0 lb|{OURS}Via: 1.1 us|")
        );
        assert_eq!(
            forwarded_line("GET / HTTP/1.0", "", &rules, false),
            format!("{OURS}Via: 1.0 us|")
        );
    }

    #[test]
    fn the_lack_of_a_body_is_said_where_the_method_gives_one_a_meaning() {
        let row = |line: &str, lines: &str, expected: &str| {
            let got = forwarded_line(line, lines, &RequestRules::default(), true);
            assert_eq!(got, format!("{expected}{OURS}"), "{line}");
        };
        for method in ["POST", "PUT", "PATCH"] {
            row(&format!("{method} / HTTP/1.1"), "", "Content-Length: 0|");
        }
        row("POST / HTTP/1.0", "", "Content-Length: 0|");
        row(
            "POST / HTTP/1.1",
            "Content-Length: 0\r\n",
            "Content-Length: 0|",
        );
        row(
            "POST / HTTP/1.1",
            "Content-Length: 00\r\n",
            "Content-Length: 0|",
        );
        row(
            "POST / HTTP/1.1",
            "Content-Length: 5\r\n",
            "Content-Length: 5|",
        );
        for method in ["GET", "DELETE", "OPTIONS", "post"] {
            row(&format!("{method} / HTTP/1.1"), "", "");
        }
    }

    #[test]
    fn the_host_of_an_absolute_target_goes_in_the_place_of_host() {
        assert_eq!(
            forwarded_line(
                "GET http://a:80/ HTTP/1.1",
                "",
                &RequestRules::default(),
                true
            ),
            format!("Host: a:80|{OURS}")
        );
        assert_eq!(
            forwarded_line(
                "GET http://A./ HTTP/1.1",
                "X-A: 1\r\n",
                &RequestRules::default(),
                true
            ),
            format!("X-A: 1|Host: A.|{OURS}")
        );
    }

    #[test]
    fn a_list_of_options_that_nobody_needs_is_refused() {
        let text = |options: usize| {
            let options = vec!["a"; options].join(",");
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: ,{options},\r\n\r\n"
            )
        };
        assert!(try_parse(&text(63)).is_ok());
        for options in [64, 31_000] {
            let parsed = try_parse(&text(options));
            assert_eq!(parsed.err(), Some(Refusal::ConnectionOptions));
        }
    }

    #[test]
    fn forwarded_proto_can_be_fixed() {
        let rules = RequestRules {
            force_forwarded_proto_https: true,
            ..RequestRules::default()
        };
        let expected = OURS.replace("Proto: http", "Proto: https");
        assert_eq!(
            forwarded("X-Forwarded-Proto: http\r\n", &rules, true),
            expected
        );
        let rules = RequestRules {
            sanitize_forwarded_proto: true,
            ..RequestRules::default()
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
        let rules = RequestRules {
            protected_from_connection: FieldNames::new(["X-Forwarded-For"]),
            ..RequestRules::default()
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
        let rules = RequestRules {
            keep_alive_100_continue: true,
            ..RequestRules::default()
        };
        let kept = format!("Expect: 100-continue|{OURS}");
        assert_eq!(forwarded("Expect: 100-continue\r\n", &rules, true), kept);
    }
}

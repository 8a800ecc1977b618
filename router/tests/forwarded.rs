//! What the router says to a backend about the client, and to the client about itself.

use tests_kit::{Backend, Head, Response, script};
use tests_kit_router::TestRouter;

/// Sends these fields through a router with that configuration: what the backend got, and what
/// the client got back.
fn exchange(yaml: &str, fields: &str) -> (Head, Response) {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml(yaml)
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
    let response = client.response("GET");
    assert_eq!(response.status(), 200, "{fields:?}");
    (backend.requests()[0].head.clone(), response)
}

#[track_caller]
fn check(yaml: &str, fields: &str, name: &str, expected: &[&str]) {
    let (head, _) = exchange(yaml, fields);
    assert_eq!(
        head.all(name).collect::<Vec<_>>(),
        expected,
        "{name} for {fields:?} with {yaml:?}"
    );
}

/// Believes nobody's word about a client.
const NOBODY: &str = "trusted_proxies: []";

#[test]
fn x_forwarded_for() {
    let name = "X-Forwarded-For";
    check("", "", name, &["127.0.0.1"]);
    check(
        "",
        "X-Forwarded-For: 192.0.2.1\r\n",
        name,
        &["192.0.2.1, 127.0.0.1"],
    );
    check(
        NOBODY,
        "X-Forwarded-For: 192.0.2.1\r\n",
        name,
        &["127.0.0.1"],
    );
    check(
        NOBODY,
        "Connection: X-Forwarded-For\r\n",
        name,
        &["127.0.0.1"],
    );
}

#[test]
fn x_forwarded_proto() {
    let name = "X-Forwarded-Proto";
    check("", "", name, &["http"]);
    check("", "X-Forwarded-Proto: https\r\n", name, &["https"]);
    check(NOBODY, "X-Forwarded-Proto: https\r\n", name, &["http"]);
    check(
        "sanitize_forwarded_proto: true",
        "X-Forwarded-Proto: https\r\n",
        name,
        &["http"],
    );
    check("force_forwarded_proto_https: true", "", name, &["https"]);
}

#[test]
fn x_request_start() {
    let (head, _) = exchange("", "");
    let start: u64 = head.field("X-Request-Start").unwrap().parse().unwrap();
    assert!(
        start > 1_600_000_000_000,
        "{start} is no time in milliseconds"
    );
    check("", "X-Request-Start: 17\r\n", "X-Request-Start", &["17"]);
    let (head, _) = exchange(NOBODY, "X-Request-Start: 17\r\n");
    assert_ne!(head.field("X-Request-Start"), Some("17"));
}

#[test]
fn x_vcap_request_id() {
    let (head, response) = exchange("", "X-Vcap-Request-Id: mine\r\n");
    let ids: Vec<&str> = head.all("X-Vcap-Request-Id").collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ids[0].len(), 36, "{} is no UUID", ids[0]);
    assert_eq!(ids[0].as_bytes()[14], b'4', "{} is not random", ids[0]);
    assert_eq!(response.head.field("X-Vcap-Request-Id"), Some(ids[0]));
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let ids: std::collections::BTreeSet<String> = (0..100)
        .map(|_| {
            client
                .get("a.test", "/")
                .head
                .field("x-vcap-request-id")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn the_instance_is_named_and_the_wish_for_one_is_not_passed_on() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    assert_eq!(router.client().get("a.test", "/").status(), 200);
    let head = backend.requests()[0].head.clone();
    let address = backend.address().to_string();
    assert_eq!(head.field("X-CF-InstanceID"), Some(address.as_str()));
    assert_eq!(head.field("X-CF-App-Instance"), None);
}

#[test]
fn the_backends_own_fields_come_back_and_a_date_is_added() {
    let reply =
        "HTTP/1.1 200 OK\r\nServer: app\r\nX-Vcap-Request-Id: own\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::start(script::canned(reply));
    let router = TestRouter::to(&backend);
    let response = router.client().get("a.test", "/");
    assert_eq!(response.head.field("server"), Some("app"));
    assert_eq!(
        response.head.all("x-vcap-request-id").collect::<Vec<_>>(),
        ["own"]
    );
    let date = response.head.field("date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[test]
fn whoever_knows_the_key_sees_the_way() {
    let fields = "X-Vcap-Trace: secret\r\n";
    let (_, response) = exchange("trace_key: secret", fields);
    for name in ["X-Vcap-Router", "X-Vcap-Backend", "X-Cf-RouteEndpoint"] {
        assert!(response.head.field(name).is_some(), "{name} is missing");
    }
    for (yaml, fields) in [
        ("trace_key: secret", "X-Vcap-Trace: other\r\n"),
        ("", fields),
        ("", ""),
    ] {
        assert_eq!(exchange(yaml, fields).1.head.field("X-Vcap-Backend"), None);
    }
}

/// Sends a chunked upload with trailers: those that the backend got.
fn trailers(yaml: &str, fields: &str, trailers: &str) -> Vec<String> {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml(yaml)
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n{fields}\r\n\
         2\r\nhi\r\n0\r\n{trailers}\r\n"
    ));
    assert_eq!(client.response("POST").status(), 200, "{trailers:?}");
    let requests = backend.requests();
    assert_eq!(requests[0].body, b"hi");
    let trailers = requests[0].trailers.iter();
    trailers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

const CLAIMS: [&str; 8] = [
    "Forwarded: for=192.0.2.1",
    "X-Real-IP: 192.0.2.1",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Client-Cert: MIIE",
    "X-Forwarded-Server: evil",
    "X-Forwarded-Prefix: /admin",
    "X-Forwarded-Anything: 1",
];

#[test]
fn what_a_client_says_about_its_origin_goes_on_from_trusted_peers_alone() {
    let pass = "trusted_proxies: []\nforwarded_from_untrusted: pass";
    for claim in CLAIMS {
        let (name, value) = claim.split_once(": ").unwrap();
        let field = format!("{claim}\r\n");
        check("", &field, name, &[value]);
        check(NOBODY, &field, name, &[]);
        check(pass, &field, name, &[value]);
        for yaml in ["", NOBODY, pass] {
            let got = trailers(yaml, "", &format!("X-Sum: 1\r\n{claim}\r\n"));
            assert_eq!(got, ["X-Sum: 1"], "{claim} with {yaml}");
        }
    }
    check(
        pass,
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For",
        &["192.0.2.1, 127.0.0.1"],
    );
    check(
        pass,
        "X-Forwarded-Proto: https\r\n",
        "X-Forwarded-Proto",
        &["https"],
    );
}

#[test]
fn a_word_about_the_client_certificate_goes_before_the_trust() {
    let name = "X-Forwarded-Client-Cert";
    let field = "X-Forwarded-Client-Cert: MIIE\r\n";
    let always = "trusted_proxies: []\nforwarded_client_cert: always_forward";
    check(always, field, name, &["MIIE"]);
    check("forwarded_client_cert: forward", field, name, &[]);
    check("forwarded_client_cert: sanitize_set", field, name, &[]);
    check("forwarded_client_cert: by_peer", field, name, &["MIIE"]);
}

#[test]
fn what_connection_names_is_set_anew() {
    let named = "Connection: X-Forwarded-Proto, X-Request-Start\r\nX-Forwarded-Proto: https\r\n\
                 X-Request-Start: 17\r\n";
    check("", named, "X-Forwarded-Proto", &["http"]);
    let (head, _) = exchange("", named);
    let start = head.all("X-Request-Start").collect::<Vec<_>>();
    assert!(start.len() == 1 && start[0] != "17", "{start:?}");
    check(
        "hop_by_hop_headers_to_filter: [X-Forwarded-Proto]",
        named,
        "X-Forwarded-Proto",
        &["https"],
    );
    check(
        "",
        "Connection: X-Vcap-Request-Id, Via\r\nX-Forwarded-Proto:\r\n",
        "X-Forwarded-Proto",
        &["http"],
    );
}

#[test]
fn trailers_obey_the_rules_of_the_head() {
    let own = "X-Vcap-Request-Id: 1\r\nX-CF-InstanceID: 1\r\nX-CF-Anything: 1\r\nVia: 1.1 a\r\n\
               X-Request-Start: 1\r\nX-Sum: 1\r\n";
    assert_eq!(trailers("", "", own), ["X-Sum: 1"]);
    let several = "X-Sum: 1\r\nDigest: 2\r\nx_sum: 3\r\n";
    assert_eq!(
        trailers("", "Connection: TE, x-sum\r\n", several),
        ["Digest: 2", "x_sum: 3"]
    );
    assert_eq!(
        trailers("prevent_x_spoofing: true", "", several),
        ["Digest: 2", "x_sum: 3"]
    );
    assert_eq!(
        trailers("headers_with_underscores: drop", "", several),
        ["X-Sum: 1", "Digest: 2"]
    );
}

#[test]
fn trailers_of_responses_obey_the_rules_as_well() {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-named\r\n\r\n\
                 2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Named: 2\r\nx-secret: 3\r\nX-Cf-RouterError: 4\r\n\r\n";
    let backend = Backend::start(script::canned(reply));
    let router = TestRouter::builder()
        .yaml("http_rewrite: {responses: {remove_headers: [{name: X-Secret}]}}")
        .route("a.test", &[backend.address()])
        .start();
    let response = router.client().get("a.test", "/");
    assert_eq!(response.text(), "hi");
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "1".to_owned())]);
}

#[test]
fn names_with_underscores_can_be_dropped() {
    let field = "X_Forwarded_For: 192.0.2.1\r\n";
    check("", field, "X_Forwarded_For", &["192.0.2.1"]);
    check(
        "headers_with_underscores: drop",
        field,
        "X_Forwarded_For",
        &[],
    );
}

#[test]
fn the_router_names_itself_in_via() {
    let (head, response) = exchange("", "Via: 1.0 lb\r\n");
    let via: Vec<&str> = head.all("Via").collect();
    assert_eq!(via.len(), 2, "{via:?}");
    assert_eq!(via[0], "1.0 lb");
    assert!(via[1].starts_with("1.1 switchyard-"), "{via:?}");
    assert_eq!(response.head.field("Via"), None);
    let (other, _) = exchange("", "");
    assert_ne!(
        other.field("Via"),
        Some(via[1]),
        "each router has a name of its own"
    );
    check("via: off", "Via: 1.0 lb\r\n", "Via", &["1.0 lb"]);
}

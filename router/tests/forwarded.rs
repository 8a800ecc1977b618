//! What the router says to a backend about the client, and to the client about itself.

use tests_kit::{Backend, Head, Response, TestRouter, script};

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

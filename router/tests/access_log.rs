//! What the access log and the figures tell of each kind of exchange.

use serde_json::Value;
use tests_kit::{Backend, Conversation, PATIENCE, eventually, script};
use tests_kit_router::{Logged, TestRouter};

#[track_caller]
fn check(line: &Value, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(line[name], *value, "{name} in {line}");
    }
}

#[test]
fn a_head_over_the_limit_tells_whose_it_was() {
    let backend = Backend::start(script::hello("hi"));
    let (long, many) = ("x".repeat(9_000), "X-Many: 1\r\n".repeat(40));
    let known = Value::from(backend.address().to_string());
    for (request, host, endpoint) in [
        (
            format!("GET /p?q HTTP/1.1\r\nHost: a.test\r\nCookie: {long}\r\n\r\n"),
            "a.test",
            &known,
        ),
        (
            format!("GET /p?q HTTP/1.1\r\nCookie: {long}\r\nHost: A.test:80\r\n\r\n"),
            "A.test:80",
            &known,
        ),
        (
            format!("GET /p?q HTTP/1.1\r\n{many}Host: a.test\r\n\r\n"),
            "a.test",
            &known,
        ),
        (
            format!("GET /p?q HTTP/1.1\r\nHost: b.test\r\nCookie: {long}\r\n\r\n"),
            "b.test",
            &Value::Null,
        ),
    ] {
        let builder = TestRouter::builder().route("a.test", &[backend.address()]);
        let logged =
            Logged::with(builder.yaml("max_request_header_bytes: 8192\nmax_request_headers: 32"));
        let mut client = logged.client();
        client.send(&request);
        assert_eq!(client.response("GET").status(), 431);
        check(
            &logged.line(),
            &[
                ("status", 431.into()),
                ("method", "GET".into()),
                ("target", "/p?q".into()),
                ("host", host.into()),
                ("endpoint", endpoint.clone()),
                ("x_cf_routererror", "max-request-size-exceeded".into()),
            ],
        );
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn a_body_over_the_limit_tells_whose_it_was() {
    let backend = Backend::start(script::hello("hi"));
    let logged = Logged::with(TestRouter::builder().route_with(
        "a.test",
        &[backend.address()],
        "limits: {max_body: 10}",
    ));
    let mut client = logged.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\n");
    assert_eq!(client.response("POST").status(), 413);
    check(
        &logged.line(),
        &[
            ("status", 413.into()),
            ("endpoint", backend.address().to_string().into()),
        ],
    );
}

/// A request of another connection each, what is told of it, and what is said to be wrong.
const MALFORMED: [(&str, [&str; 4]); 5] = [
    (
        "GET /a HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\nUser-Agent: y\r\n\r\n",
        ["GET", "/a", "a.test", "malformed header name"],
    ),
    (
        "POST /a HTTP/1.1\r\nContent-Length: x\r\nHost: a.test\r\n\r\n",
        ["POST", "/a", "a.test", "malformed Content-Length"],
    ),
    (
        "GET /a HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        ["GET", "/a", "a.test", "malformed Host header"],
    ),
    (
        "GET /a HTTP/3.7\r\nHost: a.test\r\n\r\n",
        ["GET", "/a", "a.test", "unsupported HTTP version"],
    ),
    (
        "CONNECT b.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        [
            "CONNECT",
            "b.test:443",
            "a.test",
            "method CONNECT is not allowed",
        ],
    ),
];

#[test]
fn a_malformed_request_tells_what_is_wrong_with_it() {
    let backend = Backend::start(script::hello("hi"));
    let logged = |request: &str| {
        let logged = Logged::to(backend.address());
        let mut client = logged.client();
        client.send(request);
        let answer = client.response("GET");
        // gorouter has no word for it on the wire.
        assert_eq!(answer.head.field("x-cf-routererror"), None, "{request}");
        let line = logged.line();
        check(&line, &[("status", answer.status().into())]);
        line
    };
    for (request, [method, target, host, wrong]) in MALFORMED {
        check(
            &logged(request),
            &[
                ("method", method.into()),
                ("target", target.into()),
                ("host", host.into()),
                (
                    "x_cf_routererror",
                    format!("request_refused ({wrong})").into(),
                ),
                ("endpoint", Value::Null),
            ],
        );
    }
    let garbage = logged("\u{16}\u{3}\u{1} not http at all\r\n\r\n");
    let error = "request_refused (malformed request line)";
    check(
        &garbage,
        &[("method", Value::Null), ("x_cf_routererror", error.into())],
    );
}

#[test]
fn a_head_that_breaks_off_tells_what_came_of_it() {
    let backend = Backend::start(script::hello("hi"));
    let builder = TestRouter::builder().route("a.test", &[backend.address()]);
    let logged = Logged::with(builder.yaml("read_header_timeout: 200ms"));
    let mut client = logged.client();
    client.send("PUT /a HTTP/1.1\r\nHost: a.test\r\nX: ");
    assert_eq!(client.response("PUT").status(), 408);
    check(
        &logged.line(),
        &[
            ("method", "PUT".into()),
            ("target", "/a".into()),
            ("host", "a.test".into()),
            ("x_cf_routererror", "client_timeout (request header)".into()),
        ],
    );
}

#[test]
fn an_apps_own_router_error_is_logged() {
    let backend = Backend::start(script::canned(
        "HTTP/1.1 503 Service Unavailable\r\nX-CF-RouterError: from the app\r\n\
         Content-Length: 0\r\n\r\n",
    ));
    let logged = Logged::to(backend.address());
    let answer = logged.client().get("a.test", "/");
    let word = "from the app";
    assert_eq!(answer.head.field("x-cf-routererror"), Some(word));
    check(&logged.line(), &[("x_cf_routererror", word.into())]);
}

#[test]
fn health_checks_are_logged_and_not_counted() {
    let backend = Backend::start(script::hello("hi"));
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send("GET /any HTTP/1.1\r\nHost: a.test\r\nUser-Agent: HTTP-Monitor/1.1\r\n\r\n");
    assert_eq!(client.response("GET").text(), "ok\n");
    check(
        &logged.line(),
        &[
            ("status", 200.into()),
            ("target", "/any".into()),
            ("response_bytes", 3.into()),
            ("user_agent", "HTTP-Monitor/1.1".into()),
            ("endpoint", Value::Null),
            ("x_cf_routererror", Value::Null),
        ],
    );
    let varz = logged.varz();
    check(
        &varz,
        &[
            ("requests", 0.into()),
            ("bad_requests", 0.into()),
            ("responses_2xx", 0.into()),
        ],
    );
    assert_eq!(varz["switchyard"]["bytes_in"], 0, "{varz}");
}

#[test]
fn traffic_counts_heads_and_the_log_bodies() {
    let backend = Backend::start(script::echo());
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    let (mut sent, mut received) = (0, 0);
    for (request, status) in [
        (
            "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            200,
        ),
        ("GET /a HTTP/1.1\r\nHost: none.test\r\n\r\n", 404),
        (
            "GET /a HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\n\r\n",
            400,
        ),
    ] {
        client.send(request);
        let head = client.until("\r\n\r\n");
        let text = String::from_utf8(head).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        let (_, length) = text.split_once("Content-Length: ").unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        client.exactly(length);
        sent += request.len();
        received += text.len() + length;
    }
    let counted = || {
        let vitals = &logged.varz()["switchyard"];
        vitals["bytes_in"] == sent && vitals["bytes_out"] == received
    };
    assert!(
        eventually(PATIENCE, counted),
        "{sent} {received}: {}",
        logged.varz()
    );
    assert!(eventually(PATIENCE, || logged.lines().len() == 3));
    let bodies: Vec<_> = logged
        .lines()
        .iter()
        .map(|line| line["request_bytes"].clone())
        .collect();
    assert_eq!(bodies, [5, 0, 0]);
}

#[test]
fn a_client_that_leaves_within_the_response_is_told_in_gorouters_words() {
    let backend = Backend::start(|conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        conversation.drain();
        Ok(())
    });
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.until("hello");
    client.reset();
    let words = "client-conn-closed-during-response-streaming";
    check(
        &logged.line(),
        &[("status", 200.into()), ("x_cf_routererror", words.into())],
    );
}

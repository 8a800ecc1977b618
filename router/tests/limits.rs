//! Limits on time, size and number.

use tests_kit::client::Closed;
use tests_kit::{Backend, Client, Conversation, Gate, TestRouter, script};

fn status(client: &mut Client, message: impl AsRef<[u8]>) -> u16 {
    client.try_send(message).ok();
    client.response("POST").status()
}

#[test]
fn a_head_has_to_be_there_in_time_however_slowly_it_comes() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("read_header_timeout: 200ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    // A byte now and then does not buy more time.
    let head = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: ";
    let slow = head.bytes().chain(std::iter::repeat(b'x'));
    let pause = Gate::new();
    let mut sent = 0;
    for byte in slow {
        if client.try_send([byte]).is_err() || sent > 1000 {
            break;
        }
        sent += 1;
        assert!(!pause.wait_for(std::time::Duration::from_millis(10)));
    }
    assert!(sent < 1000, "the head may take for ever");
    assert_ne!(client.closed(), Closed::StillOpen);
    assert!(backend.requests().is_empty());
}

#[test]
fn the_time_of_a_head_begins_with_its_first_byte() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("read_header_timeout: 200ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").text(), "hi");
    assert!(!Gate::new().wait_for(std::time::Duration::from_millis(400)));
    assert_eq!(client.get("a.test", "/").text(), "hi");
}

#[test]
fn what_is_too_large_is_refused_by_its_kind() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::builder()
        .yaml("max_request_header_bytes: 8KiB\nmax_request_headers: 20\nmax_target_bytes: 1KiB")
        .route_with("a.test", &[backend.address()], "limits: {max_body: 1KiB}")
        .start();
    let head = |target: &str, fields: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
    };
    let long = "x".repeat(9000);
    let rows = [
        (414, head(&format!("/{}", &long[..2000]), "")),
        (431, head("/", &format!("X-Long: {long}\r\n"))),
        (431, head("/", &"X-Many: 1\r\n".repeat(30))),
        (413, head("/", "Content-Length: 1025\r\n")),
        (
            413,
            head("/", "Transfer-Encoding: chunked\r\n") + "401\r\n" + &"x".repeat(1025),
        ),
        (
            200,
            head("/", "Content-Length: 1024\r\n") + &"x".repeat(1024),
        ),
        (
            200,
            head(&format!("/{}", &long[..900]), "Content-Length: 0\r\n"),
        ),
    ];
    for (expected, message) in rows {
        let mut client = router.client();
        assert_eq!(
            status(&mut client, &message),
            expected,
            "{}",
            &message[..60]
        );
        if expected != 200 {
            assert_ne!(client.closed(), Closed::StillOpen, "{expected}");
        }
    }
}

#[test]
fn a_backend_takes_so_many_at_a_time_and_an_exchange_lasts_until_its_body_ends() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        loop {
            conversation.request()?;
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")?;
            opened.wait()?;
            conversation.send("i")?;
        }
    });
    let router = TestRouter::builder()
        .route_with("a.test", &[backend.address()], "limits: {max_conns: 1}")
        .start();
    let mut first = router.client();
    first.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(first.head().status(), 200);
    let refused = router.client().get("a.test", "/");
    assert_eq!(refused.status(), 503);
    assert_eq!(
        refused.head.field("x-cf-routererror"),
        Some("Connection Limit Reached")
    );
    assert_eq!(
        refused.text(),
        "503 Service Unavailable: Requested route ('a.test') has reached the connection limit.\n"
    );
    gate.open();
    assert_eq!(first.exactly(2), b"hi");
    // The count falls when the router has seen the end, which may be after the client has.
    assert!(tests_kit::eventually(tests_kit::PATIENCE, || {
        router.client().get("a.test", "/").status() == 200
    }));
}

#[test]
fn a_backend_that_never_answers_is_given_up() {
    for key in ["endpoint_timeout: 200ms", "first_byte_timeout: 200ms"] {
        let backend = Backend::start(script::silent());
        let router = TestRouter::builder()
            .yaml(key)
            .route("a.test", &[backend.address()])
            .start();
        let response = router.client().get("a.test", "/");
        assert!(
            matches!(response.status(), 502 | 504),
            "{key}: {}",
            response.head.line
        );
    }
}

#[test]
fn a_route_may_have_less_patience_than_the_router() {
    let backend = Backend::start(script::silent());
    let router = TestRouter::builder()
        .route_with(
            "a.test",
            &[backend.address()],
            "timeouts: {first_byte: 200ms}",
        )
        .start();
    let response = router.client().get("a.test", "/");
    assert!(
        matches!(response.status(), 502 | 504),
        "{}",
        response.head.line
    );
}

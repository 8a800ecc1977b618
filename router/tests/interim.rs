//! Interim responses: 100 and its expectation, 103.

use std::time::Duration;

use tests_kit::client::Closed;
use tests_kit::{Backend, Conversation, Gate, Head, script};
use tests_kit_router::TestRouter;

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_backend() {
    let backend = Backend::start(script::continues());
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    assert_eq!(client.response("POST").text(), "hello");
    assert_eq!(client.get("a.test", "/").status(), 200);
}

#[test]
fn a_client_that_is_refused_instead_of_100_sends_no_body() {
    let refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::start(script::early(refusal));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.response("POST").status(), 417);
    assert!(backend.settle(backend.address()));
    assert!(!backend.connections()[0].tape.bytes().ends_with(b"hello"));
}

#[test]
fn hints_arrive_before_the_answer_is_ready() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")?;
        opened.wait()?;
        conversation.send(script::ok("hi"))?;
        conversation.drain();
        Ok(())
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let hints = client.head();
    assert_eq!(
        (hints.status(), hints.field("link")),
        (103, Some("</a.css>"))
    );
    gate.open();
    assert_eq!(client.response("GET").text(), "hi");
}

#[test]
fn several_interim_responses_pass_in_order() {
    let hint = |number| format!("HTTP/1.1 103 Early Hints\r\nX-Number: {number}\r\n\r\n");
    let reply = hint(1) + &hint(2) + &hint(3) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let backend = Backend::start(script::canned(reply));
    let router = TestRouter::to(&backend);
    let response = router.client().get("a.test", "/");
    let numbers: Vec<Option<&str>> = response
        .interim
        .iter()
        .map(|head: &Head| head.field("x-number"))
        .collect();
    assert_eq!(numbers, [Some("1"), Some("2"), Some("3")]);
    assert_eq!(response.text(), "hi");
}

const EXPECTS: &str =
    "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_router_when_the_backend_is_silent() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::builder()
        .yaml("continue_timeout: 100ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    client.send(EXPECTS);
    let head = client.head();
    assert_eq!((head.status(), head.fields.len()), (100, 0));
    client.send("hello");
    let response = client.response("POST");
    assert_eq!(
        (response.text().as_str(), response.interim.len()),
        ("hello", 0)
    );
    assert_eq!(client.get("a.test", "/").status(), 200);
}

#[test]
fn no_100_is_said_to_who_does_not_wait_for_it() {
    for (request, keys) in [
        // HTTP/1.0 knows no 100 (RFC 9110 §10.1.1).
        (
            EXPECTS.replace("HTTP/1.1", "HTTP/1.0"),
            "continue_timeout: 50ms",
        ),
        (
            EXPECTS.replace("100-continue", "something"),
            "continue_timeout: 50ms",
        ),
        (EXPECTS.to_owned(), "continue_timeout: 0s"),
    ] {
        let backend = Backend::start(script::echo());
        let router = TestRouter::builder()
            .yaml(keys)
            .route("a.test", &[backend.address()])
            .start();
        let mut client = router.client();
        client.send(&request);
        assert!(!Gate::new().wait_for(Duration::from_millis(200)));
        client.send("hello");
        let response = client.response("POST");
        assert_eq!(
            (response.text().as_str(), response.interim.len()),
            ("hello", 0)
        );
    }
}

fn hints(count: usize) -> String {
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(count)
}

#[test]
fn many_interim_responses_pass_and_a_flood_is_told_as_one() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let backend = Backend::start(script::canned(hints(60) + last));
    let router = TestRouter::to(&backend);
    let response = router.client().get("a.test", "/");
    assert_eq!(
        (response.interim.len(), response.text().as_str()),
        (60, "hi")
    );

    let backend = Backend::start(script::canned(hints(2_000) + last));
    let router = TestRouter::to(&backend);
    let response = router.client().get("a.test", "/");
    assert_eq!(response.status(), 502);
    assert_eq!(
        response.head.field("x-cf-routererror"),
        Some("endpoint_failure (too many interim responses)")
    );
}

#[test]
fn a_client_that_was_answered_instead_of_100_holds_no_place() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::start(script::early(refusal));
    let router = TestRouter::builder()
        .route_with("a.test", &[backend.address()], "limits: {max_conns: 1}")
        .start();
    let mut client = router.client();
    client.send(EXPECTS);
    assert_eq!(client.response("POST").status(), 401);
    // It sends no body, and waits for the end that it was promised.
    assert_eq!(client.closed(), Closed::Finished);
    let mut other = router.client();
    other.send(EXPECTS);
    assert_eq!(other.response("POST").status(), 401);
}

//! Requests that are sent before the answer to the one before.

use tests_kit::client::Closed;
use tests_kit::{Backend, Gate, script};
use tests_kit_router::TestRouter;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let backend = Backend::start(|conversation: &mut tests_kit::Conversation| {
        loop {
            let target = conversation.request()?.head.target().to_owned();
            conversation.send(script::ok(&target))?;
        }
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let paths: Vec<String> = (0..50).map(|number| format!("/{number}")).collect();
    client.send(paths.iter().map(|path| get(path)).collect::<String>());
    for path in paths {
        assert_eq!(client.response("GET").text(), path);
    }
}

#[test]
fn a_body_between_two_requests_stays_between_them() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n";
    client.send(format!(
        "{post}Content-Length: 5\r\n\r\nhello{post}{chunked}{}",
        get("/")
    ));
    assert_eq!(client.response("POST").text(), "hello");
    assert_eq!(client.response("POST").text(), "world");
    assert_eq!(client.response("GET").text(), "");
}

#[test]
fn the_second_request_waits_for_the_first_answer() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(get("/1") + &get("/2"));
    assert!(backend.wait_for_requests(1));
    gate.open();
    assert_eq!(client.response("GET").text(), "late");
    assert_eq!(client.response("GET").text(), "late");
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn what_follows_a_close_is_not_served() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".to_owned() + &get("/2"),
    );
    assert_eq!(client.response("GET").text(), "hi");
    let (rest, closed) = client.until_closed();
    assert_eq!(rest, b"");
    assert_ne!(closed, Closed::StillOpen);
    assert_eq!(backend.requests().len(), 1);
}

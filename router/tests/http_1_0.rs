//! HTTP/1.0 on either side.

use tests_kit::client::Closed;
use tests_kit::{Backend, script};
use tests_kit_router::TestRouter;

#[test]
fn an_old_client_is_closed_after_its_answer() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let response = client.response("GET");
    // The version is ours, not the client's (RFC 9112 2.3).
    assert_eq!(response.head.line, "HTTP/1.1 200 OK");
    assert_eq!(response.text(), "hi");
    assert_eq!(client.closed(), Closed::Finished);
    assert_eq!(backend.requests()[0].head.line, "GET / HTTP/1.1");
}

#[test]
fn an_old_client_that_asks_for_it_is_kept() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..3 {
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response("GET");
        assert_eq!(response.text(), "hi");
        assert!(
            response
                .head
                .field("connection")
                .is_some_and(|c| c.eq_ignore_ascii_case("keep-alive"))
        );
    }
}

#[test]
fn an_old_client_gets_no_chunks() {
    let backend = Backend::start(script::chunked(&["he", "llo"]));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    // A body without a length ends with the connection, whatever the client would like.
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.text(), "hello");
    assert_eq!(response.head.field("transfer-encoding"), None);
}

#[test]
fn an_old_backend_serves_new_clients() {
    let with_length = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let without = "HTTP/1.0 200 OK\r\n\r\nhi";
    for reply in [with_length, without] {
        let backend = Backend::start(script::canned_then_close(reply));
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        for _ in 0..3 {
            let response = client.get("a.test", "/");
            assert!(
                response.head.line.starts_with("HTTP/1.1 200"),
                "{}",
                response.head.line
            );
            assert_eq!(response.text(), "hi");
        }
    }
}

#[test]
fn an_old_backend_that_says_so_is_kept() {
    let reply = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi";
    let backend = Backend::start(script::canned(reply));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..3 {
        assert_eq!(client.get("a.test", "/").text(), "hi");
    }
    assert_eq!(backend.connections().len(), 1);
}

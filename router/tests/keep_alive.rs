//! Connections that serve more than one request, on both sides.

use tests_kit::client::Closed;
use tests_kit::{Backend, eventually, script};
use tests_kit_router::TestRouter;

#[test]
fn one_client_connection_serves_many_requests_over_one_backend_connection() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..20 {
        assert_eq!(client.get("a.test", "/").body, b"hi");
    }
    assert_eq!(backend.requests().len(), 20);
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn a_backend_connection_is_taken_over_by_the_next_client() {
    let backend = Backend::start(script::hello("hi"));
    // Pools belong to workers: with one, every client meets the same.
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    for _ in 0..5 {
        assert_eq!(router.client().get("a.test", "/").body, b"hi");
    }
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn a_client_that_asks_for_it_is_closed() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.head.field("connection"), Some("close"));
    assert_eq!(client.until_closed(), (Vec::new(), Closed::Finished));
}

#[test]
fn a_backend_that_closes_does_not_close_the_client() {
    let reply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let backend = Backend::start(script::canned_then_close(reply));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..3 {
        assert_eq!(client.get("a.test", "/").body, b"hi");
    }
    assert_eq!(backend.connections().len(), 3);
}

#[test]
fn a_silent_client_is_closed_after_its_idle_time() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("frontend_idle_timeout: 100ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").body, b"hi");
    assert_eq!(client.until_closed(), (Vec::new(), Closed::Finished));
}

#[test]
fn an_unused_backend_connection_is_closed_after_its_idle_time() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("backend_idle_timeout: 100ms")
        .route("a.test", &[backend.address()])
        .start();
    assert_eq!(router.client().get("a.test", "/").body, b"hi");
    let connections = backend.connections();
    assert!(eventually(tests_kit::PATIENCE, || connections[0]
        .tape
        .has_ended()));
}

#[test]
fn without_keep_alives_every_request_has_its_own_backend_connection() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("disable_keep_alives: true")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    for _ in 0..3 {
        assert_eq!(client.get("a.test", "/").body, b"hi");
    }
    assert_eq!(backend.connections().len(), 3);
}

//! What is tried again, and what never is.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests_kit::{Backend, Conversation, Fault, FaultProxy, Response, eventually, script};
use tests_kit_router::TestRouter;

const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    tests_kit::free_address()
}

/// Answers the first request of each connection and resets on the second: what a backend that
/// restarts, or whose idle limit has passed, looks like to whoever reuses a connection.
fn resets_on_reuse() -> Backend {
    Backend::start(|conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(script::ok("fresh"))?;
        conversation.request()?;
        conversation.reset();
        Ok(())
    })
}

fn post(router: &TestRouter) -> Response {
    let mut client = router.client();
    client.send(POST);
    client.response("POST")
}

fn count(backend: &Backend, method: &str) -> usize {
    backend
        .requests()
        .iter()
        .filter(|request| request.head.method() == method)
        .count()
}

#[test]
fn a_stale_connection_is_replaced_once_for_what_can_be_sent_again() {
    let backend = resets_on_reuse();
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..5 {
        assert_eq!(client.get("a.test", "/").text(), "fresh");
    }
}

#[test]
fn what_may_have_been_done_is_never_done_twice() {
    let backend = resets_on_reuse();
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    assert_eq!(router.client().get("a.test", "/").text(), "fresh");
    assert_eq!(post(&router).status(), 502);
    assert_eq!(count(&backend, "POST"), 1);
}

#[test]
fn a_post_without_a_body_is_not_sent_twice_either() {
    let backend = resets_on_reuse();
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    assert_eq!(router.client().get("a.test", "/").text(), "fresh");
    let mut client = router.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response("POST").status(), 502);
    assert_eq!(count(&backend, "POST"), 1);
}

#[test]
fn an_idempotency_key_makes_a_request_repeatable() {
    let backend = resets_on_reuse();
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    assert_eq!(router.client().get("a.test", "/").text(), "fresh");
    let mut client = router.client();
    client
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: 1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response("POST").text(), "fresh");
    assert_eq!(count(&backend, "POST"), 2);
}

#[test]
fn a_connection_that_has_ended_is_not_used_for_what_cannot_be_repeated() {
    // Each connection serves one request and closes without having said so.
    let closed = Arc::new(AtomicUsize::new(0));
    let closing = Arc::clone(&closed);
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(script::ok("once"))?;
        conversation.wire()?.finish()?;
        closing.fetch_add(1, Ordering::Relaxed);
        conversation.drain();
        Ok(())
    });
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    for round in 1..=20 {
        assert_eq!(post(&router).text(), "once", "round {round}");
        assert_eq!(count(&backend, "POST"), round);
        // What closes while the request is on its way cannot be known.
        assert!(eventually(tests_kit::PATIENCE, || closed
            .load(Ordering::Relaxed)
            == round));
    }
}

#[test]
fn a_backend_that_refuses_is_passed_over() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::builder()
        .route("a.test", &[nobody(), backend.address(), nobody()])
        .start();
    for _ in 0..10 {
        let response = post(&router);
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, "hello")
        );
    }
    assert_eq!(count(&backend, "POST"), 10);
}

#[test]
fn a_backend_that_cannot_be_reached_is_passed_over_in_time() {
    let backend = Backend::start(script::echo());
    // A documentation address: packets to it are lost or refused, and never answered.
    let unreachable = SocketAddr::from(([192, 0, 2, 1], 80));
    let router = TestRouter::builder()
        .yaml("endpoint_dial_timeout: 100ms")
        .route("a.test", &[unreachable, backend.address()])
        .start();
    for _ in 0..4 {
        assert_eq!(post(&router).text(), "hello");
    }
}

#[test]
fn where_nobody_listens_there_is_a_bad_gateway() {
    let router = TestRouter::builder().route("a.test", &[nobody()]).start();
    assert_eq!(router.client().get("a.test", "/").status(), 502);
    assert_eq!(post(&router).status(), 502);
}

#[test]
fn attempts_are_counted() {
    let resets = |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.reset();
        Ok(())
    };
    for most in 1..=4 {
        let backends: Vec<Backend> = (0..5).map(|_| Backend::start(resets)).collect();
        let addresses: Vec<SocketAddr> = backends.iter().map(Backend::address).collect();
        let router = TestRouter::builder()
            .yaml(&format!("backends: {{max_attempts: {most}}}"))
            .route("a.test", &addresses)
            .start();
        assert_eq!(router.client().get("a.test", "/").status(), 502);
        let attempts: usize = backends.iter().map(|one| one.requests().len()).sum();
        assert_eq!(attempts, most);
    }
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let backend = Backend::start(script::hello("0123456789"));
    let proxy = FaultProxy::start(backend.address());
    proxy.to_client(Fault::Cut(script::ok("0123456789").len() - 5));
    let router = TestRouter::builder()
        .route("a.test", &[proxy.address()])
        .start();
    let response = router.client().get("a.test", "/");
    assert_ne!(
        (response.status(), response.end),
        (200, tests_kit::End::Complete)
    );
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_failed_backend_rests() {
    let good = Backend::start(script::hello("good"));
    let bad = Backend::start(script::reset_after_request());
    let router = TestRouter::builder()
        .yaml("backend_ejection: 60s")
        .route("a.test", &[good.address(), bad.address()])
        .start();
    for _ in 0..20 {
        assert_eq!(router.client().get("a.test", "/").text(), "good");
    }
    let seen = bad.requests().len();
    assert!(seen <= 1, "{seen} requests went to the failed backend");
}

#[test]
fn a_fresh_connection_that_is_reset_is_tried_elsewhere_for_what_can_be_repeated() {
    let good = Backend::start(script::hello("good"));
    let bad = Backend::start(script::reset_after_request());
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[good.address(), bad.address()])
        .start();
    // In two turns round robin asks the bad one first at least once.
    for _ in 0..2 {
        assert_eq!(router.client().get("a.test", "/").text(), "good");
    }
    assert_eq!(bad.requests().len(), 1);
    assert_eq!(good.requests().len(), 2);
}

#[test]
fn what_has_had_an_interim_response_is_not_asked_for_again() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(script::ok("first"))?;
        conversation.request()?;
        conversation.send(hints)?;
        // The reset must not overtake the hints.
        conversation.finish()
    });
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").text(), "first");
    let response = client.get("a.test", "/");
    assert_eq!((response.status(), response.interim.len()), (502, 1));
    assert_eq!(backend.requests().len(), 2);
}

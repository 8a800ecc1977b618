//! Clients that go away, or close the half that they are done with.

use std::time::Duration;

use tests_kit::{Backend, Conversation, End, Gate, eventually, script};
use tests_kit_router::TestRouter;

/// Well before the backends here would give up by themselves.
const SOON: Duration = Duration::from_secs(4);

fn gone(backend: &Backend) -> bool {
    eventually(SOON, || {
        backend
            .connections()
            .iter()
            .all(|connection| connection.tape.has_ended())
    })
}

#[test]
fn a_client_that_resets_while_it_waits_frees_the_backend() {
    for announced in ["", "Connection: close\r\n"] {
        let gate = Gate::new();
        let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{announced}\r\n"));
        assert!(backend.wait_for_requests(1));
        client.reset();
        assert!(gone(&backend), "the backend goes on working for nobody");
        gate.open();
    }
}

#[test]
fn a_client_that_resets_during_the_answer_frees_the_backend() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        opened.wait()
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.until("hello");
    client.reset();
    assert!(gone(&backend), "the backend goes on sending to nobody");
    gate.open();
}

#[test]
fn a_client_that_ends_while_it_waits_frees_the_backend() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(backend.wait_for_requests(1));
    drop(client);
    assert!(gone(&backend), "the backend goes on working for nobody");
    gate.open();
}

#[test]
fn a_client_that_announced_its_end_may_close_its_half_and_still_gets_the_answer() {
    for head in [
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n",
        "POST / HTTP/1.0\r\nHost: a.test\r\n",
    ] {
        let gate = Gate::new();
        let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        client.send(format!("{head}Content-Length: 5\r\n\r\nhello"));
        client.finish();
        assert!(backend.wait_for_requests(1));
        gate.open();
        let response = client.response("POST");
        assert_eq!(
            (response.text().as_str(), response.end),
            ("late", End::Complete)
        );
    }
}

#[test]
fn a_client_that_goes_away_does_not_disturb_the_next_one() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("a.test", &[backend.address()])
        .start();
    for _ in 0..20 {
        let mut client = router.client();
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.reset();
        assert_eq!(router.client().get("a.test", "/").body, b"hi");
    }
}

#[test]
fn a_client_that_ends_after_its_streamed_body_frees_the_backend() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        opened.wait()
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.send("0\r\n\r\n");
    client.until("hello");
    drop(client);
    assert!(gone(&backend), "the backend goes on sending to nobody");
    gate.open();
}

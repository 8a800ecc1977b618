//! Answers that take their time: what has come leaves at once.

use tests_kit::{Backend, Conversation, Gate};
use tests_kit_router::TestRouter;

/// A backend that sends `head` and one event, and the next one when the gate opens.
fn events(head: &'static str, gate: Gate, frame: fn(&str) -> String) -> Backend {
    Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(format!("{head}{}", frame("data: 1\n\n")))?;
        gate.wait()?;
        conversation.send(frame("data: 2\n\n"))
    })
}

#[test]
fn an_event_leaves_before_the_next_one_is_there() {
    let chunk = |event: &str| format!("{:x}\r\n{event}\r\n", event.len());
    let plain = str::to_owned as fn(&str) -> String;
    for (head, frame) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
            plain,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunk,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n", plain),
    ] {
        let gate = Gate::new();
        let backend = events(head, gate.clone(), frame);
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.until("data: 1\n\n");
        gate.open();
        client.until("data: 2\n\n");
    }
}

#[test]
fn a_head_leaves_before_its_body_is_there() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
        opened.wait()?;
        conversation.send("hi")?;
        conversation.drain();
        Ok(())
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    gate.open();
    assert_eq!(client.exactly(2), b"hi");
}

//! Upgraded connections: bytes as they are, once both sides have agreed.

use tests_kit::client::Closed;
use tests_kit::{Backend, Client, Conversation, TestRouter, eventually, script};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn upgraded(router: &TestRouter) -> Client {
    let mut client = router.client();
    client.send(HANDSHAKE);
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.field("upgrade"), Some("websocket"));
    client
}

#[test]
fn bytes_pass_as_they_are_in_both_directions() {
    let backend = Backend::start(script::upgrade());
    let router = TestRouter::to(&backend);
    let mut client = upgraded(&router);
    let every_byte: Vec<u8> = (0..=255).collect();
    client.send(&every_byte);
    assert_eq!(client.exactly(256), every_byte);
    let request = "GET /not-a-request HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.send(request);
    assert_eq!(client.exactly(request.len()), request.as_bytes());
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn much_passes_as_well() {
    let backend = Backend::start(script::upgrade());
    let router = TestRouter::to(&backend);
    let mut client = upgraded(&router);
    let piece: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    for _ in 0..50 {
        client.send(&piece);
        assert!(client.exactly(piece.len()) == piece);
    }
}

#[test]
fn what_the_backend_says_with_its_101_is_not_lost() {
    let backend = Backend::start(|conversation: &mut Conversation| {
        conversation.head()?;
        conversation.send([SWITCH, "first frame"].concat())?;
        conversation.echo()
    });
    let router = TestRouter::to(&backend);
    let mut client = upgraded(&router);
    assert_eq!(client.exactly(11), b"first frame");
    client.send("more");
    assert_eq!(client.exactly(4), b"more");
}

#[test]
fn what_the_client_says_early_is_not_lost() {
    let backend = Backend::start(script::upgrade());
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send([HANDSHAKE, "too early"].concat());
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.exactly(9), b"too early");
}

#[test]
fn the_end_of_one_side_reaches_the_other() {
    let backend = Backend::start(script::upgrade());
    let router = TestRouter::to(&backend);
    let client = upgraded(&router);
    client.finish();
    assert!(eventually(tests_kit::PATIENCE, || backend.connections()[0]
        .tape
        .has_ended()));

    let backend = Backend::start(|conversation: &mut Conversation| {
        conversation.head()?;
        conversation.send([SWITCH, "bye"].concat())
    });
    let router = TestRouter::to(&backend);
    assert_eq!(
        upgraded(&router).until_closed(),
        (b"bye".to_vec(), Closed::Finished)
    );
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let backend = Backend::start(script::canned(refusal));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..2 {
        client.send(HANDSHAKE);
        let response = client.response("GET");
        assert_eq!((response.status(), response.text().as_str()), (403, "no"));
    }
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_a_bad_gateway() {
    let backend = Backend::start(script::canned(SWITCH));
    let router = TestRouter::to(&backend);
    let response = router.client().get("a.test", "/");
    assert_eq!(response.status(), 502);
    assert!(eventually(tests_kit::PATIENCE, || {
        backend
            .connections()
            .iter()
            .all(|connection| connection.tape.has_ended())
    }));
}

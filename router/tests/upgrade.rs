//! Upgraded connections: bytes as they are, once both sides have agreed.

use std::time::Duration;

use tests_kit::client::Closed;
use tests_kit::{Backend, Client, Conversation, Gate, PATIENCE, eventually, script};
use tests_kit_router::TestRouter;

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
    assert!(eventually(PATIENCE, || backend.connections()[0]
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
    assert!(eventually(PATIENCE, || {
        backend
            .connections()
            .iter()
            .all(|connection| connection.tape.has_ended())
    }));
}

/// A backend that switches protocols after `pause` and then does what `then` says.
fn switching(
    pause: Duration,
    then: impl Fn(&mut Conversation) -> std::io::Result<()> + Send + Sync + 'static,
) -> Backend {
    Backend::start(move |conversation: &mut Conversation| {
        conversation.head()?;
        assert!(!Gate::new().wait_for(pause));
        conversation.send(SWITCH)?;
        then(conversation)
    })
}

fn metric(router: &TestRouter, name: &str) -> u64 {
    let text = Client::connect(router.admin())
        .get("localhost", "/metrics")
        .text();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

#[test]
fn a_switch_may_take_longer_than_a_request() {
    let backend = switching(Duration::from_millis(500), Conversation::echo);
    let router = TestRouter::builder()
        .yaml("endpoint_timeout: 200ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = upgraded(&router);
    client.send("hello");
    assert_eq!(client.exactly(5), b"hello");
}

#[test]
fn what_an_app_refuses_is_no_failure_and_what_fails_is_one() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let backend = Backend::start(script::canned(refusal));
    let broken = Backend::start(script::reset_after_request());
    let router = TestRouter::builder()
        .route("a.test", &[backend.address()])
        .route("broken.test", &[broken.address()])
        .start();
    let mut client = router.client();
    client.send(HANDSHAKE);
    assert_eq!(client.response("GET").status(), 403);
    assert_eq!(metric(&router, "websocket_failures "), 0);
    client.send(HANDSHAKE.replace("a.test", "broken.test"));
    assert_eq!(client.response("GET").status(), 502);
    assert!(eventually(PATIENCE, || metric(
        &router,
        "websocket_failures "
    ) == 1));
}

#[test]
fn an_app_that_requires_another_protocol_says_which() {
    let reply = "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Content-Length: 0\r\n\r\n";
    let backend = Backend::start(script::canned(reply));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let response = client.get("a.test", "/");
    assert_eq!(response.status(), 426);
    assert_eq!(response.head.field("upgrade"), Some("websocket"));
    assert_eq!(response.head.field("connection"), Some("Upgrade"));
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let last = client.response("GET");
    assert_eq!(last.head.field("connection"), Some("close, Upgrade"));
    // Elsewhere it is of this hop alone (RFC 9110 §7.6.1).
    let offer =
        "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::start(script::canned(offer));
    let response = TestRouter::to(&backend).client().get("a.test", "/");
    assert_eq!(response.head.field("upgrade"), None);
}

#[test]
fn a_tunnel_on_which_nothing_moves_ends_when_the_operator_says() {
    let backend = Backend::start(script::upgrade());
    let router = TestRouter::builder()
        .yaml("tunnel_idle_timeout: 300ms")
        .route_with("a.test", &[backend.address()], "limits: {max_conns: 1}")
        .start();
    let mut client = upgraded(&router);
    for _ in 0..4 {
        // What moves lasts.
        assert!(!Gate::new().wait_for(Duration::from_millis(150)));
        client.send("more");
        assert_eq!(client.exactly(4), b"more");
    }
    assert_eq!(router.client().get("a.test", "/").status(), 503);
    assert_eq!(client.closed(), Closed::Finished);
    assert!(eventually(PATIENCE, || backend.connections()[0]
        .tape
        .has_ended()));
    drop(upgraded(&router));
}

#[test]
fn a_tunnel_with_one_end_has_a_deadline() {
    // Neither side closes when the other does.
    let held = Gate::new();
    let hold = held.clone();
    let backend = switching(Duration::ZERO, move |_| hold.wait());
    let router = TestRouter::builder()
        .yaml("tunnel_half_closed_timeout: 300ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = upgraded(&router);
    client.finish();
    assert_eq!(client.closed(), Closed::Finished);
    held.open();

    let backend = switching(Duration::ZERO, |conversation| conversation.wire()?.finish());
    let router = TestRouter::builder()
        .yaml("tunnel_half_closed_timeout: 300ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = upgraded(&router);
    assert_eq!(client.closed(), Closed::Finished);
    // A look, not a word: whatever the client says moves, and lasts.
    let gone = || {
        let list = Client::connect(router.admin()).get("localhost", "/connections");
        let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
        list["connections"].as_array().is_some_and(Vec::is_empty)
    };
    assert!(eventually(PATIENCE, gone));
}

#[test]
fn a_stop_ends_tunnels_at_once_and_a_drain_lets_them_be() {
    let backend = Backend::start(script::upgrade());
    let mut router = TestRouter::to(&backend);
    let mut client = upgraded(&router);
    router.begin_stop();
    assert_eq!(client.closed(), Closed::Finished);
    assert!(backend.connections()[0].tape.has_ended());
    drop(client);
    assert!(eventually(PATIENCE, || router.has_stopped()));

    let backend = Backend::start(script::upgrade());
    let mut router = TestRouter::builder()
        .yaml("drain_timeout: 1s")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = upgraded(&router);
    router.begin_drain();
    assert!(eventually(PATIENCE, || Client::try_connect(
        router.address()
    )
    .is_err()));
    client.send("still here");
    assert_eq!(client.exactly(10), b"still here");
    assert_eq!(client.closed(), Closed::Finished);
    assert!(eventually(PATIENCE, || router.has_stopped()));
}

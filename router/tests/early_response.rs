//! Answers that come before the request has ended.

use std::time::Duration;

use tests_kit::client::Closed;
use tests_kit::{Backend, Conversation, End, Gate, PATIENCE, eventually, script};
use tests_kit_router::TestRouter;

const REFUSAL: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";

#[test]
fn the_client_gets_it_while_it_is_still_sending() {
    let backend = Backend::start(script::early(REFUSAL));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nthe beginning");
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
}

#[test]
fn a_request_that_was_never_finished_ends_its_connections() {
    let backend = Backend::start(script::early(REFUSAL));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    );
    assert_eq!(client.response("POST").status(), 413);
    // The rest of the body never comes: what would follow it cannot be told from it.
    client.finish();
    assert_ne!(client.closed(), Closed::StillOpen);
    assert!(eventually(PATIENCE, || {
        backend.connections()[0].tape.has_ended()
    }));
}

#[test]
fn a_backend_that_answers_and_resets_is_heard() {
    let backend = Backend::start(|conversation: &mut Conversation| {
        let head = conversation.head()?;
        conversation.note(head);
        conversation.send(REFUSAL)?;
        conversation.wire()?.finish()
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3000000\r\n\r\n";
    // The router may stop reading once it has the answer.
    let body = vec![b'x'; 3_000_000];
    client
        .try_send(head)
        .and_then(|()| client.try_send(&body))
        .ok();
    let response = client.try_response("POST");
    assert_eq!(response.map(|response| response.status()).ok(), Some(413));
    assert_eq!(backend.requests().len(), 1);
}

/// A request of `length` bytes of body in `pieces`, exact and chunked.
fn uploads(host: &str, length: usize, pieces: usize) -> [(String, Vec<Vec<u8>>); 2] {
    let piece = vec![b'x'; length / pieces];
    let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\n");
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
    let mut chunks = vec![chunk; pieces];
    chunks.push(b"0\r\n\r\n".to_vec());
    [
        (
            format!("{head}Content-Length: {length}\r\n\r\n"),
            vec![piece; pieces],
        ),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n"), chunks),
    ]
}

#[test]
fn an_answer_of_the_routers_own_reaches_a_client_that_sends_all_it_has_first() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    for (head, pieces) in uploads("unknown.test", 4 << 20, 4) {
        let mut client = router.client();
        client.send(head);
        for piece in pieces {
            client.send(piece);
        }
        let response = client.response("POST");
        assert_eq!((response.status(), response.end), (404, End::Complete));
        assert_eq!(client.closed(), Closed::Finished);
    }
}

#[test]
fn a_slow_upload_goes_on_to_a_backend_that_has_answered_and_reads_on() {
    for index in 0..2 {
        let (head, pieces) = uploads("a.test", 32 << 10, 4)[index].clone();
        let backend = Backend::start(|conversation: &mut Conversation| {
            let head = conversation.head()?;
            conversation.note(head);
            conversation.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")?;
            conversation.drain();
            Ok(())
        });
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        client.send(head);
        let sent: Vec<u8> = pieces.concat();
        for piece in pieces {
            client.send(piece);
            // Longer in all than a connection was ever drained for in one go.
            assert!(!Gate::new().wait_for(Duration::from_millis(400)));
        }
        let response = client.response("POST");
        assert_eq!((response.status(), response.text().as_str()), (401, "no"));
        assert_ne!(client.closed(), Closed::StillOpen);
        let tape = &backend.connections()[0].tape;
        let payload = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'x').count();
        assert!(eventually(PATIENCE, || {
            payload(&tape.bytes()) == payload(&sent)
        }));
    }
}

#[test]
fn where_nobody_reads_on_the_client_is_drained_for_as_long_as_it_sends() {
    for index in 0..2 {
        let (head, pieces) = uploads("a.test", 3 << 20, 6)[index].clone();
        let backend = Backend::start(|conversation: &mut Conversation| {
            conversation.head()?;
            conversation.send(REFUSAL)?;
            conversation.wire()?.finish()?;
            // Nothing is read any more, but nothing is reset before the router has the answer.
            assert!(!Gate::new().wait_for(Duration::from_millis(300)));
            conversation.reset();
            Ok(())
        });
        let router = TestRouter::to(&backend);
        let mut client = router.client();
        client.send(head);
        for piece in pieces {
            client.send(piece);
            assert!(!Gate::new().wait_for(Duration::from_millis(200)));
        }
        let response = client.response("POST");
        assert_eq!((response.status(), response.end), (413, End::Complete));
        assert_eq!(client.closed(), Closed::Finished);
    }
}

#[test]
fn a_client_is_drained_no_longer_than_the_operator_says() {
    let backend = Backend::start(script::hello("hi"));
    let head = "POST / HTTP/1.1\r\nHost: unknown.test\r\nContent-Length: 1000000\r\n\r\n";
    for (keys, sends) in [
        ("client_linger_idle: 200ms", false),
        ("client_linger_idle: 5s\nclient_linger_timeout: 300ms", true),
    ] {
        let router = TestRouter::builder()
            .yaml(keys)
            .route("a.test", &[backend.address()])
            .start();
        let mut client = router.client();
        client.send(head);
        assert_eq!(client.response("POST").status(), 404);
        let closes = || sends && client.try_send("x").is_err();
        if sends {
            assert!(eventually(PATIENCE, closes));
        } else {
            // The kernel tells a sender that the other side is closed for good.
            assert_eq!(client.closed(), Closed::Finished);
            assert!(eventually(PATIENCE, || router_holds_nothing(&router)));
        }
    }
}

fn router_holds_nothing(router: &TestRouter) -> bool {
    let connections = tests_kit::Client::connect(router.admin()).get("localhost", "/connections");
    let list = serde_json::from_slice(&connections.body).unwrap_or(serde_json::Value::Null);
    list["connections"].as_array().is_some_and(Vec::is_empty)
}

//! Bodies of every framing and size, both ways.

use tests_kit::{Backend, Conversation, End, Gate, script};
use tests_kit_router::TestRouter;

/// Bytes in which a lost, doubled or moved piece shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect()
}

fn post(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n")
}

/// Sizes around the buffers that lie on the way, and far above them.
const SIZES: [usize; 9] = [
    0,
    1,
    4095,
    16_384,
    65_535,
    65_536,
    262_145,
    1 << 20,
    (9 << 20) + 3,
];

#[test]
fn bodies_with_a_length_pass_both_ways() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for size in SIZES {
        let body = pattern(size);
        // Sent beside the reading: the router is not asked to hold what nobody takes.
        client.send(post(size));
        client.send(&body);
        let response = client.response("POST");
        assert!(
            response.body == body,
            "{size} bytes came back as {}",
            response.body.len()
        );
        assert_eq!(response.end, End::Complete);
    }
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn chunked_bodies_pass_both_ways() {
    let backend = Backend::start(|conversation: &mut Conversation| {
        loop {
            let body = conversation.request()?.body;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut reply = head.as_bytes().to_vec();
            for chunk in body.chunks(10_007) {
                reply.extend(format!("{:X};ext=1\r\n", chunk.len()).bytes());
                reply.extend(chunk);
                reply.extend(b"\r\n");
            }
            reply.extend(b"0\r\nX-Sum: 1\r\n\r\n");
            conversation.send(reply)?;
        }
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for size in SIZES {
        let body = pattern(size);
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(7_919) {
            client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        client.send("0\r\nX-Up: 2\r\n\r\n");
        let response = client.response("POST");
        assert!(
            response.body == body,
            "{size} bytes came back as {}",
            response.body.len()
        );
        assert_eq!(response.trailers, [("X-Sum".to_owned(), "1".to_owned())]);
        let seen = backend.requests().pop().unwrap();
        assert_eq!(seen.trailers, [("X-Up".to_owned(), "2".to_owned())]);
    }
}

#[test]
fn a_body_that_ends_with_the_connection_reaches_the_client_framed() {
    let body = pattern(300_000);
    let reply = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
    let backend = Backend::start(script::canned_then_close(reply));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..2 {
        let response = client.get("a.test", "/");
        assert!(response.body == body);
        assert_eq!(response.end, End::Complete);
        assert_eq!(response.head.field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn an_answer_to_head_has_no_body_and_keeps_its_length() {
    let backend = Backend::start(script::canned(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    ));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let response = client.response("HEAD");
        assert_eq!(response.head.field("content-length"), Some("1000"));
        assert_eq!(response.body, b"");
    }
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let closing = Backend::start(script::canned_then_close(reply));
        let resetting = Backend::start(script::canned_then_reset(reply));
        for backend in [closing, resetting] {
            let router = TestRouter::to(&backend);
            let response = router.client().get("a.test", "/");
            assert_eq!(
                (response.status(), response.end),
                (200, End::Cut),
                "{reply:?}"
            );
            assert_eq!(
                backend.requests().len(),
                1,
                "what was answered is not asked for again"
            );
        }
    }
}

#[test]
fn a_cut_request_is_seen_to_be_cut() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(post(10) + "hello");
    assert!(tests_kit::eventually(tests_kit::PATIENCE, || {
        backend
            .connections()
            .iter()
            .any(|connection| connection.tape.bytes().ends_with(b"hello"))
    }));
    client.reset();
    assert!(backend.wait_for_requests(1));
    assert_eq!(backend.requests()[0].end, End::Cut);
}

#[test]
fn a_slow_reader_holds_up_nobody_else_and_gets_everything() {
    const LENGTH: usize = 20 << 20;
    let body = pattern(LENGTH);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
    let large = [head.as_bytes(), &body].concat();
    let large = Backend::start(script::canned(large));
    let small = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("workers: 1")
        .route("large.test", &[large.address()])
        .route("small.test", &[small.address()])
        .start();
    let mut slow = router.client();
    slow.send("GET / HTTP/1.1\r\nHost: large.test\r\n\r\n");
    assert!(large.wait_for_requests(1));
    for _ in 0..20 {
        assert_eq!(router.client().get("small.test", "/").body, b"hi");
    }
    assert!(slow.response("GET").body == body);
}

#[test]
fn a_request_body_arrives_while_it_is_being_sent() {
    let seen = Gate::new();
    let opened = seen.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.head()?;
        conversation.wire()?.until(b"first")?;
        opened.open();
        conversation.wire()?.until(b"second")?;
        conversation.send(script::ok("both"))
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(post(11) + "first");
    assert!(
        seen.wait_for(tests_kit::PATIENCE),
        "the first part waits for the second"
    );
    client.send("second");
    assert_eq!(client.response("POST").text(), "both");
}

#[test]
fn a_chunked_body_may_come_in_one_burst_with_a_long_head() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::builder()
        .yaml("max_request_header_bytes: 1048576")
        .route("a.test", &[backend.address()])
        .start();
    let body = "0123456789abcdef".repeat(40 << 10);
    let padding = "x".repeat(300 << 10);
    let mut client = router.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nX-Long: {padding}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    ));
    let response = client.response("POST");
    assert_eq!(response.status(), 200);
    assert!(
        response.body == body.as_bytes(),
        "{} bytes",
        response.body.len()
    );
    assert_eq!(client.get("a.test", "/").status(), 200);
}

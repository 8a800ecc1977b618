//! Limits on time, size and number.

use std::time::{Duration, Instant};

use tests_kit::client::Closed;
use tests_kit::{Backend, Client, Conversation, End, Gate, PATIENCE, eventually, script};
use tests_kit_router::TestRouter;

fn status(client: &mut Client, message: impl AsRef<[u8]>) -> u16 {
    client.try_send(message).ok();
    client.response("POST").status()
}

#[test]
fn a_head_has_to_be_there_in_time_however_slowly_it_comes() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("read_header_timeout: 200ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    // A byte now and then does not buy more time.
    let head = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: ";
    let slow = head.bytes().chain(std::iter::repeat(b'x'));
    let pause = Gate::new();
    let mut sent = 0;
    for byte in slow {
        if client.try_send([byte]).is_err() || sent > 1000 {
            break;
        }
        sent += 1;
        assert!(!pause.wait_for(Duration::from_millis(10)));
    }
    assert!(sent < 1000, "the head may take for ever");
    assert_ne!(client.closed(), Closed::StillOpen);
    assert!(backend.requests().is_empty());
}

#[test]
fn the_time_of_a_head_begins_with_its_first_byte() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("read_header_timeout: 200ms")
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").text(), "hi");
    assert!(!Gate::new().wait_for(Duration::from_millis(400)));
    assert_eq!(client.get("a.test", "/").text(), "hi");
}

#[test]
fn what_is_too_large_is_refused_by_its_kind() {
    let backend = Backend::start(script::echo());
    let router = TestRouter::builder()
        .yaml("max_request_header_bytes: 8KiB\nmax_request_headers: 20\nmax_target_bytes: 1KiB")
        .route_with("a.test", &[backend.address()], "limits: {max_body: 1KiB}")
        .start();
    let head = |target: &str, fields: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
    };
    let long = "x".repeat(9000);
    let rows = [
        (414, head(&format!("/{}", &long[..2000]), "")),
        (431, head("/", &format!("X-Long: {long}\r\n"))),
        (431, head("/", &"X-Many: 1\r\n".repeat(30))),
        (413, head("/", "Content-Length: 1025\r\n")),
        (
            413,
            head("/", "Transfer-Encoding: chunked\r\n") + "401\r\n" + &"x".repeat(1025),
        ),
        (
            200,
            head("/", "Content-Length: 1024\r\n") + &"x".repeat(1024),
        ),
        (
            200,
            head(&format!("/{}", &long[..900]), "Content-Length: 0\r\n"),
        ),
    ];
    for (expected, message) in rows {
        let mut client = router.client();
        assert_eq!(
            status(&mut client, &message),
            expected,
            "{}",
            &message[..60]
        );
        if expected != 200 {
            assert_ne!(client.closed(), Closed::StillOpen, "{expected}");
        }
    }
}

#[test]
fn a_backend_takes_so_many_at_a_time_and_an_exchange_lasts_until_its_body_ends() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut Conversation| {
        loop {
            conversation.request()?;
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")?;
            opened.wait()?;
            conversation.send("i")?;
        }
    });
    let router = TestRouter::builder()
        .route_with("a.test", &[backend.address()], "limits: {max_conns: 1}")
        .start();
    let mut first = router.client();
    first.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(first.head().status(), 200);
    let refused = router.client().get("a.test", "/");
    assert_eq!(refused.status(), 503);
    assert_eq!(
        refused.head.field("x-cf-routererror"),
        Some("Connection Limit Reached")
    );
    assert_eq!(
        refused.text(),
        "503 Service Unavailable: Requested route ('a.test') has reached the connection limit.\n"
    );
    gate.open();
    assert_eq!(first.exactly(2), b"hi");
    // The count falls when the router has seen the end, which may be after the client has.
    assert!(eventually(PATIENCE, || {
        router.client().get("a.test", "/").status() == 200
    }));
}

#[test]
fn a_backend_that_never_answers_is_given_up() {
    for key in ["endpoint_timeout: 200ms", "first_byte_timeout: 200ms"] {
        let backend = Backend::start(script::silent());
        let router = TestRouter::builder()
            .yaml(key)
            .route("a.test", &[backend.address()])
            .start();
        let response = router.client().get("a.test", "/");
        assert_eq!(response.status(), 502, "{key}");
    }
}

#[test]
fn a_route_may_have_less_patience_than_the_router() {
    let backend = Backend::start(script::silent());
    let router = TestRouter::builder()
        .route_with(
            "a.test",
            &[backend.address()],
            "timeouts: {first_byte: 200ms}",
        )
        .start();
    let response = router.client().get("a.test", "/");
    assert_eq!(response.status(), 502);
}

#[test]
fn a_connection_that_asks_for_nothing_has_the_time_of_a_head() {
    let backend = Backend::start(script::hello("hi"));
    for keys in [
        "",
        "listeners: [{address: '127.0.0.1:0', proxy_protocol: required}]\n",
    ] {
        let router = TestRouter::builder()
            .yaml(&format!("{keys}read_header_timeout: 200ms"))
            .route("a.test", &[backend.address()])
            .start();
        assert_ne!(router.client().closed(), Closed::StillOpen);
        let mut slow = router.client();
        // Neither does a byte now and then of what comes before the first request buy more.
        let pause = Gate::new();
        let sent = std::iter::repeat_n("P", 500).take_while(|byte| {
            slow.try_send(byte).is_ok() && !pause.wait_for(Duration::from_millis(10))
        });
        assert!(sent.count() < 500, "the beginning may take for ever");
    }
}

#[test]
fn an_exchange_that_moves_a_byte_at_every_look_ends_all_the_same() {
    let pace = Duration::from_millis(2);
    let backend = Backend::start(move |conversation: &mut Conversation| {
        conversation.head()?;
        conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            conversation.send("1\r\nx\r\n")?;
            assert!(!Gate::new().wait_for(pace));
        }
    });
    let taker = Backend::start(|conversation: &mut Conversation| {
        conversation.head()?;
        conversation.drain();
        Ok(())
    });
    let router = TestRouter::builder()
        .yaml("endpoint_timeout: 300ms")
        .route("a.test", &[backend.address()])
        .route("upload.test", &[taker.address()])
        .start();
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let began = Instant::now();
    assert_eq!(client.response("GET").end, End::Cut);
    // Far less than the fourfold that a second look at each byte allowed it.
    let took = began.elapsed();
    println!("a response in drops took {took:?}");

    let mut client = router.client();
    client.send("POST / HTTP/1.1\r\nHost: upload.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let pause = Gate::new();
    let sent = std::iter::repeat_n("1\r\nx\r\n", 5_000)
        .take_while(|chunk| client.try_send(chunk).is_ok() && !pause.wait_for(pace));
    assert!(sent.count() < 5_000, "an upload in drops may take for ever");
}

#[test]
fn a_request_with_a_body_is_not_exempt_for_asking_for_another_protocol() {
    let taker = Backend::start(|conversation: &mut Conversation| {
        conversation.head()?;
        conversation.drain();
        Ok(())
    });
    let router = TestRouter::builder()
        .yaml("endpoint_timeout: 300ms")
        .route("a.test", &[taker.address()])
        .start();
    let mut client = router.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: x\r\n\
         Content-Length: 1000000\r\n\r\n",
    );
    let pause = Gate::new();
    let sent = std::iter::repeat_n("x", 1_000).take_while(|byte| {
        client.try_send(byte).is_ok() && !pause.wait_for(Duration::from_millis(10))
    });
    assert!(sent.count() < 1_000, "it may take for ever");
}

#[test]
fn the_first_head_of_a_connection_has_its_time_from_the_accept() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("read_header_timeout: 1s")
        .route("a.test", &[backend.address()])
        .start();
    let began = Instant::now();
    let mut client = router.client();
    assert!(!Gate::new().wait_for(Duration::from_millis(800)));
    client.send("GET / HTTP/1.1\r\n");
    assert_eq!(client.response("GET").status(), 408);
    println!(
        "a head that began late was given up after {:?}",
        began.elapsed()
    );
}

#[test]
fn large_heads_share_one_budget() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::builder()
        .yaml("workers: 1\nmax_heads_memory: 64KiB\nmax_request_header_bytes: 32KiB")
        .route("a.test", &[backend.address()])
        .start();
    let part = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Large: {}",
        "x".repeat(20_000)
    );
    let mut first = router.client();
    let mut second = router.client();
    first.send(&part);
    second.send(&part);
    // Both are 32 KiB, and there is no more for a third.
    let refused = |client: &mut Client| {
        client.send([&part, "\r\n\r\n"].concat());
        let response = client.response("GET");
        (
            response.status(),
            response.head.field("x-cf-routererror").map(str::to_owned),
        )
    };
    let taken = eventually(PATIENCE, || {
        refused(&mut router.client()) == (503, Some("header-memory-exhausted".into()))
    });
    assert!(taken);
    // Small ones are not concerned, and what is given back is there for others.
    assert_eq!(router.client().get("a.test", "/").status(), 200);
    first.send("\r\n\r\n");
    assert_eq!(first.response("GET").status(), 200);
    drop((first, second));
    assert!(eventually(PATIENCE, || {
        refused(&mut router.client()).0 == 200
    }));
}

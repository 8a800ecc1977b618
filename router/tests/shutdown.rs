//! Ends: what is under way is finished, what is idle is closed, and nothing new begins.

use std::time::{Duration, Instant};

use tests_kit::client::Closed;
use tests_kit::{Backend, Client, End, Gate, eventually, script};
use tests_kit_router::TestRouter;

#[test]
fn a_request_under_way_is_finished_before_the_end() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
    let mut router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(backend.wait_for_requests(1));
    router.begin_stop();
    assert!(eventually(tests_kit::PATIENCE, || Client::try_connect(
        router.address()
    )
    .is_err()));
    assert!(!router.has_stopped());
    gate.open();
    let response = client.response("GET");
    assert_eq!(
        (response.text().as_str(), response.end),
        ("late", End::Complete)
    );
    assert_ne!(client.closed(), Closed::StillOpen);
    assert!(eventually(tests_kit::PATIENCE, || router.has_stopped()));
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let backend = Backend::start(script::hello("hi"));
    let mut router = TestRouter::to(&backend);
    let mut idle = router.client();
    assert_eq!(idle.get("a.test", "/").text(), "hi");
    let mut fresh = router.client();
    router.begin_stop();
    assert_eq!(idle.until_closed(), (Vec::new(), Closed::Finished));
    assert_ne!(fresh.closed(), Closed::StillOpen);
    assert!(eventually(tests_kit::PATIENCE, || router.has_stopped()));
    assert!(eventually(tests_kit::PATIENCE, || backend.connections()[0]
        .tape
        .has_ended()));
}

#[test]
fn a_router_can_be_started_again_and_again() {
    let backend = Backend::start(script::hello("hi"));
    for _ in 0..3 {
        let router = TestRouter::to(&backend);
        assert_eq!(router.client().get("a.test", "/").text(), "hi");
    }
}

/// How long a router that ends is sure to wait for one more request, less what a look may take.
const SURELY: Duration = Duration::from_millis(350);

#[test]
fn a_request_that_meets_the_end_is_served_and_told_that_it_was_the_last() {
    let backend = Backend::start(script::hello("hi"));
    let mut in_time = 0;
    for round in 0..40 {
        let mut router = TestRouter::to(&backend);
        let mut kept = router.client();
        assert_eq!(kept.get("a.test", "/").head.field("connection"), None);
        // One more has connected, and perhaps was not accepted yet.
        let mut fresh = router.client();
        let began = Instant::now();
        router.begin_stop();
        let closed = round % 2 == 0;
        if closed {
            assert!(eventually(tests_kit::PATIENCE, || {
                Client::try_connect(router.address()).is_err()
            }));
        }
        for client in [&mut kept, &mut fresh] {
            client
                .try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                .ok();
            let sent_in_time = began.elapsed() < SURELY;
            let response = client.try_response("GET");
            if !sent_in_time {
                // This machine is too busy to ask before the wait is over.
                continue;
            }
            let response = response.unwrap();
            assert_eq!(response.text(), "hi");
            if closed {
                assert_eq!(response.head.field("connection"), Some("close"));
            }
            assert_eq!(client.closed(), Closed::Finished);
            in_time += 1;
        }
        if in_time >= 10 {
            return;
        }
    }
    assert!(in_time > 0, "no request was in time in 40 rounds");
}

#[test]
fn a_request_behind_the_one_under_way_is_served_in_a_drain() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
    let mut router = TestRouter::to(&backend);
    let mut client = router.client();
    // The second one has been read with the first when the drain begins.
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.send([request, request].concat());
    assert!(backend.wait_for_requests(1));
    router.begin_drain();
    assert!(eventually(tests_kit::PATIENCE, || {
        Client::try_connect(router.address()).is_err()
    }));
    gate.open();
    for _ in 0..2 {
        let response = client.response("GET");
        assert_eq!(
            (response.text().as_str(), response.end),
            ("late", End::Complete)
        );
        if response.head.field("connection") == Some("close") {
            // The router may say with the first already that it is the last.
            assert_eq!(client.closed(), Closed::Finished);
            return;
        }
    }
}

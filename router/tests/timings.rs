//! Which part of an exchange's time is the router's own.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::time::Duration;

use serde_json::Value;
use tests_kit::{Backend, Conversation, Gate, script};
use tests_kit_router::{Logged, TestRouter};

/// How long each of them has to wait.
const PAUSE: Duration = Duration::from_millis(700);

fn pause() {
    assert!(!Gate::new().wait_for(PAUSE));
}

/// A pause counts as the response's time and not as the router's.
#[track_caller]
fn paused(logged: &Logged) -> Value {
    let line = logged.line();
    let seconds = |name: &str| line[name].as_f64().unwrap();
    let (whole, own) = (seconds("response_time"), seconds("gorouter_time"));
    // A busy machine may have begun with the request when a part of the pause was over.
    assert!(whole >= PAUSE.as_secs_f64() / 2.0, "{line}");
    assert!(own < whole / 2.0, "{line}");
    line
}

#[test]
fn waiting_for_a_body_is_no_time_of_the_router() {
    let backend = Backend::start(|conversation: &mut Conversation| {
        conversation.request()?;
        conversation
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")?;
        pause();
        conversation.send("data: 2\n\n")
    });
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.until("data: 2\n\n");
    paused(&logged);
}

#[test]
fn waiting_for_a_client_that_reads_late_is_no_time_of_the_router() {
    let body = "x".repeat(32 << 20);
    let backend = Backend::start(script::canned(script::ok(&body)));
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    pause();
    client.exactly(body.len());
    paused(&logged);
}

#[test]
fn an_open_tunnel_is_no_time_of_the_router() {
    let backend = Backend::start(script::upgrade());
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(client.head().status(), 101);
    pause();
    drop(client);
    paused(&logged);
}

#[test]
fn a_client_that_sends_its_head_late_takes_no_time_of_others() {
    let backend = Backend::start(script::hello("hi"));
    let logged = Logged::with(
        TestRouter::builder()
            .route("a.test", &[backend.address()])
            .yaml("logging: {level: error, extra_access_log_fields: [backend_time]}"),
    );
    let mut client = logged.client();
    client.send("GET / HTTP/1.1\r\n");
    pause();
    client.send("Host: a.test\r\n\r\n");
    assert_eq!(client.response("GET").text(), "hi");
    let line = paused(&logged);
    let backend_time = line["backend_time"].as_f64().unwrap();
    let whole = line["response_time"].as_f64().unwrap();
    assert!(backend_time < whole / 2.0, "{line}");
}

#[test]
fn a_client_that_leaves_while_it_waits_takes_no_time_of_the_router() {
    let backend = Backend::start(script::silent());
    let logged = Logged::to(backend.address());
    let mut client = logged.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    pause();
    client.reset();
    let line = paused(&logged);
    assert_eq!(line["x_cf_routererror"], "client_gone", "{line}");
}

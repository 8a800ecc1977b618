//! The admin and status listeners beside callers that take places and give nothing.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tests_kit::client::Closed;
use tests_kit::{Client, Gate, PATIENCE, eventually};
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// Callers that each send the same bytes and nothing more, read nothing, and come again whenever
/// they are sent away.
struct Crowd {
    stop: Gate,
    came: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Returns when `size` callers have been connected.
    fn gather(size: usize, to: SocketAddr, bytes: &[u8]) -> Self {
        let (stop, came) = (Gate::new(), Arc::<AtomicUsize>::default());
        let (stopping, counted, bytes) = (stop.clone(), Arc::clone(&came), bytes.to_vec());
        let thread = std::thread::spawn(move || {
            let mut callers: Vec<Option<TcpStream>> = (0..size).map(|_| None).collect();
            while !stopping.wait_for(Duration::from_millis(5)) {
                for caller in &mut callers {
                    if caller.as_ref().is_none_or(is_sent_away) {
                        *caller = call(to, &bytes);
                        counted.fetch_add(usize::from(caller.is_some()), Relaxed);
                    }
                }
            }
        });
        let crowd = Self {
            stop,
            came,
            thread: Some(thread),
        };
        assert!(eventually(PATIENCE * 3, || crowd.came.load(Relaxed) >= size));
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.open();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn call(to: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut caller = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    caller.set_nonblocking(true).ok()?;
    // What the router does not take is not its concern.
    drop(caller.write(bytes));
    Some(caller)
}

fn is_sent_away(caller: &TcpStream) -> bool {
    match caller.peek(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// Asks as a load balancer does, each time on a connection of its own.
fn probe(listener: SocketAddr, times: usize) {
    for probe in 0..times {
        let answer = Client::connect(listener).get("localhost", "/health");
        assert_eq!(answer.status(), 200, "probe {probe}");
        assert_eq!(answer.text(), "ok\n", "probe {probe}");
    }
}

/// A router, its admin listener and its status listener.
fn start(program: &RouterProgram) -> (RouterProcess, [SocketAddr; 2]) {
    let router =
        program.start("routes: []\nstatus: {host: 127.0.0.1, port: 0, routes: {port: 0}}\n");
    let address = |message| {
        let event = router.event(message).unwrap();
        event["address"].as_str().unwrap().parse().unwrap()
    };
    let listeners = [address("admin-listening"), address("status-listening")];
    (router, listeners)
}

#[test]
fn five_hundred_silent_callers_do_not_take_health_away() {
    let program = RouterProgram::new(PROGRAM);
    let (router, listeners) = start(&program);
    for listener in listeners {
        let crowd = Crowd::gather(500, listener, b"");
        probe(listener, 100);
        assert!(crowd.came.load(Relaxed) > 500, "nobody had to leave");
    }
    assert_eq!(router.health(), 200);
}

#[test]
fn no_kind_of_idle_caller_takes_health_away() {
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let program = RouterProgram::new(PROGRAM);
    let (router, [admin, _]) = start(&program);
    for (kind, bytes) in [
        ("half a head", "GET /health HTTP/1.1\r\nHost: local".into()),
        ("idle after an answer", request("GET /health")),
        ("health unread", request("GET /health").repeat(500)),
        ("routes unread", request("GET /routes").repeat(500)),
        ("metrics unread", request("GET /metrics").repeat(500)),
        ("events unread", request("GET /routes/changes")),
        (
            "half a body",
            "PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nde".into(),
        ),
    ] {
        let crowd = Crowd::gather(250, admin, bytes.as_bytes());
        probe(admin, 20);
        drop(crowd);
        let mut status = 0;
        let answered = eventually(PATIENCE * 2, || {
            status = Client::connect(admin).get("localhost", "/routes").status();
            status == 200
        });
        assert!(answered, "after {kind}: {status}");
    }
    assert_eq!(router.health(), 200);
}

#[test]
fn places_that_are_scarce_are_left_soon() {
    let program = RouterProgram::new(PROGRAM);
    let (_router, [admin, _]) = start(&program);
    let begun = Instant::now();
    // Not so many that one has to leave for another.
    let mut silent: Vec<_> = (0..100).map(|_| Client::connect(admin)).collect();
    for client in &mut silent[..10] {
        assert_eq!(client.closed(), Closed::Finished);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

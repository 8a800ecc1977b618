//! A client that is gone without having said so: no end and no reset of its connection arrives.

use std::time::{Duration, Instant};

use tests_kit::{Backend, Client, FaultProxy, Gate, PATIENCE, eventually, script};
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";

/// A router whose app takes one request, or one tunnel, at a time.
fn router(program: &RouterProgram, backend: &Backend, keys: &str) -> RouterProcess {
    let address = backend.address();
    program.start(&format!(
        "{keys}\nroutes:\n  - uris: [a.test]\n    backends: ['{address}']\n    \
         limits: {{max_conns: 1}}\n"
    ))
}

/// A tunnel through which bytes come back.
fn tunnel(client: &mut Client) {
    client.send(UPGRADE);
    assert_eq!(client.head().status(), 101);
    talk(client);
}

fn talk(client: &mut Client) {
    client.send("hello");
    assert_eq!(client.exactly(5), b"hello");
}

fn status(router: &RouterProcess) -> u16 {
    let mut client = router.client();
    client.send(UPGRADE);
    client.head().status()
}

#[test]
fn a_tunnel_whose_client_has_vanished_ends_when_it_has_been_idle_for_long() {
    let idle = Duration::from_secs(1);
    let backend = Backend::start(script::upgrade());
    let program = RouterProgram::new(PROGRAM);
    let router = router(&program, &backend, "tunnel_idle_timeout: 1s");
    let proxy = FaultProxy::start(router.address());
    let mut client = Client::connect(proxy.address());
    tunnel(&mut client);
    // One that is not idle goes on.
    let began = Instant::now();
    while began.elapsed() < idle * 2 {
        talk(&mut client);
        assert!(!Gate::new().wait_for(idle / 10));
    }
    let tape = &backend.connections()[0].tape;
    assert!(!tape.has_ended());
    proxy.vanish();
    drop(client);
    let vanished = Instant::now();
    assert_eq!(status(&router), 503, "its place is taken");
    assert!(eventually(PATIENCE, || tape.has_ended()));
    let took = vanished.elapsed();
    assert!(took >= idle / 2, "{took:?}");
    assert!(eventually(PATIENCE, || status(&router) == 101));
    println!("the tunnel ended {took:?} after its client had vanished");
}

#[test]
fn a_tunnel_may_be_idle_for_ever_where_nothing_is_said() {
    let backend = Backend::start(script::upgrade());
    let program = RouterProgram::new(PROGRAM);
    let router = router(&program, &backend, "endpoint_timeout: 500ms");
    let proxy = FaultProxy::start(router.address());
    let mut client = Client::connect(proxy.address());
    tunnel(&mut client);
    assert!(!Gate::new().wait_for(Duration::from_secs(1)));
    assert_eq!(status(&router), 503);
    talk(&mut client);
}

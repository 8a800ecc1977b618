//! Routes come, move and go beside an app whose connections last: none of those is touched.

use std::net::SocketAddr;
use std::time::Duration;

use tests_kit::{Backend, Client, Conversation, End, FakeNats, Gate, PATIENCE, eventually, script};
use tests_kit_router::FakeRegistrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

const WEBSOCKETS: usize = 200;
const DOWNLOADS: usize = 20;
/// Routes that are added, moved and removed again.
const ROUTES: usize = 400;
/// Of them, those that change before the table is looked at.
const BATCH: usize = 20;

/// The bytes of one download.
const BODY: usize = 256 * 1024;
const PIECE: usize = 512;

/// An app with WebSockets that wait, and with downloads that take until `end`.
fn app(end: Gate) -> Backend {
    Backend::start(move |conversation: &mut Conversation| {
        let head = conversation.head()?;
        if head.field("upgrade").is_some() {
            conversation.note(head);
            conversation.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )?;
            return conversation.echo();
        }
        conversation.note(head);
        conversation.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n"))?;
        for _ in 0..BODY / PIECE {
            // A pause that the end cuts short.
            let _ended: bool = end.wait_for(Duration::from_millis(30));
            conversation.send([b'x'; PIECE])?;
        }
        conversation.drain();
        Ok(())
    })
}

fn websocket(router: SocketAddr) -> Client {
    let mut client = Client::connect(router);
    client.send(
        "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(client.head().status(), 101);
    client
}

fn until_status(router: &RouterProcess, host: &str, expected: u16) {
    let mut client = router.client();
    let reached = eventually(PATIENCE, || client.get(host, "/").status() == expected);
    assert!(reached, "{host} {expected}: {}", router.log());
}

#[test]
fn routes_that_change_touch_no_connection_of_another_app() {
    let fake = FakeNats::start();
    let end = Gate::new();
    let app = app(end.clone());
    let others = [
        Backend::start(script::hello("a")),
        Backend::start(script::hello("b")),
    ];
    let [old, new] = [&others[0], &others[1]].map(Backend::address);
    let router = RouterProgram::new(PROGRAM);
    let router = router.start(&format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {}}}]}}\n",
        fake.port()
    ));
    assert!(eventually(PATIENCE, || fake.is_heard()));
    fake.register(&["app.test"], app.address());
    fake.register(&["first.test"], old);
    until_status(&router, "first.test", 200);
    let mut sockets: Vec<Client> = (0..WEBSOCKETS)
        .map(|_| websocket(router.address()))
        .collect();
    let downloads: Vec<Client> = (0..DOWNLOADS)
        .map(|_| {
            let mut client = router.client();
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
            client
        })
        .collect();
    assert!(app.wait_for_requests(WEBSOCKETS + DOWNLOADS));
    let before = router.memory_kib();

    for batch in 0..ROUTES / BATCH {
        let uris: Vec<String> = (0..BATCH).map(|n| format!("r{batch}-{n}.test")).collect();
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        for uri in &uris {
            fake.register(&[uri], old);
        }
        until_status(&router, uris[BATCH - 1], 200);
        for uri in &uris {
            fake.register(&[uri], new);
            fake.unregister(&[uri], old);
        }
        for uri in &uris {
            fake.unregister(&[uri], new);
        }
        until_status(&router, uris[BATCH - 1], 404);
    }

    let growth = router.memory_kib().saturating_sub(before);
    assert!(growth <= 16 * 1024, "{growth} KiB");
    for socket in &mut sockets {
        socket.send("still here");
        assert_eq!(socket.exactly(10), b"still here");
    }
    end.open();
    for mut client in downloads {
        let response = client.response("GET");
        assert_eq!(response.status(), 200);
        assert_eq!((response.body.len(), response.end), (BODY, End::Complete));
    }
}

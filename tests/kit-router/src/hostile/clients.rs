//! Hostile clients.

use std::net::SocketAddr;
use std::time::Duration;

use super::crowd::Crowd;
use super::scene::{Ended, Scene, Setup};
use tests_kit::{Backend, Client, free_address, script};

/// The pause between two turns of a crowd.
pub(super) const TURN: Duration = Duration::from_millis(20);

/// The time for a head where a few seconds must show that there is one.
const SHORT_HEADS: &str = "read_header_timeout: 1s";

/// The beginning of a request that never ends.
const BEGUN: &str = "GET / HTTP/1.1\r\nHost: good.test\r\nX-Long: ";

/// Slowloris: heads that come a few bytes at a time and never end. The time is for the whole head.
pub(super) fn slow_heads() -> Setup {
    Setup::new(|scene| {
        let mut crowd = Crowd::gather(scene.router, 300);
        let head = format!("{BEGUN}{}", "a".repeat(4096));
        crowd.stay(scene, TURN, |crowd| crowd.turn(head.as_bytes(), 3, None));
        Ended::cut(
            crowd.cut_off(),
            format!("{} heads; {}", crowd.len(), crowd.told()),
        )
    })
    .keys(SHORT_HEADS)
}

/// The memory that all heads together may have, where a small crowd must use it up.
const FEW_HEADS: &str = "max_heads_memory: 16MiB";

/// Heads of 60 KiB in pieces, none of which ends, on as many connections as a small crowd has.
pub(super) fn long_heads() -> Setup {
    Setup::new(|scene| {
        let mut crowd = Crowd::gather(scene.router, 1500);
        let fields: String = (0..60)
            .map(|at| format!("X-{at}: {}\r\n", "a".repeat(1014)))
            .collect();
        let head = format!("GET / HTTP/1.1\r\nHost: good.test\r\n{fields}");
        crowd.stay(scene, TURN, |crowd| crowd.turn(head.as_bytes(), 4096, None));
        let sent: usize = crowd.members().iter().map(|member| member.sent).sum();
        let (count, mib) = (crowd.len(), sent >> 20);
        Ended::noted(format!("{count} heads, {mib} MiB sent; {}", crowd.told()))
    })
    .keys(FEW_HEADS)
}

/// Connections that say nothing.
pub(super) fn silent() -> Setup {
    Setup::new(|scene| silence(scene, scene.router, 1000)).keys(SHORT_HEADS)
}

/// As many silent connections as take every place of the admin listener, and more.
pub(super) fn silent_at_admin() -> Setup {
    Setup::new(|scene| silence(scene, scene.admin, 300))
}

/// The same at the listener that load balancers ask.
pub(super) fn silent_at_status() -> Setup {
    let status = free_address();
    let port = status.port();
    Setup::new(move |scene| silence(scene, status, 300))
        .keys(&format!("status: {{port: {port}, routes: {{port: 0}}}}"))
        .checked(status)
}

fn silence(scene: &Scene, to: SocketAddr, count: usize) -> Ended {
    let mut crowd = Crowd::gather(to, count);
    crowd.stay(scene, TURN, |_| ());
    let note = format!("{} connections, {} left", crowd.len(), crowd.left());
    Ended::cut(crowd.cut_off(), note)
}

/// The most CPU time that one of these requests may cost: looking each member up among 240 fields
/// costs many times that, in a program that is not optimised too.
const ONE_LIST: Duration = Duration::from_millis(30);

/// A head of a Connection field with 31,000 members beside 240 others.
pub(super) fn connection_list() -> Setup {
    Setup::new(|scene| {
        let head = format!("GET / HTTP/1.1\r\nHost: good.test\r\n{}\r\n", long_list());
        requests(scene, &head, ONE_LIST)
    })
}

/// The fields of such a head.
pub(super) fn long_list() -> String {
    let members = vec!["a"; 31_000].join(",");
    let fields: String = (0..240).map(|at| format!("b{at}:1\r\n")).collect();
    format!("Connection: {members}\r\n{fields}")
}

/// Four clients that send this head again and again, and what the router spends on each.
pub(super) fn requests(scene: &Scene, head: &str, most: Duration) -> Ended {
    let before = scene.usage.now().cpu;
    let ask = || {
        let mut answers = Vec::new();
        'connection: loop {
            let Ok(mut client) = Client::try_connect(scene.router) else {
                return answers;
            };
            while !scene.is_over() {
                if client.try_send(head).is_err() {
                    continue 'connection;
                }
                let Ok(response) = client.try_response("GET") else {
                    continue 'connection;
                };
                answers.push(response.status());
            }
            return answers;
        }
    };
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap_or_default())
            .collect()
    });
    let spent = scene.usage.now().cpu - before;
    let count = u32::try_from(answers.len()).unwrap_or(u32::MAX).max(1);
    let each = spent / count;
    let first = answers.first().copied().unwrap_or_default();
    Ended::noted(format!("{count} requests of {each:?} CPU; {first}"))
        .demand(each <= most, &format!("{each:?} of CPU a request"))
        .demand(first != 0, "not answered")
}

/// How long an answer may take that needs nobody else.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// Lengths that no 63-bit number can hold. Each is malformed (RFC 9110 §8.6), not truncated.
pub(super) fn absurd_lengths() -> Setup {
    const LENGTHS: [&str; 4] = [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
    ];
    let backend = Backend::start(script::echo());
    let address = backend.address();
    Setup::new(move |scene| {
        let mut sent = 0;
        while !scene.is_over() {
            for length in LENGTHS {
                let mut client = Client::connect(scene.router);
                client.set_patience(SHORT_PATIENCE);
                client.send(format!(
                    "POST / HTTP/1.1\r\nHost: bad.test\r\nContent-Length: {length}\r\n\r\n"
                ));
                let status = client.try_response("POST").map(|answer| answer.status());
                if !matches!(status, Ok(400)) {
                    return Ended::default().demand(false, &format!("{length}: {status:?}"));
                }
                sent += 1;
            }
        }
        let seen = backend.requests().len();
        Ended::noted(format!("{sent} requests; 400")).demand(seen == 0, "a backend was asked")
    })
    .route("bad.test", address)
}

/// R-U-Dead-Yet: bodies of which a byte comes now and then.
pub(super) fn slow_bodies() -> Setup {
    let backend = Backend::start(script::echo());
    let address = backend.address();
    Setup::new(|scene| {
        let mut crowd = Crowd::gather(scene.router, 300);
        let head = "POST / HTTP/1.1\r\nHost: bad.test\r\nContent-Length: 100000\r\n\r\n";
        crowd.turn(head.as_bytes(), head.len(), None);
        let message = format!("{head}{}", "a".repeat(1000));
        crowd.stay(scene, TURN * 5, |crowd| {
            crowd.turn(message.as_bytes(), 1, None)
        });
        Ended::cut(
            crowd.cut_off(),
            format!("{} uploads, {} left", crowd.len(), crowd.left()),
        )
    })
    .route("bad.test", address)
    .keep(backend)
}

/// The time for an exchange where a few seconds must show that there is one.
pub(super) const SHORT_EXCHANGES: &str = "endpoint_timeout: 1s";

/// Bodies in chunks of a byte: each moves the exchange on, and none ends it. The time is for the
/// whole exchange.
pub(super) fn tiny_chunks() -> Setup {
    let backend = Backend::start(script::echo());
    let address = backend.address();
    Setup::new(|scene| {
        let mut crowd = Crowd::gather(scene.router, 20);
        let head = "POST / HTTP/1.1\r\nHost: bad.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        let message = format!("{head}1\r\na\r\n");
        crowd.turn(head.as_bytes(), head.len(), None);
        let again = Some(head.len());
        let pause = Duration::from_millis(2);
        crowd.stay(scene, pause, |crowd| {
            crowd.turn(message.as_bytes(), 6, again)
        });
        Ended::cut(
            crowd.cut_off(),
            format!("{} uploads; {}", crowd.len(), crowd.told()),
        )
    })
    .keys(SHORT_EXCHANGES)
    .route("bad.test", address)
    .keep(backend)
}

/// Clients that ask for much and read nothing.
pub(super) fn slow_readers() -> Setup {
    let body = "a".repeat(4 << 20);
    let backend = Backend::start(script::canned(script::ok(&body)));
    let address = backend.address();
    Setup::new(|scene| {
        let mut crowd = Crowd::gather(scene.router, 50);
        let head = "GET / HTTP/1.1\r\nHost: bad.test\r\n\r\n";
        // They send and never listen.
        while scene.goes_on(TURN) {
            crowd.send(head.as_bytes());
        }
        Ended::noted(format!("{} responses of 4 MiB", crowd.len()))
    })
    .route("bad.test", address)
    .keep(backend)
}

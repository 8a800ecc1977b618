//! Hostile backends, and clients that go on where a backend has ended.

use std::io;
use std::time::Duration;

use super::clients::{SHORT_EXCHANGES, TURN, long_list, requests};
use super::crowd::Crowd;
use super::scene::{Ended, Scene, Setup};
use super::tunnels::Opens;
use tests_kit::backend::Script;
use tests_kit::{Backend, Conversation, Gate, script};

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: bad.test\r\n\r\n";

/// A peer of the router that asks `backend` and attacks so.
fn asking(backend: impl Script, attack: impl FnOnce(&Scene) -> Ended + Send + 'static) -> Setup {
    let backend = Backend::start(backend);
    Setup::new(attack)
        .route("bad.test", backend.address())
        .keep(backend)
}

/// A response with a Connection field of 31,000 members beside 240 others.
pub(super) fn connection_list() -> Setup {
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n",
        long_list()
    );
    asking(script::canned(reply), |scene| {
        requests(scene, GET, Duration::from_millis(30))
    })
}

/// A response in chunks of a byte that never ends: each moves the exchange on.
pub(super) fn tiny_chunks() -> Setup {
    let endless = |conversation: &mut Conversation| -> io::Result<()> {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            conversation.send("1\r\na\r\n")?;
            std::thread::park_timeout(Duration::from_millis(2));
        }
    };
    asking(endless, |scene| {
        let mut crowd = Crowd::gather(scene.router, 20);
        crowd.turn(GET.as_bytes(), GET.len(), None);
        crowd.stay(scene, TURN, |_| ());
        Ended::cut(crowd.cut_off(), format!("{} responses", crowd.len()))
    })
    .keys(SHORT_EXCHANGES)
}

/// Interim responses without end (RFC 9110 §15.2).
pub(super) fn interim_flood() -> Setup {
    let flood = |conversation: &mut Conversation| -> io::Result<()> {
        conversation.request()?;
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(64);
        loop {
            conversation.send(&interim)?;
        }
    };
    asking(flood, |scene| {
        let request = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let rounds = Rounds::of(scene, || {
            let mut crowd = Crowd::gather(scene.router, 10);
            crowd.send(request.as_bytes());
            crowd.stay(scene, TURN, |_| ());
            crowd
        });
        let (count, kib) = (rounds.count, rounds.received >> 10);
        Ended::cut(
            rounds.longest,
            format!("{count} requests, {kib} KiB passed"),
        )
    })
}

/// One crowd after the other, each until the router has ended it.
struct Rounds {
    /// How many connections there were.
    count: usize,
    /// How many of them were answered 401.
    refused: usize,
    /// The bytes that came.
    received: usize,
    /// The longest that the router took to end a crowd; none if it has not.
    longest: Option<Duration>,
}

impl Rounds {
    /// Those of a scene. The last crowd is not waited for.
    fn of(scene: &Scene, attack: impl Fn() -> Crowd) -> Self {
        let (mut count, mut refused, mut received) = (0, 0, 0);
        let mut longest = Some(Duration::ZERO);
        loop {
            let crowd = attack();
            if scene.is_over() {
                break;
            }
            count += crowd.len();
            refused += crowd.answered("HTTP/1.1 401");
            let came = crowd.members().iter().map(|member| member.received);
            received += came.sum::<usize>();
            longest = longest.and_then(|longest| Some(longest.max(crowd.cut_off()?)));
        }
        Self {
            count,
            refused,
            received,
            longest: longest.filter(|_| count > 0),
        }
    }
}

/// Uploads without end, 8 KiB of each at a time, whatever is answered.
fn upload_without_end(scene: &Scene) -> Ended {
    let head = "POST / HTTP/1.1\r\nHost: bad.test\r\nContent-Length: 1000000000000\r\n\r\n";
    let message = format!("{head}{}", "a".repeat(8 << 10));
    let rounds = Rounds::of(scene, || {
        let mut crowd = Crowd::gather(scene.router, 20).stubborn();
        crowd.stay(scene, TURN, |crowd| {
            crowd.turn(message.as_bytes(), message.len(), Some(head.len()));
        });
        crowd
    });
    let (count, refused) = (rounds.count, rounds.refused);
    Ended::cut(
        rounds.longest,
        format!("{count} uploads, {refused} answered"),
    )
    .demand(refused == count, "an answer was lost")
}

/// The times for reading on after an answer, where a few seconds must show that there are some.
const SHORT_LINGERING: &str = "client_linger_idle: 500ms\nclient_linger_timeout: 500ms";

const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";

/// A backend that refuses an upload at once and reads on.
pub(super) fn refuses_and_reads() -> Setup {
    asking(script::early(REFUSAL), upload_without_end)
        .keys(SHORT_EXCHANGES)
        .keys(SHORT_LINGERING)
}

/// A backend that refuses an upload and closes: nobody reads what comes after.
pub(super) fn refuses_and_closes() -> Setup {
    let gate = Gate::new();
    let opened = gate.clone();
    let close = move |conversation: &mut Conversation| -> io::Result<()> {
        conversation.head()?;
        conversation.send(REFUSAL)?;
        conversation.wire()?.finish()?;
        opened.wait()
    };
    asking(close, upload_without_end)
        .keys(SHORT_LINGERING)
        .keep(Opens(gate))
}

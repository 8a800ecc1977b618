//! A client's connection: a small task that waits, and hands each burst of requests to an exchange.

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use component::shutdown::Phase;
use router_core::cidr::{CidrSet, canonical};
use router_core::proxy_header::{self, Header};

use crate::buffers::Buffer;
use crate::config::ProxyProtocol;
use crate::connections::Seat;
use crate::deadlines::Deadline;
use crate::exchange::answer;
use crate::linger::{self, linger};
use crate::runners::{Desk, Panicked, Runners};
use crate::socket::{Glance, Socket};
use crate::worker::Worker;

/// A client's connection, shared by its task and the exchange under way.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its worker.
    pub worker: Rc<Worker>,
    /// The connection.
    pub socket: Socket,
    /// Who is at the other end; set once, before the first request.
    peer: OnceCell<Peer>,
    /// The deadline of whatever is waited for.
    pub deadline: Deadline,
    /// Its place in the list of connections.
    pub seat: Seat,
    /// A byte of the response to the current request has been sent.
    pub answered: Cell<bool>,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
struct Peer {
    /// Nothing for a unix socket.
    address: Option<SocketAddr>,
    /// As it goes into `X-Forwarded-For`; empty for a unix socket.
    text: Box<str>,
    /// Whether its forwarding fields are believed.
    trusted: bool,
}

impl Peer {
    fn new(address: Option<SocketAddr>, proxies: &CidrSet) -> Self {
        let text = |peer: SocketAddr| canonical(peer.ip()).to_string().into_boxed_str();
        Self {
            address,
            text: address.map_or_else(Box::default, text),
            trusted: address.is_none_or(|address| proxies.contains(address.ip())),
        }
    }
}

/// What a runner needs for an exchange: the client, and the first bytes of its request.
pub(crate) type Job = (Rc<Client>, Buffer);

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The connection waits for the next request.
    Idle,
    /// The connection ends; nothing is owed to it and nothing expected from it.
    Close,
    /// The connection ends while the client may still be sending.
    Linger,
    /// The same, and the client had its time: it is not waited for.
    LingerBriefly,
    /// The connection is cut, so that nobody takes what was sent for complete.
    Cut,
}

impl Client {
    /// A connection that has just been accepted.
    #[must_use]
    pub(crate) fn new(worker: Rc<Worker>, socket: Socket, peer: Option<SocketAddr>) -> Rc<Self> {
        worker.opened();
        let deadline = worker.deadlines.issue();
        let now = worker.now().tick();
        let seat = worker.roster.enter(peer, deadline.slot(), now);
        Rc::new(Self {
            peer: OnceCell::new(),
            deadline,
            answered: Cell::new(false),
            seat,
            socket,
            worker,
        })
    }

    /// The other end; nothing for a unix socket. A PROXY header may have named it.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer.get().and_then(|peer| peer.address)
    }

    /// The other end's address as text; empty for a unix socket.
    pub(crate) fn peer_text(&self) -> &str {
        self.peer.get().map_or("", |peer| &peer.text)
    }

    /// Whether the other end's forwarding fields are believed.
    pub(crate) fn is_trusted(&self) -> bool {
        self.peer.get().is_some_and(|peer| peer.trusted)
    }

    /// Says who is at the other end: the connection's own peer.
    fn introduce(&self, peer: Option<SocketAddr>) {
        let proxies = &self.worker.settings.trusted_proxies;
        self.peer.get_or_init(|| Peer::new(peer, proxies));
    }

    /// Reads the PROXY header, and says who it names if the connection's own peer is trusted.
    /// Returns what came with it of the first request; nothing when the connection is over.
    async fn introduced(&self, peer: Option<SocketAddr>, mode: ProxyProtocol) -> Option<Buffer> {
        // The time for the first request has begun; its deadline holds for all of this.
        let First::Bytes(mut buffer) = self.first_bytes().await else {
            return None;
        };
        let source = loop {
            match proxy_header::read(buffer.filled()) {
                Header::Complete { length, source } => {
                    buffer.consume(length);
                    break source;
                }
                Header::Absent if mode == ProxyProtocol::Optional => break None,
                Header::Absent | Header::Malformed => return None,
                Header::Partial => self.read_header(&mut buffer).await?,
            }
        };
        let proxies = &self.worker.settings.trusted_proxies;
        let trusted = peer.is_none_or(|peer| proxies.contains(peer.ip()));
        self.introduce(source.filter(|_| trusted).or(peer));
        Some(buffer)
    }

    /// Reads on into a header until the deadline. Nothing when there is no more.
    async fn read_header(&self, buffer: &mut Buffer) -> Option<()> {
        poll_fn(|cx| match self.socket.poll_read(cx, buffer.room()) {
            Poll::Ready(Ok(count)) if count > 0 => {
                buffer.add(count);
                Poll::Ready(Some(()))
            }
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending if self.deadline.poll_expired(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Waits for the first bytes of a request: as long as a connection may that served one before,
    /// or as a head may take from the accept on. A router that drains waits a moment and no longer:
    /// a request may be on its way.
    async fn first_bytes(&self) -> First {
        let settings = &self.worker.settings.client;
        // A connection that was never of use may not be held for as long as one that was.
        self.deadline.set(if self.seat.has_served() {
            self.worker.recent().plus(settings.idle)
        } else {
            self.seat.opened().plus(settings.head)
        });
        let mut saw_drain = false;
        poll_fn(move |cx| {
            let worker = &self.worker;
            let mut buffer = worker.tools.buffers.head();
            match self.socket.poll_read(cx, buffer.room()) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    buffer.add(count);
                    return Poll::Ready(First::Bytes(buffer));
                }
                Poll::Ready(_) => return Poll::Ready(First::Ended),
                Poll::Pending => {}
            }
            if worker.phase.get() != Phase::Running && !std::mem::replace(&mut saw_drain, true) {
                self.deadline.set(worker.clock.now().plus(MOMENT));
            }
            if !self.deadline.poll_expired(cx) {
                return Poll::Pending;
            }
            if self.socket.glance() != Glance::Bytes {
                return Poll::Ready(First::Late);
            }
            // It has come, and the event loop is about to say so.
            self.deadline.set(worker.clock.now().plus(MOMENT));
            self.deadline.poll_expired(cx);
            Poll::Pending
        })
        .await
    }

    /// Whether bytes of another request have come already.
    #[must_use]
    pub(crate) fn has_more(&self) -> bool {
        self.socket.glance() == Glance::Bytes
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.closed();
    }
}

/// How the wait for a request ends.
#[derive(Debug)]
enum First {
    /// With its first bytes.
    Bytes(Buffer),
    /// The client has ended the connection.
    Ended,
    /// Nothing came in time.
    Late,
}

/// How long a connection waits for one more request once the router drains. A client that was told
/// that the connection stays may have sent one already; who asks often is served within this time
/// and told to go.
const MOMENT: Duration = Duration::from_millis(500);

/// Serves a connection to its end.
pub(crate) async fn serve<F, H>(
    client: Rc<Client>,
    peer: Option<SocketAddr>,
    proxy_protocol: ProxyProtocol,
    exchanges: Rc<Runners<Job, After, F, H>>,
) where
    F: Future<Output = Infallible>,
    H: Fn(Rc<Desk<Job, After>>) -> F,
{
    let mut next = None;
    if proxy_protocol == ProxyProtocol::Off {
        client.introduce(peer);
    } else {
        // In a box, as few listeners need it and every idle task would hold room for it.
        let Some(behind) = Box::pin(client.introduced(peer, proxy_protocol)).await else {
            return;
        };
        next = Some(behind).filter(|behind| !behind.filled().is_empty());
    }
    let after = loop {
        let first = match next.take() {
            Some(first) => first,
            None => match client.first_bytes().await {
                First::Bytes(first) => first,
                First::Late if client.seat.has_served() && !client.worker.is_starved() => {
                    break Ok(After::LingerBriefly);
                }
                First::Late | First::Ended => return,
            },
        };
        client.seat.asks();
        match exchanges.run((Rc::clone(&client), first)).await {
            Ok(After::Idle) => client.seat.idle(client.worker.recent()),
            after => break after,
        }
    };
    // In a box: it is rare, and no part of an idle task.
    Box::pin(end(&client, after)).await;
}

/// Ends a connection after its last exchange.
async fn end(client: &Client, after: Result<After, Panicked>) {
    let limits = client.worker.settings.client.linger;
    match after {
        Ok(After::Idle) => {}
        Ok(After::Close) if !client.has_more() => {}
        Ok(After::Close | After::Linger) => linger(client, limits).await,
        Ok(After::LingerBriefly) => linger(client, linger::BRIEFLY).await,
        Ok(After::Cut) => client.socket.reset_on_close(),
        Err(Panicked) => {
            client.worker.metrics.panic();
            tracing::error!(peer = client.peer_text(), "request-panicked");
            if client.answered.get() {
                client.socket.reset_on_close();
            } else {
                answer::after_panic(client).await;
                linger(client, limits).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::net::UnixStream;

    use super::*;
    use crate::access_log::AccessLog;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::connections::Connections;
    use crate::exchange;
    use crate::health::Health;
    use crate::metrics::Metrics;
    use crate::resolver::Resolver;
    use crate::settings::Settings;
    use crate::shared::Shared;
    use crate::worker::Parts;

    /// The sizes of a connection's task and of an exchange.
    fn sizes<F, H>(_exchange: &H) -> (usize, usize)
    where
        F: Future<Output = Infallible>,
        H: Fn(Rc<Desk<Job, After>>) -> F,
    {
        (made_by(serve::<F, H>), size_of::<F>())
    }

    fn made_by<A, B, C, D, F>(_make: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small_and_an_exchange_fits_its_pool() {
        let (idle, exchange) = sizes(&exchange::run);
        assert!(
            idle <= 256,
            "the task of an idle connection takes {idle} bytes"
        );
        assert!(exchange <= 2560, "an exchange takes {exchange} bytes");
    }

    fn worker() -> Rc<Worker> {
        let config = Config::default();
        let (connections, _) = Connections::new(1);
        let log = AccessLog::start(&config.access_log).unwrap();
        let shared = Shared {
            clock: Clock::start(),
            routes: Arc::new(arc_swap::ArcSwap::from_pointee(
                router_core::table::RouteTable::default(),
            )),
            metrics: Metrics::new(1),
            health: Arc::new(Health::new(false)),
            watch: Arc::default(),
            changes: Arc::default(),
            connections,
            access_log: log.state(),
        };
        Worker::new(Parts {
            index: 0,
            shared,
            settings: Arc::new(Settings::new(&config, None, String::new())),
            resolver: Arc::new(Resolver::new(Duration::from_secs(10)).unwrap()),
            log: log.handle(),
            load: Arc::new(AtomicUsize::new(1)),
        })
    }

    async fn defect(desk: Rc<Desk<Job, After>>) -> Infallible {
        let _job = desk.next().await;
        panic!("a defect")
    }

    #[tokio::test]
    async fn a_panic_ends_its_connection_alone_and_is_answered() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.writable().await.unwrap();
        theirs
            .try_write(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .unwrap();
        rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
        let worker = worker();
        let client = Client::new(Rc::clone(&worker), Socket::Unix(ours), None);
        serve(client, None, ProxyProtocol::Off, Runners::new(defect)).await;
        let mut answer = [0; 1024];
        theirs.readable().await.unwrap();
        let length = theirs.try_read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("X-Cf-RouterError: unknown_failure\r\n"),
            "{answer}"
        );
        assert_eq!(worker.load.load(Relaxed), 0);
    }
}

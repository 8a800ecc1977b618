//! A client's connection: a small task that waits, and hands each burst of requests to an exchange.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use component::shutdown::Phase;
use router_core::proxy_header::{self, Header};

use crate::config::ProxyProtocol;
use crate::edge::linger::{self, linger};
use crate::exchange::answer;
use crate::io::buffers::Buffer;
use crate::io::socket::Peeked;
use crate::worker::client::{After, Client, Job};
use crate::worker::reused_tasks::{Panicked, ReusedTasks};

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
pub(crate) async fn serve(
    client: Rc<Client>,
    peer: Option<SocketAddr>,
    proxy_protocol: ProxyProtocol,
    exchanges: Rc<ReusedTasks<Job, After>>,
) {
    let mut next = None;
    if proxy_protocol == ProxyProtocol::Off {
        client.introduce(peer);
    } else {
        // In a box, as few listeners need it and every idle task would hold room for it.
        let Some(behind) = Box::pin(introduced(&client, peer, proxy_protocol)).await else {
            return;
        };
        next = Some(behind).filter(|behind| !behind.filled().is_empty());
    }
    let after = loop {
        let first = match next.take() {
            Some(first) => first,
            None => match first_bytes(&client).await {
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

/// Reads the PROXY header, and says who it names if the connection's own peer is trusted.
/// Returns what came with it of the first request; nothing when the connection is over.
async fn introduced(
    client: &Client,
    peer: Option<SocketAddr>,
    mode: ProxyProtocol,
) -> Option<Buffer> {
    // The time for the first request has begun; its deadline holds for all of this.
    let First::Bytes(mut buffer) = first_bytes(client).await else {
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
            Header::Partial => read_header(client, &mut buffer).await?,
        }
    };
    let settings = client.worker.settings();
    let proxies = &settings.client.trusted_proxies;
    let trusted = peer.is_none_or(|peer| proxies.contains(peer.ip()));
    client.introduce(source.filter(|_| trusted).or(peer));
    Some(buffer)
}

/// Reads on into a header until the deadline. Nothing when there is no more.
async fn read_header(client: &Client, buffer: &mut Buffer) -> Option<()> {
    poll_fn(|cx| match client.socket.poll_read(cx, buffer.room()) {
        Poll::Ready(Ok(count)) if count > 0 => {
            buffer.add(count);
            Poll::Ready(Some(()))
        }
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending if client.deadline.poll_expired(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Waits for the first bytes of a request: as long as a connection may that served one before,
/// or as a head may take from the accept on. A router that drains waits a moment and no longer:
/// a request may be on its way.
async fn first_bytes(client: &Client) -> First {
    let settings = client.worker.settings();
    // A connection that was never of use may not be held for as long as one that was.
    client.deadline.set(if client.seat.has_served() {
        client.worker.recent().plus(settings.client_idle)
    } else {
        client.seat.opened().plus(settings.client.head_timeout)
    });
    let mut saw_drain = false;
    poll_fn(move |cx| {
        let worker = &client.worker;
        let mut buffer = worker.tools.buffers.head();
        match client.socket.poll_read(cx, buffer.room()) {
            Poll::Ready(Ok(count)) if count > 0 => {
                buffer.add(count);
                return Poll::Ready(First::Bytes(buffer));
            }
            Poll::Ready(_) => return Poll::Ready(First::Ended),
            Poll::Pending => {}
        }
        if worker.phase.get() != Phase::Running && !std::mem::replace(&mut saw_drain, true) {
            client.deadline.set(worker.clock.now().plus(MOMENT));
        }
        if !client.deadline.poll_expired(cx) {
            return Poll::Pending;
        }
        if client.socket.peek() != Peeked::Bytes {
            return Poll::Ready(First::Late);
        }
        // It has come, and the event loop is about to say so.
        client.deadline.set(worker.clock.now().plus(MOMENT));
        client.deadline.poll_expired(cx);
        Poll::Pending
    })
    .await
}

/// Ends a connection after its last exchange.
async fn end(client: &Client, after: Result<After, Panicked>) {
    let limits = client.worker.settings().client.connection.linger;
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
    use crate::config::Config;
    use crate::config::settings::Settings;
    use crate::exchange;
    use crate::io::clock::Clock;
    use crate::io::socket::Socket;
    use crate::observe::access_log::AccessLog;
    use crate::observe::health::Health;
    use crate::observe::metrics::Metrics;
    use crate::upstream::resolver::Resolver;
    use crate::worker::connections::Connections;
    use crate::worker::reused_tasks::{Looping, Slot};
    use crate::worker::shared::Shared;
    use crate::worker::{Parts, Worker};

    fn size_of_connection<A, B, C, D, F>(_serve: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_exchange<A, F>(_run: impl Fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn idle_connections_and_exchanges_are_small() {
        let idle = size_of_connection(serve);
        let exchange = size_of_exchange(exchange::run);
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

    fn defect(slot: Rc<Slot<Job, After>>) -> Looping {
        Box::pin(async move {
            let _job = slot.next().await;
            panic!("a defect")
        })
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
        serve(client, None, ProxyProtocol::Off, ReusedTasks::new(defect)).await;
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

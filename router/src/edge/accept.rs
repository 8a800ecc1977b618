//! Taking connections from listeners and giving each to the worker with the fewest.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use component::address::ListenAddress;
use component::shutdown::{Phase, Shutdown};
use router_core::cidr::canonical_socket;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::config::ProxyProtocol;
use crate::edge::listen::{self, Listener};
use crate::io::socket::Socket;

/// Connections on their way to another worker; when as many wait, the acceptor keeps the next.
pub(crate) const HANDOVERS: usize = 256;

/// How long accepting rests when the process has no descriptor left.
const STARVED: Duration = Duration::from_millis(50);

/// Connections taken in a row before others get a turn.
const BATCH: usize = 32;

/// A connection on its way to another worker: no event loop knows it.
#[derive(Debug)]
pub(crate) struct Handover {
    stream: Stream,
    peer: Option<SocketAddr>,
    proxy_protocol: ProxyProtocol,
}

#[derive(Debug)]
enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection in the event loop of this thread.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The connection.
    pub socket: Socket,
    /// The other end; nothing for a unix socket.
    pub peer: Option<SocketAddr>,
    /// Whether a PROXY header comes first.
    pub proxy_protocol: ProxyProtocol,
}

impl Accepted {
    fn leave(self) -> io::Result<Handover> {
        let Self {
            socket,
            peer,
            proxy_protocol,
        } = self;
        let stream = match socket {
            Socket::Tcp(tcp) => Stream::Tcp(tcp.into_std()?),
            Socket::Unix(unix) => Stream::Unix(unix.into_std()?),
        };
        Ok(Handover {
            stream,
            peer,
            proxy_protocol,
        })
    }
}

impl Handover {
    /// Enters the event loop of this thread.
    ///
    /// # Errors
    /// The event loop takes no more descriptors.
    pub(crate) fn enter(self) -> io::Result<Accepted> {
        let Self {
            stream,
            peer,
            proxy_protocol,
        } = self;
        let socket = match stream {
            Stream::Tcp(tcp) => Socket::Tcp(TcpStream::from_std(tcp)?),
            Stream::Unix(unix) => Socket::Unix(UnixStream::from_std(unix)?),
        };
        Ok(Accepted {
            socket,
            peer,
            proxy_protocol,
        })
    }
}

/// Who gets the next connection.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    /// This worker.
    me: usize,
    loads: Arc<[Arc<AtomicUsize>]>,
    others: Arc<[mpsc::Sender<Handover>]>,
}

impl Crew {
    /// The crew as worker `me` sees it: the connections of each worker and the way to it.
    #[must_use]
    pub(crate) const fn new(
        me: usize,
        loads: Arc<[Arc<AtomicUsize>]>,
        others: Arc<[mpsc::Sender<Handover>]>,
    ) -> Self {
        Self { me, loads, others }
    }

    /// Counts a connection for the worker with the fewest, and says who that is.
    fn choose(&self) -> usize {
        let mine = self.loads[self.me].load(Relaxed);
        let (fewest, least) = self.fewest();
        let chosen = if least >= mine { self.me } else { fewest };
        self.loads[chosen].fetch_add(1, Relaxed);
        chosen
    }

    /// Gives a connection to whom it was counted for. It is returned if that is this worker, or if
    /// the other has enough to take already.
    fn give(&self, chosen: usize, accepted: Accepted) -> Option<Accepted> {
        if chosen == self.me {
            return Some(accepted);
        }
        let handover = match accepted.leave() {
            Ok(handover) => handover,
            Err(error) => {
                tracing::warn!(%error, "connection-not-handed-over");
                self.loads[chosen].fetch_sub(1, Relaxed);
                return None;
            }
        };
        let (mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) =
            self.others[chosen].try_send(handover).err()?;
        self.loads[chosen].fetch_sub(1, Relaxed);
        let back = back.enter().ok()?;
        self.loads[self.me].fetch_add(1, Relaxed);
        Some(back)
    }

    fn fewest(&self) -> (usize, usize) {
        let loads = self.loads.iter().map(|load| load.load(Relaxed)).enumerate();
        loads.min_by_key(|&(_, load)| load).unwrap_or((self.me, 0))
    }
}

/// Accepts until the phase says drain, and then what the kernel has taken already; `serve` gets the
/// connections that are this worker's, and `starved` is called when the process has no descriptor
/// left for another.
pub(crate) async fn accept(
    listener: Arc<Listener>,
    crew: Crew,
    serve: impl Fn(Accepted),
    starved: impl Fn(&io::Error, &Listener),
    mut phase: Shutdown,
) {
    let acceptor = match Acceptor::new(&listener) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, listener = %listener.address(), "listener-not-registered");
            return;
        }
    };
    let place = |(socket, peer)| {
        let accepted = Accepted {
            socket,
            peer,
            proxy_protocol: listener.proxy_protocol(),
        };
        if let Some(mine) = crew.give(crew.choose(), accepted) {
            serve(mine);
        }
    };
    'serving: loop {
        for _ in 0..BATCH {
            let next = tokio::select! {
                biased;
                () = phase.reached(Phase::Draining) => break 'serving,
                next = poll_fn(|cx| acceptor.poll_accept(cx)) => next,
            };
            match next {
                Ok(accepted) => place(accepted),
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    starved(&error, &listener);
                    tokio::time::sleep(STARVED).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    // Clients whose connection the kernel has completed have sent their requests already.
    for turn in 1..=listen::BACKLOG {
        match acceptor.accept_waiting() {
            Ok(accepted) => place(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                starved(&error, &listener);
                tokio::time::sleep(STARVED).await;
            }
        }
        if turn.is_multiple_of(BATCH) {
            tokio::task::yield_now().await;
        }
    }
}

/// A listener in the event loop of this thread.
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(listener: &Listener) -> io::Result<Self> {
        let descriptor = listener.duplicate()?;
        Ok(match listener.address() {
            ListenAddress::Tcp(_) => Self::Tcp(TcpListener::from_std(descriptor.into())?),
            ListenAddress::Unix(_) => Self::Unix(UnixListener::from_std(descriptor.into())?),
        })
    }

    /// A connection that waits, as the kernel knows it: the event loop may not have heard of it.
    fn accept_waiting(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(tcp) => {
                // The address comes with the connection: of one that was reset it cannot be asked.
                let (socket, peer) = SockRef::from(tcp).accept()?;
                socket.set_nonblocking(true)?;
                let peer = peer.as_socket().map(canonical_socket);
                Ok((Socket::Tcp(TcpStream::from_std(socket.into())?), peer))
            }
            Self::Unix(unix) => {
                let (socket, _) = SockRef::from(unix).accept()?;
                socket.set_nonblocking(true)?;
                Ok((Socket::Unix(UnixStream::from_std(socket.into())?), None))
            }
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
        match self {
            Self::Tcp(tcp) => tcp
                .poll_accept(cx)
                .map_ok(|(stream, peer)| (Socket::Tcp(stream), Some(canonical_socket(peer)))),
            Self::Unix(unix) => unix
                .poll_accept(cx)
                .map_ok(|(stream, _)| (Socket::Unix(stream), None)),
        }
    }
}

/// A client that left before it was accepted, or a signal.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Accepted {
        let (one, _) = UnixStream::pair().unwrap();
        Accepted {
            socket: Socket::Unix(one),
            peer: None,
            proxy_protocol: ProxyProtocol::Off,
        }
    }

    #[tokio::test]
    async fn the_worker_with_the_fewest_gets_the_next_and_a_full_one_is_passed_over() {
        let loads: Arc<[_]> = (0..3).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::channel(8)).unzip();
        let crew = Crew::new(1, Arc::clone(&loads), senders.into());
        let give = || crew.give(crew.choose(), accepted());
        let kept = (0..12).filter_map(|_| give()).count();
        let sent: usize = inboxes.iter().map(mpsc::Receiver::len).sum();
        assert_eq!((kept, sent), (4, 8));
        assert!(loads.iter().all(|load| load.load(Relaxed) == 4));
        drop(inboxes);
        loads[1].store(9, Relaxed);
        assert!(give().is_some());
        assert_eq!((loads[0].load(Relaxed), loads[1].load(Relaxed)), (4, 10));
    }
}

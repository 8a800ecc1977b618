//! A client's connection, as its task and the exchange under way see it.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;

use router_core::cidr::{CidrSet, canonical};

use crate::io::buffers::Buffer;
use crate::io::deadlines::Deadline;
use crate::io::socket::{Peeked, Socket};
use crate::worker::Worker;
use crate::worker::connections::Seat;

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

/// What a burst of exchanges begins with: the client, and the first bytes of its request.
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
    pub(crate) fn introduce(&self, peer: Option<SocketAddr>) {
        let settings = self.worker.settings();
        let proxies = &settings.client.trusted_proxies;
        self.peer.get_or_init(|| Peer::new(peer, proxies));
    }

    /// Whether bytes of another request have come already.
    #[must_use]
    pub(crate) fn has_more(&self) -> bool {
        self.socket.peek() == Peeked::Bytes
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.closed();
    }
}

//! A backend that says what a test tells it to say, and remembers every byte it was sent.

mod conversation;
pub mod script;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::net::Shutdown;

pub use conversation::{Conversation, Request};

use crate::eventually;
use crate::tape::Tape;

/// What a backend does with one connection: it returns when it is done with it, and the
/// connection is closed then. An error ends it just so.
pub trait Script: Fn(&mut Conversation) -> io::Result<()> + Send + Sync + 'static {}

impl<F: Fn(&mut Conversation) -> io::Result<()> + Send + Sync + 'static> Script for F {}

/// One connection that a backend was given.
#[derive(Clone, Debug)]
pub struct Received {
    /// The address it was made to.
    pub to: SocketAddr,
    /// The address it came from.
    pub from: SocketAddr,
    /// What came over it.
    pub tape: Arc<Tape>,
}

/// A backend on a port of its own, one thread a connection, stopped when dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    state: Arc<Mutex<Observed>>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Observed {
    received: Vec<Received>,
    requests: Vec<Request>,
    threads: Vec<JoinHandle<()>>,
}

impl Backend {
    /// A backend on port 0 of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start(script: impl Script) -> Self {
        Self::on("127.0.0.1:0", script)
    }

    /// A backend on `address`; on `0.0.0.0:0` it answers on every loopback address, and
    /// [`Conversation::to`] tells which one was meant.
    ///
    /// # Panics
    /// When the address cannot be had.
    #[must_use]
    pub fn on(address: &str, script: impl Script) -> Self {
        Self::listen(address, script, true)
    }

    /// As [`Self::start`], for more traffic than memory should hold: no byte is on a tape.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn unrecorded(script: impl Script) -> Self {
        Self::listen("127.0.0.1:0", script, false)
    }

    fn listen(address: &str, script: impl Script, recorded: bool) -> Self {
        let listener = Arc::new(TcpListener::bind(address).expect("a port to listen on"));
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::default();
        let acceptor = {
            let (listener, state, script) =
                (Arc::clone(&listener), Arc::clone(&state), Arc::new(script));
            std::thread::spawn(move || accept(&listener, &state, &script, recorded))
        };
        Self {
            address,
            listener,
            state,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that a script has read so far, over all connections in the order read.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// The requests that came to one of the addresses of a backend [`Self::on`] several.
    #[must_use]
    pub fn requests_to(&self, to: SocketAddr) -> Vec<Request> {
        lock(&self.state)
            .requests
            .iter()
            .filter(|request| request.to == to)
            .cloned()
            .collect()
    }

    /// The connections to one of its addresses.
    #[must_use]
    pub fn connections_to(&self, to: SocketAddr) -> Vec<Received> {
        lock(&self.state)
            .received
            .iter()
            .filter(|received| received.to == to)
            .cloned()
            .collect()
    }

    /// Every connection so far, in the order they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    /// Waits for `count` requests or more.
    #[must_use]
    pub fn wait_for_requests(&self, count: usize) -> bool {
        eventually(crate::PATIENCE, || {
            lock(&self.state).requests.len() >= count
        })
    }

    /// Waits until everything that was sent to `to` before this call is on its tape: what is not
    /// there afterwards was not sent.
    ///
    /// # Panics
    /// When the backend cannot be reached, which is to say that it has stopped.
    #[must_use]
    pub fn settle(&self, to: SocketAddr) -> bool {
        // Connections are accepted in the order in which they were made: once this one is known,
        // so is every earlier one.
        let marker = TcpStream::connect(to).expect("the backend listens");
        let from = marker
            .local_addr()
            .expect("a connected socket has an address");
        let accepted = eventually(crate::PATIENCE, || {
            let mut state = lock(&self.state);
            let at = state
                .received
                .iter()
                .position(|connection| connection.from == from);
            at.map(|at| state.received.remove(at)).is_some()
        });
        accepted
            && eventually(crate::PATIENCE, || {
                self.connections_to(to)
                    .iter()
                    .all(|received| received.tape.is_current())
            })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Shutting a listening socket down wakes the thread that waits in accept.
        rustix::net::shutdown(&self.listener, Shutdown::Both).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
        let (received, threads) = {
            let mut state = lock(&self.state);
            (state.received.clone(), std::mem::take(&mut state.threads))
        };
        for connection in received {
            connection.tape.shut_down();
        }
        for thread in threads {
            thread.join().ok();
        }
    }
}

fn lock(state: &Mutex<Observed>) -> MutexGuard<'_, Observed> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(
    listener: &TcpListener,
    state: &Arc<Mutex<Observed>>,
    script: &Arc<impl Script>,
    recorded: bool,
) {
    while let Ok((stream, from)) = listener.accept() {
        let Ok((to, tape)) = stream
            .local_addr()
            .and_then(|to| Ok((to, Tape::new(&stream)?)))
        else {
            continue;
        };
        let tape = Arc::new(tape);
        // Known before its script runs, so that a test never sees a request without a connection.
        lock(state).received.push(Received {
            to,
            from,
            tape: Arc::clone(&tape),
        });
        let (script, shared) = (Arc::clone(script), Arc::clone(state));
        let thread = std::thread::spawn(move || {
            let note = move |request: &Request| lock(&shared).requests.push(request.clone());
            let tape = recorded.then_some(tape);
            if let Ok(mut conversation) = Conversation::new(stream, to, tape, Box::new(note)) {
                // An error is how most conversations end: the other side closes, or the test does.
                script(&mut conversation).ok();
                // Only whoever goes on reading knows when the peer has closed as well.
                conversation.finish().ok();
            }
        });
        lock(state).threads.push(thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, script};

    #[test]
    fn every_byte_is_on_the_tape_of_its_connection() {
        let backend = Backend::start(script::echo());
        let mut client = Client::connect(backend.address());
        client.send("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.response("POST").body, b"hi");
        assert!(backend.settle(backend.address()));
        let connections = backend.connections();
        assert_eq!(connections.len(), 1);
        let received = connections[0].tape.bytes();
        assert_eq!(received, b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(backend.requests()[0].body, b"hi");
    }

    #[test]
    fn a_backend_on_every_loopback_address_knows_which_one_was_meant() {
        let backend = Backend::on("0.0.0.0:0", |conversation: &mut Conversation| {
            conversation.request()?;
            let to = conversation.to().ip().to_string();
            conversation.send(script::ok(&to))
        });
        let mut client = Client::connect(SocketAddr::new(
            [127, 1, 2, 3].into(),
            backend.address().port(),
        ));
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.response("GET").body, b"127.1.2.3");
    }

    #[test]
    fn a_reset_is_seen_as_one() {
        let backend = Backend::start(script::reset_after_request());
        let mut client = Client::connect(backend.address());
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.closed(), crate::client::Closed::Reset);
    }
}

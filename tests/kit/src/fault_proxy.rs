//! A TCP proxy that does to a connection what networks do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Gate;
use crate::wire::reset;

/// What happens to bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    #[default]
    None,
    /// Each piece waits so long before it passes.
    Delay(Duration),
    /// So many pass, counted from the start of the connection, then both sides are reset.
    Cut(usize),
    /// They are taken and never arrive, and neither does the sender's end or reset.
    Blackhole,
    /// They pass one at a time, with a pause after each.
    Dribble(Duration),
    /// They pass, but the sender's end is kept from the receiver.
    HalfOpen,
}

/// A proxy in front of one address; its faults can be changed while it runs and hold for open
/// connections too. Stopped when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    stopped: Gate,
    state: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    to_target: Fault,
    to_client: Fault,
    refuse: bool,
    streams: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
enum Direction {
    ToTarget,
    ToClient,
}

impl FaultProxy {
    /// A proxy without a fault in front of `target`.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a port to listen on"));
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            target,
            stopped: Gate::new(),
            state: Mutex::new(Faults::default()),
        });
        let acceptor = {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Self {
            address,
            shared,
            listener,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens from now on to bytes on their way to the target.
    pub fn to_target(&self, fault: Fault) {
        self.shared.lock().to_target = fault;
    }

    /// What happens from now on to bytes on their way to the client.
    pub fn to_client(&self, fault: Fault) {
        self.shared.lock().to_client = fault;
    }

    /// Both ends of every connection, old and new, vanish for each other from now on: nothing that
    /// either says arrives, nor that it ends or resets the connection, as when a machine is switched
    /// off or a path is lost. The system goes on answering for both: probes of TCP keep-alive are
    /// not lost.
    pub fn vanish(&self) {
        self.to_target(Fault::Blackhole);
        self.to_client(Fault::Blackhole);
    }

    /// Whether new connections are closed at once with a reset.
    pub fn refuse(&self, refuse: bool) {
        self.shared.lock().refuse = refuse;
    }

    /// Resets every connection there is.
    pub fn cut_all(&self) {
        for stream in std::mem::take(&mut self.shared.lock().streams) {
            reset(&stream);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopped.open();
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
        self.cut_all();
        let pumps = std::mem::take(&mut self.shared.lock().pumps);
        for pump in pumps {
            pump.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, direction: Direction) -> Fault {
        let state = self.lock();
        match direction {
            Direction::ToTarget => state.to_target,
            Direction::ToClient => state.to_client,
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        let refuse = shared.lock().refuse;
        let target = TcpStream::connect_timeout(&shared.target, crate::PATIENCE);
        let (false, Ok(target)) = (refuse, target) else {
            reset(&client);
            continue;
        };
        client.set_nodelay(true).ok();
        target.set_nodelay(true).ok();
        if let (Ok(client_too), Ok(target_too)) = (client.try_clone(), target.try_clone()) {
            let mut state = shared.lock();
            state
                .streams
                .extend(client.try_clone().into_iter().chain(target.try_clone()));
            state.pumps.push(pump(
                client,
                target,
                Direction::ToTarget,
                Arc::clone(shared),
            ));
            state.pumps.push(pump(
                target_too,
                client_too,
                Direction::ToClient,
                Arc::clone(shared),
            ));
        }
    }
}

fn pump(
    from: TcpStream,
    to: TcpStream,
    direction: Direction,
    shared: Arc<Shared>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut passed = 0;
        let mut piece = vec![0; 64 * 1024];
        loop {
            let count = match (&from).read(&mut piece) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) if shared.fault(direction) == Fault::Blackhole => return,
                Err(_) => return reset(&to),
            };
            let fault = shared.fault(direction);
            if count == 0 {
                if !matches!(fault, Fault::HalfOpen | Fault::Blackhole) {
                    to.shutdown(Shutdown::Write).ok();
                }
                return;
            }
            if !pass(&piece[..count], &to, passed, fault, &shared.stopped) {
                reset(&from);
                return reset(&to);
            }
            passed += count;
        }
    })
}

/// Passes one piece on; `false` when the connection is to be cut.
fn pass(piece: &[u8], mut to: &TcpStream, passed: usize, fault: Fault, stopped: &Gate) -> bool {
    match fault {
        Fault::None | Fault::HalfOpen => to.write_all(piece).is_ok(),
        Fault::Delay(pause) => !stopped.wait_for(pause) && to.write_all(piece).is_ok(),
        Fault::Blackhole => true,
        Fault::Dribble(pause) => piece
            .iter()
            .all(|byte| to.write_all(&[*byte]).is_ok() && !stopped.wait_for(pause)),
        Fault::Cut(after) => {
            let left = after.saturating_sub(passed).min(piece.len());
            to.write_all(&piece[..left]).is_ok() && left == piece.len() && passed + left < after
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Closed;
    use crate::{Backend, Client, End, script};

    #[test]
    fn without_a_fault_everything_passes() {
        let backend = Backend::start(script::hello("hi"));
        let proxy = FaultProxy::start(backend.address());
        let mut client = Client::connect(proxy.address());
        assert_eq!(client.get("a.test", "/").body, b"hi");
        assert_eq!(client.get("a.test", "/").body, b"hi");
    }

    #[test]
    fn a_cut_lets_so_many_bytes_through() {
        let backend = Backend::start(script::hello("0123456789"));
        let proxy = FaultProxy::start(backend.address());
        proxy.to_client(Fault::Cut(script::ok("0123456789").len() - 3));
        let response = Client::connect(proxy.address()).get("a.test", "/");
        assert_eq!(
            (response.body.as_slice(), response.end),
            (b"0123456".as_slice(), End::Cut)
        );
    }

    #[test]
    fn a_black_hole_is_silent_and_a_dribble_arrives() {
        let backend = Backend::start(script::hello("hi"));
        let proxy = FaultProxy::start(backend.address());
        proxy.to_client(Fault::Dribble(Duration::from_micros(10)));
        assert_eq!(
            Client::connect(proxy.address()).get("a.test", "/").body,
            b"hi"
        );
        proxy.to_client(Fault::Blackhole);
        let mut client = Client::connect(proxy.address());
        client.set_patience(Duration::from_millis(50));
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.until_closed(), (Vec::new(), Closed::StillOpen));
        assert_eq!(backend.requests().len(), 2);
    }

    #[test]
    fn one_who_has_vanished_has_neither_ended_nor_reset_the_connection() {
        for unread in [false, true] {
            let backend = Backend::start(script::echo());
            let proxy = FaultProxy::start(backend.address());
            let mut client = Client::connect(proxy.address());
            client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
            if unread {
                // Closing a socket with unread bytes resets its connection.
                client.until("\r\n\r\n");
            } else {
                assert_eq!(client.response("POST").body, b"hi");
            }
            let tape = Arc::clone(&backend.connections()[0].tape);
            proxy.vanish();
            drop(client);
            let silent = !crate::eventually(Duration::from_millis(100), || tape.has_ended());
            assert!(silent, "unread: {unread}");
        }
    }

    #[test]
    fn a_half_open_connection_hides_the_end() {
        let backend = Backend::start(script::canned_then_close(script::ok("hi")));
        let proxy = FaultProxy::start(backend.address());
        proxy.to_client(Fault::HalfOpen);
        let mut client = Client::connect(proxy.address());
        assert_eq!(client.get("a.test", "/").body, b"hi");
        client.set_patience(Duration::from_millis(50));
        assert_eq!(client.closed(), Closed::StillOpen);
    }

    #[test]
    fn a_refused_connection_ends_at_once() {
        let backend = Backend::start(script::echo());
        let proxy = FaultProxy::start(backend.address());
        proxy.refuse(true);
        // The reset may come before the client knows that it is connected.
        let closed = Client::try_connect(proxy.address()).map(|mut client| client.closed());
        assert_ne!(closed.ok(), Some(Closed::StillOpen));
        assert!(backend.requests().is_empty());
    }
}

//! A server of the bus that does what no real one would.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const INFO: &[u8] = b"INFO {\"server_id\":\"fake\",\"max_payload\":1048576,\"headers\":true}\r\n";

/// How long a write to a client that does not read may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// A server that behaves.
    Good,
    /// One that says nothing at all, not even what it is.
    Silent,
    /// One that behaves until the client has subscribed, and is silent from then on.
    FallsSilent,
    /// One that closes the connection at once.
    Closes,
    /// One that says this in place of what it is, and then `x` so many times.
    Says(Vec<u8>, usize),
    /// The same, after it has behaved until the client had subscribed.
    EndsWith(Vec<u8>, usize),
}

/// A server that a test leads. Stopped when dropped.
#[derive(Debug)]
pub struct FakeNats {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    manner: Behaviour,
    stopped: bool,
    accepted: usize,
    /// The clients, with what each called its first subscription.
    clients: Vec<(TcpStream, Option<String>)>,
    threads: Vec<JoinHandle<()>>,
}

impl FakeNats {
    /// A server that behaves.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a port to listen on"));
        let shared = Arc::new(Mutex::new(State {
            manner: Behaviour::Good,
            stopped: false,
            accepted: 0,
            clients: Vec::new(),
            threads: Vec::new(),
        }));
        let (ours, state) = (Arc::clone(&listener), Arc::clone(&shared));
        Self {
            address: listener.local_addr().expect("a listener has an address"),
            shared,
            listener,
            acceptor: Some(std::thread::spawn(move || accept(&ours, &state))),
        }
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Behaves like that from now on, towards clients that come and those that are there: these are
    /// cut off if they are to meet a server that behaves from the beginning.
    pub fn behave(&self, manner: &Behaviour) {
        let mut state = lock(&self.shared);
        state.manner = manner.clone();
        if *manner == Behaviour::FallsSilent {
            return;
        }
        let clients = std::mem::take(&mut state.clients);
        drop(state);
        for (mut client, _) in clients {
            if let Behaviour::EndsWith(head, filler) = manner {
                say(&mut client, head, *filler);
            }
            client.shutdown(Shutdown::Both).ok();
        }
    }

    /// How many clients have come.
    #[must_use]
    pub fn accepted(&self) -> usize {
        lock(&self.shared).accepted
    }

    /// Whether somebody has subscribed to something.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        let state = lock(&self.shared);
        state
            .clients
            .iter()
            .any(|(_, subscription)| subscription.is_some())
    }

    /// Delivers a message to all who have subscribed, whatever they asked for.
    pub fn deliver(&self, subject: &str, payload: &[u8]) {
        let mut state = lock(&self.shared);
        for (client, subscription) in &mut state.clients {
            if let Some(id) = subscription {
                let head = format!("MSG {subject} {id} {}\r\n", payload.len());
                let message = [head.as_bytes(), payload, b"\r\n"].concat();
                client.write_all(&message).ok();
            }
        }
    }
}

impl Drop for FakeNats {
    fn drop(&mut self) {
        lock(&self.shared).stopped = true;
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
        self.behave(&Behaviour::Closes);
        let threads = std::mem::take(&mut lock(&self.shared).threads);
        for thread in threads {
            thread.join().ok();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Mutex<State>>) {
    while let Ok((client, _)) = listener.accept() {
        client.set_write_timeout(Some(PATIENCE)).ok();
        let mut state = lock(shared);
        if state.stopped {
            return;
        }
        state.accepted += 1;
        let manner = state.manner.clone();
        let ours = Arc::clone(shared);
        let Ok(kept) = client.try_clone() else { return };
        state.clients.push((kept, None));
        let serve = std::thread::spawn(move || serve(client, &manner, &ours));
        state.threads.push(serve);
    }
}

fn serve(mut client: TcpStream, manner: &Behaviour, shared: &Mutex<State>) {
    match manner {
        Behaviour::Closes => drop(client.shutdown(Shutdown::Both)),
        Behaviour::Says(head, filler) => {
            say(&mut client, head, *filler);
            drop(client.shutdown(Shutdown::Both));
        }
        // It is read from until the client goes.
        Behaviour::Silent => drop(std::io::copy(&mut client, &mut std::io::sink())),
        Behaviour::Good | Behaviour::FallsSilent | Behaviour::EndsWith(..) => {
            client.write_all(INFO).ok();
            converse(&client, shared);
        }
    }
}

/// Answers as a server does, until the client goes.
fn converse(mut client: &TcpStream, shared: &Mutex<State>) {
    let peer = client.peer_addr().ok();
    for line in BufReader::new(client).lines().map_while(Result::ok) {
        let mut state = lock(shared);
        let manner = state.manner.clone();
        if let Some((_subject, id)) = line
            .strip_prefix("SUB ")
            .and_then(|sub| sub.split_once(' '))
        {
            let is_this = |kept: &TcpStream| kept.peer_addr().ok() == peer;
            if let Some(kept) = state.clients.iter_mut().find(|(kept, _)| is_this(kept)) {
                kept.1.get_or_insert_with(|| id.to_owned());
            }
            drop(state);
            if let Behaviour::EndsWith(head, filler) = manner {
                say(&mut client, &head, filler);
                client.shutdown(Shutdown::Both).ok();
                return;
            }
        } else if line == "PING" && (manner == Behaviour::Good || !subscribed(&state, peer)) {
            client.write_all(b"PONG\r\n").ok();
        }
    }
    let mut state = lock(shared);
    state
        .clients
        .retain(|(kept, _)| kept.peer_addr().ok() != peer);
}

fn subscribed(state: &State, peer: Option<SocketAddr>) -> bool {
    let mut clients = state.clients.iter();
    clients.any(|(kept, id)| kept.peer_addr().ok() == peer && id.is_some())
}

/// Until the client has gone, or does not read.
fn say(client: &mut impl std::io::Write, head: &[u8], filler: usize) {
    let much = vec![b'x'; 64 * 1024];
    let mut left = filler;
    let mut said = client.write_all(head);
    while said.is_ok() && left > 0 {
        let len = left.min(much.len());
        said = client.write_all(&much[..len]);
        left -= len;
    }
}

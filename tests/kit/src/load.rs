//! Requests that go on until told to stop, each of which must succeed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Client, End};

/// Requests on one connection before the next is made, so that accepting is under load too.
const A_CONNECTION: usize = 50;

/// Between two requests of one client: the machine has other things to do.
const PAUSE: Duration = Duration::from_millis(1);

/// Failures that are told in words.
const TOLD: usize = 8;

/// Clients that send GET requests one after the other, on threads of their own.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    stopping: AtomicBool,
    good: AtomicU64,
    failed: AtomicU64,
    told: Mutex<Vec<String>>,
}

/// What became of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Those answered with a whole 200.
    pub good: u64,
    /// All others.
    pub failed: u64,
    /// The first of those, in words.
    pub told: Vec<String>,
}

impl Load {
    /// Starts `clients` that each ask `router` for `/` of one of `hosts` after the other.
    #[must_use]
    pub fn start(router: SocketAddr, clients: usize, hosts: &[&str]) -> Self {
        let counts = Arc::<Counts>::default();
        let client = |at: usize| {
            let counts = Arc::clone(&counts);
            let mut hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            let turn = at % hosts.len().max(1);
            hosts.rotate_left(turn);
            std::thread::spawn(move || run(router, &hosts, &counts))
        };
        let clients = (0..clients).map(client).collect();
        Self { counts, clients }
    }

    /// Requests that succeeded so far.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.counts.good.load(Relaxed)
    }

    /// Waits until `count` more requests have succeeded than now, or one has failed.
    pub fn more(&self, count: u64) {
        let goal = self.good() + count;
        let told = || self.good() >= goal || self.counts.failed.load(Relaxed) > 0;
        assert!(
            crate::eventually(crate::PATIENCE * 3, told),
            "the load stands still: {:?}",
            self.counts
        );
    }

    /// Lets every client finish its request, and says what became of all of them.
    #[must_use]
    pub fn stop(mut self) -> Tally {
        self.join();
        let told = self.counts.told.lock();
        Tally {
            good: self.good(),
            failed: self.counts.failed.load(Relaxed),
            told: told.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn join(&mut self) {
        self.counts.stopping.store(true, Relaxed);
        for client in self.clients.drain(..) {
            client.join().ok();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

fn run(router: SocketAddr, hosts: &[String], counts: &Counts) {
    let mut requests = hosts.iter().cycle();
    while !counts.stopping.load(Relaxed) {
        let mut client = match Client::try_connect(router) {
            Ok(client) => client,
            Err(error) => {
                counts.fail(format!("no connection: {error}"));
                continue;
            }
        };
        for host in requests.by_ref().take(A_CONNECTION) {
            match request(&mut client, host) {
                Ok(()) => {
                    counts.good.fetch_add(1, Relaxed);
                }
                Err(reason) => {
                    counts.fail(format!("{host}: {reason}"));
                    break;
                }
            }
            if counts.stopping.load(Relaxed) {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
    }
}

fn request(client: &mut Client, host: &str) -> Result<(), String> {
    client
        .try_send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .map_err(|error| error.to_string())?;
    let response = client
        .try_response("GET")
        .map_err(|none| none.to_string())?;
    match (response.status(), response.end) {
        (200, End::Complete) => Ok(()),
        (status, end) => Err(format!("{status}, {end:?}: {}", response.text())),
    }
}

impl Counts {
    fn fail(&self, reason: String) {
        self.failed.fetch_add(1, Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            told.push(reason);
        }
        drop(told);
        // A failure that repeats does not become a flood.
        std::thread::park_timeout(PAUSE);
    }
}

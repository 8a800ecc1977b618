//! Requests that go on until told to stop, each of which must succeed.

mod latencies;
mod loss;
mod manner;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Client;

pub use latencies::Latencies;
pub use loss::{How, Loss};
pub use manner::{Manner, app};

/// Requests on one connection before the next is made, so that accepting is under load too.
const A_CONNECTION: usize = 50;

/// Between two requests of one client: the machine has other things to do.
const PAUSE: Duration = Duration::from_millis(1);

/// Failures that are told in words.
const TOLD: usize = 8;

/// Failures that are remembered; more are only counted.
const REMEMBERED: usize = 10_000;

/// Clients that send requests one after the other, on threads of their own.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<Vec<u32>>>,
}

#[derive(Debug, Default)]
struct Counts {
    stopping: AtomicBool,
    good: AtomicU64,
    failed: AtomicU64,
    losses: Mutex<Vec<Loss>>,
}

/// What became of the requests.
#[derive(Clone)]
pub struct Tally {
    /// Those answered with a whole 200, as the backend sent it.
    pub good: u64,
    /// All others.
    pub failed: u64,
    /// The others one by one, ten thousand at most.
    pub losses: Vec<Loss>,
    /// How long the good ones took.
    pub latencies: Latencies,
}

/// The first failures in words are enough to read.
impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally")
            .field("good", &self.good)
            .field("failed", &self.failed)
            .field("told", &self.losses.iter().take(TOLD).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Tally {
    /// The failures that ended in that way.
    #[must_use]
    pub fn lost(&self, how: How) -> usize {
        self.losses.iter().filter(|loss| loss.how == how).count()
    }
}

impl Load {
    /// Starts `clients` that each ask `server` for `/` of one of `hosts` after the other, and keep
    /// their connections.
    #[must_use]
    pub fn start(server: SocketAddr, clients: usize, hosts: &[&str]) -> Self {
        Self::with_manners(server, &vec![Manner::Kept; clients], hosts)
    }

    /// Starts a client for each of `manners`. Other manners than [`Manner::Kept`] need a backend
    /// with the script [`app`].
    #[must_use]
    pub fn with_manners(server: SocketAddr, manners: &[Manner], hosts: &[&str]) -> Self {
        let counts = Arc::<Counts>::default();
        let client = |(at, &manner): (usize, &Manner)| {
            let counts = Arc::clone(&counts);
            let mut hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            let turn = at % hosts.len().max(1);
            hosts.rotate_left(turn);
            std::thread::spawn(move || run(server, manner, &hosts, &counts))
        };
        let clients = manners.iter().enumerate().map(client).collect();
        Self { counts, clients }
    }

    /// Requests that succeeded so far.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.counts.good.load(Relaxed)
    }

    /// Requests that failed so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Relaxed)
    }

    /// Waits until `count` more requests have succeeded than now, or one has failed.
    ///
    /// # Panics
    /// When neither happens.
    pub fn more(&self, count: u64) {
        let goal = self.good() + count;
        let told = || self.good() >= goal || self.failed() > 0;
        assert!(
            crate::eventually(crate::PATIENCE * 3, told),
            "the load stands still: {:?}",
            self.counts
        );
    }

    /// Lets every client finish its request, and returns what became of all of them.
    #[must_use]
    pub fn stop(mut self) -> Tally {
        let latencies = self.join();
        let losses = self.counts.losses.lock();
        Tally {
            good: self.good(),
            failed: self.failed(),
            losses: losses.unwrap_or_else(PoisonError::into_inner).clone(),
            latencies: Latencies::new(latencies),
        }
    }

    fn join(&mut self) -> Vec<u32> {
        self.counts.stopping.store(true, Relaxed);
        let ended = self
            .clients
            .drain(..)
            .map(|client| client.join().unwrap_or_default());
        ended.flatten().collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

/// One client, to its end: how long its good requests took, in microseconds.
fn run(server: SocketAddr, manner: Manner, hosts: &[String], counts: &Counts) -> Vec<u32> {
    let mut took = Vec::new();
    let mut requests = hosts.iter().cycle();
    let on_each = if manner == Manner::Short {
        1
    } else {
        A_CONNECTION
    };
    while !counts.stopping.load(Relaxed) {
        let mut looked = Instant::now();
        let mut client = match Client::try_connect(server) {
            Ok(client) => client,
            Err(error) => {
                let words = error.to_string();
                counts.fail(Loss::new(manner, looked, How::Refused, words));
                continue;
            }
        };
        looked = Instant::now();
        for host in requests.by_ref().take(on_each) {
            let began = Instant::now();
            match manner.exchange(&mut client, host) {
                Ok(()) => {
                    counts.good.fetch_add(1, Relaxed);
                    let micros = began.elapsed().as_micros();
                    took.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
                Err(mut loss) => {
                    loss.unseen = loss.begun.duration_since(looked);
                    counts.fail(loss);
                    break;
                }
            }
            if counts.stopping.load(Relaxed) {
                break;
            }
            std::thread::park_timeout(PAUSE);
            looked = Instant::now();
            if client.is_over() {
                break;
            }
        }
    }
    took
}

impl Counts {
    fn fail(&self, loss: Loss) {
        self.failed.fetch_add(1, Relaxed);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        if losses.len() < REMEMBERED {
            losses.push(loss);
        }
        drop(losses);
        // A failure that repeats does not become a flood.
        std::thread::park_timeout(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, script};

    const MANNERS: [Manner; 5] = [
        Manner::Kept,
        Manner::Short,
        Manner::Chunked,
        Manner::SlowUpload,
        Manner::SlowDownload,
    ];

    #[test]
    fn every_manner_is_served_by_the_app() {
        let backend = Backend::start(app());
        let load = Load::with_manners(backend.address(), &MANNERS, &["a.test"]);
        load.more(200);
        let tally = load.stop();
        assert_eq!(tally.failed, 0, "{tally:?}");
        assert_eq!(tally.latencies.count() as u64, tally.good);
    }

    #[test]
    fn a_body_that_is_not_the_backends_is_told_from_one_that_was_cut() {
        let rows = [
            (script::ok("hel"), How::Altered),
            (script::ok("nonsense"), How::Altered),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".to_vec(),
                How::Cut,
            ),
            (b"HTTP/1.1 200".to_vec(), How::Cut),
            (Vec::new(), How::Unanswered),
            (
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec(),
                How::Status(502),
            ),
        ];
        for (reply, how) in rows {
            let backend = Backend::start(script::canned_then_close(reply));
            let load = Load::with_manners(backend.address(), &[Manner::Chunked], &["a.test"]);
            assert!(crate::eventually(crate::PATIENCE, || load.failed() > 0));
            let tally = load.stop();
            assert_eq!(tally.losses[0].how, how, "{tally:?}");
        }
    }
}

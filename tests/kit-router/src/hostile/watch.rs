//! What a router uses, and whether it says that it is well, while it is attacked.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tests_kit::Client;

/// A process that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage(u32);

/// What it uses at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Memory in KiB, pages shared with others included.
    pub kib: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// CPU time so far.
    pub cpu: Duration,
}

impl Used {
    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            kib: self.kib.max(other.kib),
            descriptors: self.descriptors.max(other.descriptors),
            cpu: self.cpu.max(other.cpu),
        }
    }
}

/// The size of a page on the machines that this runs on.
const PAGE_KIB: u64 = 4;

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        Self(pid)
    }

    /// Nothing of what the system does not tell, which is so for a process that has ended.
    pub(super) fn now(self) -> Used {
        let Self(pid) = self;
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        Used {
            kib: pages.unwrap_or(0) * PAGE_KIB,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))
                .map_or(0, |entries| entries.count() as u64),
            cpu: cpu(pid),
        }
    }
}

/// The run time of all threads, in nanoseconds the first field of `schedstat`.
fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let nanos = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// How often health is asked for.
const CHECK: Duration = Duration::from_millis(50);

/// How long an answer may take: a load balancer's patience, and more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(2);

/// A load balancer that asks for health, each time on a new connection.
#[derive(Debug)]
pub(super) struct Health {
    stopping: Arc<AtomicBool>,
    unwell: Arc<AtomicU64>,
    checker: JoinHandle<()>,
}

impl Health {
    pub(super) fn start(listeners: Vec<SocketAddr>) -> Self {
        let (stopping, unwell) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let checker = {
            let (stopping, unwell) = (Arc::clone(&stopping), Arc::clone(&unwell));
            std::thread::spawn(move || {
                for listener in listeners.iter().cycle() {
                    if stopping.load(Relaxed) {
                        break;
                    }
                    if !is_well(*listener) {
                        unwell.fetch_add(1, Relaxed);
                    }
                    std::thread::park_timeout(CHECK);
                }
            })
        };
        Self {
            stopping,
            unwell,
            checker,
        }
    }

    /// How many checks were not answered with 200 in time.
    pub(super) fn stop(self) -> u64 {
        self.stopping.store(true, Relaxed);
        self.checker.join().ok();
        self.unwell.load(Relaxed)
    }
}

fn is_well(listener: SocketAddr) -> bool {
    let Ok(mut client) = Client::try_connect(listener) else {
        return false;
    };
    client.set_patience(PATIENCE);
    let asked = client.try_send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    asked.is_ok()
        && client
            .try_response("GET")
            .is_ok_and(|response| response.status() == 200)
}

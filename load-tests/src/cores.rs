//! Which CPU each side of a measurement runs on.

use std::fmt;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The plan: the proxy alone on one CPU, load and backend on others.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Where the measured proxy runs.
    pub proxy: Core,
    /// Where the load generator runs.
    pub load: Core,
    /// Where the backend and the message bus run; the same as `load` on a machine with two CPUs.
    pub backend: Core,
}

/// One CPU, or none where the machine has too few to pin anything.
#[derive(Debug, Clone, Copy)]
pub struct Core(Option<usize>);

impl Cores {
    /// Plans with the CPUs this process may use.
    #[must_use]
    pub fn plan() -> Self {
        let allowed: Vec<usize> = sched_getaffinity(None)
            .map(|set| {
                (0..CpuSet::MAX_CPU)
                    .filter(|cpu| set.is_set(*cpu))
                    .collect()
            })
            .unwrap_or_default();
        match allowed[..] {
            [] | [_] => Self {
                proxy: Core(None),
                load: Core(None),
                backend: Core(None),
            },
            [proxy, load] => Self {
                proxy: Core(Some(proxy)),
                load: Core(Some(load)),
                backend: Core(Some(load)),
            },
            [proxy, load, backend, ..] => Self {
                proxy: Core(Some(proxy)),
                load: Core(Some(load)),
                backend: Core(Some(backend)),
            },
        }
    }

    /// Whether proxy and load are kept apart.
    #[must_use]
    pub fn pinned(&self) -> bool {
        self.proxy.0.is_some()
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.proxy.0, self.load.0, self.backend.0) {
            (Some(proxy), Some(load), Some(backend)) => {
                write!(
                    f,
                    "proxy on CPU {proxy}, load on CPU {load}, backend on CPU {backend}"
                )
            }
            _ => write!(f, "not pinned: one CPU"),
        }
    }
}

impl Core {
    /// Keeps this thread on the CPU from now on.
    pub fn stay(self) {
        if let Some(cpu) = self.0 {
            let mut here = CpuSet::new();
            here.set(cpu);
            sched_setaffinity(None, &here).ok();
        }
    }

    /// Runs `start` with this thread on the CPU, so that a process started by it inherits the
    /// place, then lets the thread go back to where it was. A kernel that refuses leaves all as is.
    pub fn run<T>(self, start: impl FnOnce() -> T) -> T {
        let Ok(before) = sched_getaffinity(None) else {
            return start();
        };
        self.stay();
        let started = start();
        sched_setaffinity(None, &before).ok();
        started
    }
}

//! Following the requests of one host while they happen.
//!
//! Free when nobody listens: a request then costs one relaxed load. When somebody does, a sample
//! of the host's finished requests is offered to a bounded queue; a slow watcher is told how
//! many it missed and never holds up a request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use router_core::access_log::{Entry, Tried};
use router_core::endpoint::Endpoint;
use serde::Serialize;
use tokio::sync::mpsc;

/// Requests a second that one watcher is shown. The rest is counted as missed.
const SAMPLE: u64 = 100;
/// Requests that may wait for a slow watcher. At one more the newest is dropped and counted.
const QUEUE: usize = 256;
/// Attempts that are shown of one request.
const ATTEMPTS: usize = 16;

/// The watchers of this process.
#[derive(Debug, Default)]
pub struct Watch {
    wanted: AtomicBool,
    watchers: ArcSwap<Vec<Arc<Watcher>>>,
    /// Held while the list of watchers is replaced, never by a request.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Watcher {
    /// Lower case, without a port.
    host: Box<[u8]>,
    queue: mpsc::Sender<Arc<str>>,
    missed: AtomicU64,
    /// The second of the sample in its upper bits, how many were taken of it in the lower 16.
    sample: AtomicU64,
}

/// One finished request, as it is shown.
#[derive(Debug, Serialize)]
struct Finished<'a> {
    id: &'a str,
    method: String,
    /// Without the query, which may hold secrets.
    path: String,
    status: Option<u16>,
    endpoint: Option<&'a str>,
    app: Option<&'a str>,
    started_unix_ms: u64,
    total_ms: f64,
    gorouter_ms: f64,
    backend_ms: Option<f64>,
    dial_ms: Option<f64>,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
    attempts: Vec<ShownAttempt<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownAttempt<'a> {
    endpoint: &'a str,
    outcome: &'static str,
    ms: f64,
    reused: bool,
}

impl Watch {
    /// Whether anybody listens. Ask before gathering what [`offer`](Self::offer) needs.
    #[inline]
    pub fn wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Shows a finished request to those who watch its host. It never waits.
    pub fn offer(&self, entry: &Entry<'_>, attempts: &[Tried]) {
        if !self.wanted() {
            return;
        }
        let host = without_port(entry.host);
        let second = entry.started_unix_nanos / 1_000_000_000;
        let mut shown: Option<Arc<str>> = None;
        for watcher in self.watchers.load().iter() {
            if !watcher.host.eq_ignore_ascii_case(host) {
                continue;
            }
            if !watcher.takes(second) {
                watcher.missed.fetch_add(1, Relaxed);
                continue;
            }
            let text = shown.get_or_insert_with(|| show(entry, attempts));
            if watcher.queue.try_send(Arc::clone(text)).is_err() {
                watcher.missed.fetch_add(1, Relaxed);
            }
        }
    }

    /// Follows a host until the subscription is dropped. The caller bounds their number.
    pub fn subscribe(self: &Arc<Self>, host: &str) -> Subscription {
        let (queue, events) = mpsc::channel(QUEUE);
        let watcher = Arc::new(Watcher {
            host: without_port(host.to_ascii_lowercase().as_bytes()).into(),
            queue,
            missed: AtomicU64::new(0),
            sample: AtomicU64::new(0),
        });
        self.replace(|watchers| watchers.push(Arc::clone(&watcher)));
        Subscription {
            watch: Arc::clone(self),
            watcher,
            events,
        }
    }

    fn replace(&self, change: impl FnOnce(&mut Vec<Arc<Watcher>>)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watchers = Vec::clone(&self.watchers.load());
        change(&mut watchers);
        self.wanted.store(!watchers.is_empty(), Relaxed);
        self.watchers.store(Arc::new(watchers));
    }
}

impl Watcher {
    /// Whether one more of that second belongs to the sample. Workers that race may take a few
    /// too many, which harms nobody.
    fn takes(&self, second: u64) -> bool {
        let before = self.sample.load(Relaxed);
        let taken = if before >> 16 == second {
            before & 0xffff
        } else {
            0
        };
        if taken >= SAMPLE {
            return false;
        }
        self.sample.store((second << 16) | (taken + 1), Relaxed);
        true
    }
}

/// One watcher's end.
#[derive(Debug)]
pub struct Subscription {
    watch: Arc<Watch>,
    watcher: Arc<Watcher>,
    events: mpsc::Receiver<Arc<str>>,
}

/// What a watcher gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// A request, as JSON.
    Request(Arc<str>),
    /// So many requests were left out since the last one.
    Missed(u64),
}

impl Subscription {
    /// The next request, or how many were left out before it.
    pub async fn next(&mut self) -> Option<Seen> {
        let missed = self.watcher.missed.swap(0, Relaxed);
        if missed > 0 {
            return Some(Seen::Missed(missed));
        }
        self.events.recv().await.map(Seen::Request)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watch.replace(|watchers| {
            watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
        });
    }
}

fn show(entry: &Entry<'_>, attempts: &[Tried]) -> Arc<str> {
    let path = entry
        .target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let finished = Finished {
        id: entry.request_id,
        method: String::from_utf8_lossy(entry.method).into_owned(),
        path: String::from_utf8_lossy(path).into_owned(),
        status: entry.status,
        endpoint: entry.endpoint.map(Endpoint::address),
        app: entry.endpoint.map(|endpoint| endpoint.facts().app()),
        started_unix_ms: entry.started_unix_nanos / 1_000_000,
        total_ms: millis(entry.total),
        gorouter_ms: millis(entry.gorouter_time),
        backend_ms: entry.backend_time.map(millis),
        dial_ms: entry.dial_time.map(millis),
        request_bytes: entry.request_bytes,
        response_bytes: entry.response_bytes,
        error: entry.router_error,
        attempts: attempts
            .iter()
            .take(ATTEMPTS)
            .map(|attempt| ShownAttempt {
                endpoint: &attempt.address,
                outcome: attempt.outcome,
                ms: millis(attempt.took),
                reused: attempt.reused,
            })
            .collect(),
    };
    // Strings and numbers always have a JSON form.
    serde_json::to_string(&finished).unwrap_or_default().into()
}

fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The host of `host:port` or `[v6]:port`.
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host.iter().position(|byte| *byte == b']') {
        Some(bracket) => bracket + 1,
        None => host
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(host.len()),
    };
    &host[..end]
}

#[cfg(test)]
mod tests;

//! From what shall run to messages for DEAs.
//!
//! Handlers write down what shall be, and then say here that it changed. One worker compares what shall
//! be with what runs, process by process, so that it never matters how often it is told. What it knows of
//! DEAs is what it hears; nothing of it is stored.

mod health;
mod prune;
mod staging;
mod start;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus::Bus;
use component_core::tick::{Tick, millis};
use controller_core::placement::DeaPool;
use controller_core::plan::Observed;
use protocol::bus::dea::{DEA_FIND_DROPLET, FindInstances, FoundInstance};
use protocol::bus::output::{LOGS, OutputLine};
use protocol::bus::staging::{STAGING_STOP, StopStaging};
use tokio::sync::Notify;

use crate::clock::now;
use crate::storage::{AppRow, ProcessRow};

pub(crate) use self::staging::settle;
pub(crate) use self::start::application;
pub(crate) use self::worker::run;

/// How long DEAs have to say how an instance is.
const ANSWERS: Duration = Duration::from_secs(1);

/// What handlers tell the worker, and what it knows.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) bus: Bus,
    known: Mutex<Known>,
    work: Notify,
    /// Told whenever a build or an instance may have another state.
    news: Notify,
    started: Instant,
}

#[derive(Debug, Default)]
struct Known {
    pool: DeaPool,
    observed: Observed,
    /// Processes to look at. Their number bounds the set.
    changed: BTreeSet<String>,
    /// Processes to look at when the clock turns.
    later: BTreeSet<String>,
    /// Apps whose routes are others now.
    rerouted: BTreeSet<String>,
    /// Builds that nobody stages yet.
    builds: BTreeSet<String>,
    /// Builds that are being staged.
    staging: BTreeSet<String>,
    /// Apps whose staging shall end, which nobody could be told yet.
    unstaged: BTreeSet<String>,
    /// Processes of which an instance finds no place, and why.
    short: BTreeMap<String, String>,
}

/// How many there are of what the worker knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DispatchCounts {
    /// DEAs that advertise.
    pub(crate) deas: u64,
    /// Builds that are being staged.
    pub(crate) staging: u64,
    /// Processes of which an instance finds no place.
    pub(crate) waiting: u64,
}

/// A change of what shall run, from before it is written until it is told.
#[derive(Debug)]
pub(crate) struct Intent<'a> {
    dispatch: &'a Dispatch,
    processes: Vec<String>,
}

impl Drop for Intent<'_> {
    fn drop(&mut self) {
        let mut known = self.dispatch.known();
        known.later.extend(self.processes.iter().cloned());
        known.changed.extend(self.processes.drain(..));
        drop(known);
        self.dispatch.work.notify_one();
    }
}

impl Dispatch {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            known: Mutex::default(),
            work: Notify::new(),
            news: Notify::new(),
            started: Instant::now(),
        }
    }

    /// Says that these processes are about to be otherwise than before, or not at all. They are looked at
    /// when the value is dropped, and once more a little later: a request that is given up while its
    /// change is being written leaves open when it is written.
    pub(crate) fn intent(&self, processes: impl IntoIterator<Item = String>) -> Intent<'_> {
        Intent {
            dispatch: self,
            processes: processes.into_iter().collect(),
        }
    }

    /// Says that other routes lead to an app.
    pub(crate) fn rerouted(&self, app: &str) {
        self.known().rerouted.insert(app.to_owned());
        self.work.notify_one();
    }

    /// Says that a build shall be staged.
    pub(crate) fn stage(&self, build: &str) {
        self.known().builds.insert(build.to_owned());
        self.work.notify_one();
    }

    /// Calls `look` until it returns something, each time that there is news, for at most `patience`; then
    /// it returns None. Clients ask again after 3 s, so a short wait here saves them a long one.
    pub(crate) async fn await_news<T, F: Future<Output = Option<T>>>(
        &self,
        patience: Duration,
        mut look: impl FnMut() -> F,
    ) -> Option<T> {
        let watching = async {
            loop {
                let news = self.news.notified();
                if let Some(found) = look().await {
                    return found;
                }
                news.await;
            }
        };
        tokio::time::timeout(patience, watching).await.ok()
    }

    /// Ends the staging of an app, wherever it is.
    pub(crate) async fn stop_staging(&self, app: &str) {
        let message = StopStaging {
            app_id: app.to_owned(),
            task_id: None,
        };
        if let Err(error) = self.bus.publish(&STAGING_STOP, &message).await {
            tracing::info!(%error, app, "staging-not-stopped-yet");
            self.known().unstaged.insert(app.to_owned());
        }
    }

    /// Asks for the instances of a process, with what they use. Those whose DEA is late are told as its
    /// last heartbeat told of them.
    pub(crate) async fn instances(&self, process: &ProcessRow) -> Vec<FoundInstance> {
        let now = self.tick();
        let heard = self
            .known()
            .observed
            .instances(&process.guid, &process.version, now);
        if heard.is_empty() {
            return heard;
        }
        let question = FindInstances {
            droplet: process.guid.clone(),
            version: Some(process.version.clone()),
            include_stats: true,
            ..FindInstances::default()
        };
        let answers = self
            .bus
            .gather(&DEA_FIND_DROPLET, &question, heard.len(), ANSWERS)
            .await;
        let answers = answers.unwrap_or_else(|error| {
            tracing::warn!(%error, process = process.guid, "instances-not-asked");
            Vec::new()
        });
        let read = answers.iter().map(bus::Delivery::decode);
        let mut found: Vec<FoundInstance> = read.filter_map(Result::ok).collect();
        for late in heard {
            if !found.iter().any(|one| one.instance == late.instance) {
                found.push(late);
            }
        }
        found
    }

    /// Why instances of a process are missing, if that is known.
    pub(crate) fn shortage(&self, process: &str) -> Option<String> {
        self.known().short.get(process).cloned()
    }

    /// Counts what is known.
    pub(crate) fn counts(&self) -> DispatchCounts {
        let now = self.tick();
        let known = self.known();
        let count = |many| u64::try_from(many).unwrap_or(u64::MAX);
        DispatchCounts {
            deas: count(known.pool.count(now)),
            staging: count(known.staging.len()),
            waiting: count(known.short.len()),
        }
    }

    /// Writes a line of ours among those of an app.
    pub(crate) async fn say(&self, app: &AppRow, text: &str) {
        let micros = now();
        let line = OutputLine {
            text: text.to_owned(),
            unix_nanos: micros.saturating_mul(1_000),
            unix_time: micros / 1_000_000,
            source: "api".to_owned(),
            instance_index: -1,
            app_guid: app.guid.clone(),
            app_name: app.name.clone(),
            app_space: app.space_guid.clone(),
            ..OutputLine::default()
        };
        let Some(subject) = LOGS.subject(&app.guid) else {
            return;
        };
        if let Err(error) = self.bus.publish(&subject, &line).await {
            tracing::debug!(%error, app = app.guid, "line-lost");
        }
    }

    fn tick(&self) -> Tick {
        Tick::from_millis(millis(self.started.elapsed()))
    }

    /// What is known. A panic elsewhere leaves it as usable as it was.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The thread that the reader runs on. It starts another reader when one ends.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bus::Bus;
use component::threads;
use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::inbox::Inbox;
use super::reader::Reader;
use super::{Now, Outlets, RegistrarError, RegistrarSettings};
use crate::observe::metrics::RegistryMetrics;
use component::background;

/// The thread's name.
const NAME: &str = "bus";

/// The thread, and what makes it end.
#[derive(Debug)]
pub(super) struct BusThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What each reader is given.
#[derive(Clone)]
struct ReaderParts {
    settings: RegistrarSettings,
    inbox: Arc<Inbox>,
    outlets: Outlets,
    now: Now,
}

impl BusThread {
    /// Starts the thread, and waits until it has understood how to reach the bus.
    ///
    /// # Errors
    /// The options of the bus are wrong, or there is no thread.
    pub(super) fn start(
        settings: RegistrarSettings,
        inbox: Arc<Inbox>,
        outlets: Outlets,
        now: Now,
    ) -> Result<Self, RegistrarError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (report, reported) = sync_channel(1);
        let parts = ReaderParts {
            settings,
            inbox,
            outlets,
            now,
        };
        let thread = background::spawn(NAME, move || {
            runtime.block_on(parts.keep(stopped, &report));
            // A name that is being looked up must not hold up the end.
            runtime.shutdown_background();
        })?;
        match reported.recv() {
            Ok(Ok(())) => Ok(Self {
                stop: Some(stop),
                thread: Some(thread),
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the reader ended before it began").into()),
        }
    }
}

impl Drop for BusThread {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            // An error says that it has stopped already; a panic was reported by the thread.
            stop.send(()).ok();
            thread.join().ok();
        }
    }
}

impl ReaderParts {
    /// Has a reader at work until it is told to stop. Whatever else ends a reader is a lost bus:
    /// the next one has a client of its own, after a pause.
    async fn keep(
        self,
        mut stopped: oneshot::Receiver<()>,
        report: &SyncSender<Result<(), RegistrarError>>,
    ) {
        let mut backoff = Backoff::default();
        let mut first = true;
        loop {
            let began = Instant::now();
            let reason = match self.settings.connect() {
                Err(error) if first => {
                    return report.send(Err(error.into())).unwrap_or_default();
                }
                Err(error) => error.to_string(),
                Ok(bus) => {
                    if std::mem::take(&mut first) {
                        report.send(Ok(())).unwrap_or_default();
                    }
                    tokio::select! {
                        biased;
                        _ = &mut stopped => return,
                        ended = self.read(bus) => ended,
                    }
                }
            };
            self.lost(&reason);
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(backoff.after(began.elapsed(), fastrand::f64())) => {}
            }
        }
    }

    /// Returns why a reader has ended.
    async fn read(&self, bus: Bus) -> String {
        let (settings, outlets) = (self.settings.clone(), self.outlets.clone());
        let (inbox, now) = (Arc::clone(&self.inbox), Arc::clone(&self.now));
        let reader = Reader::new(bus, settings, inbox, outlets, now);
        // This thread has nothing else to do: a budget would only make the reader stop before it
        // has emptied its subscription.
        let reading = tokio::task::coop::unconstrained(reader.run());
        match AssertUnwindSafe(reading).catch_unwind().await {
            Ok(reason) => reason,
            Err(panic) => threads::message(&*panic),
        }
    }

    fn lost(&self, reason: &str) {
        threads::failed(NAME, reason);
        let metrics = &self.outlets.metrics.registry;
        // First: see `Reader::event`.
        self.inbox.bus_lost();
        metrics.bus_state.set(RegistryMetrics::BUS_DOWN);
        metrics.bus_losses.add(1);
        self.outlets.health.bus(false);
    }
}

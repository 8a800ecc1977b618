//! The one writer of the route table, and the reader that feeds it.
//!
//! Two threads. The reader talks to the bus: it decodes what arrives and moves it into the inbox,
//! where the last word about each claim stays, and it never waits for the table. The writer takes
//! all that the inbox holds, applies it, publishes the table and drops the tables that nobody reads
//! any more. A request only ever loads a table. A heartbeat that changes nothing is the reader's
//! own to store, while the writer is idle: nearly all messages are such.

mod backoff;
mod bus_thread;
mod inbox;
mod pace;
mod reader;
mod report;
mod retired;
mod settings;
mod writer;
mod writer_epoch;
#[cfg(test)]
mod writer_epoch_model;

/// What [`writer_epoch`] is made of; its model puts others in their place.
mod atomics {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use bus::BusError;
use component::threads;
use component::tick::Tick;
use router_core::endpoint::{Endpoint, Origin};
use router_core::registration::Registration;
use router_core::registry::Registry;
use router_core::route::RouteKey;
use router_core::table::RouteTable;

use crate::observe::health::Health;
use crate::observe::metrics::{Metrics, RegistryMetrics};
use crate::routes::Routes;
use crate::routes::changes::Changes;
use backoff::Backoff;
use bus_thread::BusThread;
use component::background;
use inbox::Inbox;
pub use settings::{BusAt, RegistrarSettings};
use writer::Writer;

/// The name of the writer's thread.
const WRITER: &str = "registrar";

/// The clock of the process, as the registry wants it told.
pub type Now = Arc<dyn Fn() -> Tick + Send + Sync>;

/// What the registrar shares with the rest of the router.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// Where tables are published.
    pub routes: Routes,
    /// Where it counts, in [`Metrics::registry`].
    pub metrics: Arc<Metrics>,
    /// To whom it tells that the bus is up, or is not.
    pub health: Arc<Health>,
    /// To whom it tells what changed, when somebody listens.
    pub changes: Arc<Changes>,
}

/// The registrar while it runs. Dropping it stops and joins its threads.
#[derive(Debug)]
pub struct Registrar {
    inbox: Arc<Inbox>,
    reader: Option<BusThread>,
    writer: Option<JoinHandle<()>>,
}

/// Why the registrar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// The bus cannot be used as it is configured.
    #[error("the bus cannot be used")]
    Bus(#[from] BusError),
    /// The operating system gave no thread or no event queue.
    #[error("a thread of the registrar cannot be started")]
    Thread(#[from] io::Error),
}

/// How the rest of the router speaks to the registrar. Never waits.
#[derive(Clone, Debug)]
pub struct Orders {
    inbox: Arc<Inbox>,
}

impl Orders {
    /// The operator's routes of `origin` are now these, and no others. Of several orders that wait
    /// for the writer, the last one counts.
    pub fn replace(&self, origin: Origin, routes: Vec<Registration>) {
        self.inbox.replace(origin, routes);
    }

    /// Somebody else answered at the address of a TLS endpoint: take it out of the table.
    ///
    /// While 1,024 such reports wait, further ones are dropped; the next request that is led there
    /// reports it again.
    pub fn wrong_identity(&self, route: RouteKey, endpoint: Arc<Endpoint>) {
        self.inbox.wrong_identity(route, endpoint);
    }
}

impl Registrar {
    /// Publishes the table of `registry`, which holds the routes known before the bus is heard, and
    /// keeps it up to date from then on.
    ///
    /// # Errors
    /// [`RegistrarError`]. That no server is there is not an error.
    pub fn start(
        settings: RegistrarSettings,
        registry: Registry,
        outlets: Outlets,
        now: Now,
    ) -> Result<Self, RegistrarError> {
        let inbox = Arc::new(Inbox::default());
        let mut registrar = Self {
            inbox: Arc::clone(&inbox),
            reader: None,
            writer: None,
        };
        let parts = WriterParts {
            inbox: Arc::clone(&inbox),
            outlets: outlets.clone(),
            settings: settings.clone(),
            now: Arc::clone(&now),
        };
        writer::publish(&registry, &outlets);
        let writer = move || keep_writing(registry, &parts);
        registrar.writer = Some(background::spawn(WRITER, writer)?);
        if settings.bus.is_some() {
            let state = &outlets.metrics.registry.bus_state;
            state.set(RegistryMetrics::BUS_DOWN);
            registrar.reader = Some(BusThread::start(settings, inbox, outlets, now)?);
        }
        Ok(registrar)
    }

    /// A handle to give orders with.
    pub fn orders(&self) -> Orders {
        Orders {
            inbox: Arc::clone(&self.inbox),
        }
    }

    /// Leaves the bus, applies what has arrived, and joins both threads.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        drop(self.reader.take());
        self.inbox.stop();
        if let Some(thread) = self.writer.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.join();
    }
}

/// Has a writer at work until it is told to stop. One that panics is followed by another, after a
/// pause: it goes on from the table in use, and what had been handed to the first counts as lost.
fn keep_writing(mut registry: Registry, parts: &WriterParts) {
    let config = registry.config().clone();
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let write = || parts.writer(registry).run();
        if threads::guard(WRITER, write).is_ok() {
            return;
        }
        parts.inbox.abandon();
        let pause = backoff.after(began.elapsed(), fastrand::f64());
        if parts.inbox.pause(pause) {
            return;
        }
        let table = RouteTable::clone(&parts.outlets.routes.load());
        registry = Registry::resume(config.clone(), table);
    }
}

/// What each writer is given.
struct WriterParts {
    inbox: Arc<Inbox>,
    outlets: Outlets,
    settings: RegistrarSettings,
    now: Now,
}

impl WriterParts {
    fn writer(&self, registry: Registry) -> Writer {
        Writer::new(
            registry,
            Arc::clone(&self.inbox),
            self.outlets.clone(),
            &self.settings,
            Arc::clone(&self.now),
        )
    }
}

#[cfg(test)]
mod tests;

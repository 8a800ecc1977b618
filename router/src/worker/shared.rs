//! The handles that every part of the router is given.

use std::sync::Arc;

use crate::io::clock::Clock;
use crate::observe::access_log::LogState;
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use crate::observe::watch::Watch;
use crate::routes::Routes;
use crate::routes::changes::Changes;
use crate::routes::registrar::Outlets;
use crate::worker::connections::Connections;

/// What the parts of one router have in common. Cloning it clones handles.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The clock that all ticks come from.
    pub clock: Clock,
    /// The table in use.
    pub routes: Routes,
    /// Counters of workers and of the table's writer.
    pub metrics: Arc<Metrics>,
    /// Whether this router wants traffic.
    pub health: Arc<Health>,
    /// Those who follow the requests of a host.
    pub watch: Arc<Watch>,
    /// Those who follow the changes of the table.
    pub changes: Arc<Changes>,
    /// The client connections of all workers.
    pub connections: Arc<Connections>,
    /// What became of the access log's lines.
    pub access_log: Arc<LogState>,
}

impl Shared {
    /// What of it the registrar is given.
    #[must_use]
    pub fn outlets(&self) -> Outlets {
        Outlets {
            routes: Arc::clone(&self.routes),
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
            changes: Arc::clone(&self.changes),
        }
    }
}

//! The handles that every part of the router is given.

use std::sync::Arc;

use arc_swap::ArcSwap;
use router_core::table::RouteTable;

use crate::access_log::LogState;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::watch::Watch;

/// The table that requests read. One task stores, everybody loads.
pub type Routes = Arc<ArcSwap<RouteTable>>;

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

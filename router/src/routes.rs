//! The route table: its one writer, and all that feeds it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use router_core::table::RouteTable;

pub mod changes;
pub mod registrar;
pub mod snapshot_file;
pub mod sources;
pub mod static_routes;

/// The table that requests read. One thread stores, everybody loads.
pub type Routes = Arc<ArcSwap<RouteTable>>;

//! Going on where another registry has stopped.

use super::{Registry, RegistryConfig};
use crate::table::RouteTable;
use component_core::tick::Tick;

/// By so many ids a registry passes over those that its predecessor may have given to endpoints which
/// are in the table no longer.
const LEAP: u64 = 1 << 32;

impl Registry {
    /// A registry that goes on from a table which another one has made, with the bus lost. Routes
    /// without endpoints count as empty from the beginning of time: they go with the next cycle.
    pub fn resume(config: RegistryConfig, table: RouteTable) -> Self {
        let endpoints = table.iter().flat_map(|pool| pool.endpoints());
        let last = endpoints.map(|endpoint| endpoint.id().0).max();
        let empty = table.iter().filter(|pool| pool.endpoints().is_empty());
        let empty_since = empty.map(|pool| (pool.key().clone(), Tick::default()));
        Self {
            next_id: last.unwrap_or_default() + LEAP,
            empty_since: empty_since.collect(),
            table,
            ..Self::new(config)
        }
    }
}

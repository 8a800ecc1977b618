//! What all parts of the DEA share.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bus::Bus;
use component::hex::hex;
use router_registrar::Registrations;

use crate::config::Config;
use crate::droplets::Droplets;
use crate::fence::Fence;
use crate::figures::Figures;
use crate::output::Outputs;
use crate::staging::Stager;
use crate::usage::Readings;

/// What all parts of the DEA share.
#[derive(Debug)]
pub struct Node {
    /// The DEA's id.
    pub id: String,
    /// The configuration.
    pub config: Config,
    /// The message bus.
    pub bus: Bus,
    /// The container engine.
    pub fence: Fence,
    /// Makes droplets.
    pub stager: Stager,
    /// The droplets that are on this node.
    pub droplets: Droplets,
    /// What apps write.
    pub outputs: Arc<Outputs>,
    /// What the routers are told.
    pub claims: Registrations,
    /// What operators are told.
    pub figures: Figures,
    /// What instances used when it was asked last.
    pub readings: Readings,
    /// For droplets and for the health of instances.
    pub http: reqwest::Client,
}

/// Returns the time in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(now_nanos() / 1_000_000).unwrap_or(0)
}

/// Returns the time in nanoseconds since 1970.
pub(crate) fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// Returns twice as many random hexadecimal digits as `bytes`.
pub(crate) fn random_hex(bytes: usize) -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(bytes)
        .collect();
    hex(bytes)
}

//! Where routes come from and how long they last.

use std::path::PathBuf;
use std::time::Duration;

use component::yaml::Keys;

/// How long registrations last and what becomes of empty routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// How often endpoints that were not renewed are looked for.
    pub prune_interval: Duration,
    /// How long an endpoint lasts without being renewed, unless its registration says otherwise.
    pub stale_threshold: Duration,
    /// Whether pruning rests while the bus is away.
    pub suspend_pruning: bool,
    /// Whether a route without endpoints is answered with 503 instead of 404.
    pub empty_pool_503: bool,
    /// How long a route without endpoints is remembered.
    pub empty_pool_timeout: Duration,
    /// Which isolation segments are routed.
    pub sharding: Sharding,
    /// The segments that `sharding` speaks of.
    pub isolation_segments: Vec<String>,
    /// How long after the start registrations tell nothing about how late they are.
    pub latency_muzzle: Duration,
}

/// Which registrations count: gorouter's `routing_table_sharding_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharding {
    /// All of them.
    #[default]
    All,
    /// Those of the named segments.
    Segments,
    /// Those of the named segments and those of none.
    SharedAndSegments,
}

/// Routes on disk, for the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// Where; `None`: no snapshot.
    pub file: Option<PathBuf>,
    /// From an older one only endpoints with TLS identity are taken.
    pub max_age: Duration,
    /// How often it is written while the table changes.
    pub interval: Duration,
}

/// What is done again and again rests at least so long.
pub(super) const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            prune_interval: Duration::from_secs(30),
            stale_threshold: Duration::from_secs(120),
            suspend_pruning: true,
            empty_pool_503: false,
            empty_pool_timeout: Duration::ZERO,
            sharding: Sharding::All,
            isolation_segments: Vec::new(),
            latency_muzzle: Duration::from_secs(30),
        }
    }
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            file: None,
            max_age: Duration::from_secs(3600),
            interval: Duration::from_secs(10),
        }
    }
}

impl RegistryConfig {
    pub(super) fn keys(&mut self, start_delay: &mut Duration, keys: &mut Keys<'_>) {
        keys.title("Registrations");
        keys.key(
            "start_response_delay_interval",
            "How often registrars are asked to renew; also how long after its start the router says \
             that it is healthy, if it had no snapshot of the routes.",
            start_delay,
        );
        keys.key(
            "droplet_stale_threshold",
            "How long an endpoint lasts without being renewed, unless its registration says \
             otherwise. Not less than start_response_delay_interval.",
            &mut self.stale_threshold,
        );
        keys.key(
            "prune_stale_droplets_interval",
            "How often endpoints that were not renewed are looked for. 0s: never, they stay. Less than \
             100ms counts as 100ms.",
            &mut self.prune_interval,
        );
        // A number without a unit is nanoseconds; nothing else would be done any more.
        if !self.prune_interval.is_zero() {
            self.prune_interval = self.prune_interval.max(SHORTEST_INTERVAL);
        }
        // gorouter, too: an endpoint must outlive the time that its registrar was told.
        self.stale_threshold = self.stale_threshold.max(*start_delay);
        if self.stale_threshold.is_zero() {
            keys.fault("droplet_stale_threshold", "must be more than 0s");
        }
        keys.key(
            "suspend_pruning_if_nats_unavailable",
            "Keep routes while the bus is away. gorouter does not by default, its deployments do.",
            &mut self.suspend_pruning,
        );
        keys.key(
            "empty_pool_response_code_503",
            "Answer 503 instead of 404 for a route that has no endpoint left.",
            &mut self.empty_pool_503,
        );
        keys.key(
            "empty_pool_timeout",
            "How long a route without endpoints is remembered for that.",
            &mut self.empty_pool_timeout,
        );
        keys.key(
            "route_latency_metric_muzzle_duration",
            "How long after the start route_registration_latency is not measured: what registers \
             then was there before the router.",
            &mut self.latency_muzzle,
        );
        self.sharding_keys(keys);
    }

    fn sharding_keys(&mut self, keys: &mut Keys<'_>) {
        keys.choice(
            "routing_table_sharding_mode",
            "Which registrations count: all, segments (those of isolation_segments) or \
             shared-and-segments (those and the ones of no segment).",
            &mut self.sharding,
            &[
                ("all", Sharding::All),
                ("segments", Sharding::Segments),
                ("shared-and-segments", Sharding::SharedAndSegments),
            ],
        );
        keys.key(
            "isolation_segments",
            "The segments of that rule.",
            &mut self.isolation_segments,
        );
        if self.sharding == Sharding::Segments && self.isolation_segments.is_empty() {
            keys.fault(
                "routing_table_sharding_mode",
                "segments need isolation_segments",
            );
        }
    }
}

impl SnapshotConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "snapshot_file",
            "Where the routes are kept for the next start, which serves from them at once.",
            &mut self.file,
        );
        keys.key(
            "snapshot_max_age",
            "From an older snapshot only endpoints with a TLS identity are taken.",
            &mut self.max_age,
        );
        keys.key(
            "snapshot_interval",
            "How often the snapshot is written while routes change.",
            &mut self.interval,
        );
        if self.interval < SHORTEST_INTERVAL {
            keys.fault("snapshot_interval", "must be at least 100ms");
        }
    }
}

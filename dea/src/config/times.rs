//! Intervals and limits of time.

use std::time::Duration;

use component::yaml::Keys;

/// Intervals and limits of time.
#[derive(Clone, Copy, Debug)]
pub struct TimeConfig {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two adverts.
    pub advertise: Duration,
    /// From unregistering an instance to its SIGTERM.
    pub routers: Duration,
    /// From its SIGTERM to its SIGKILL.
    pub grace: Duration,
    /// For an instance to become well, where its order names no limit.
    pub health: Duration,
    /// How long it is told that an instance has crashed.
    pub crash: Duration,
    /// Between two looks for containers that nobody knows.
    pub orphans: Duration,
    /// How long an evacuation may take.
    pub evacuation: Duration,
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            advertise: Duration::from_secs(5),
            routers: Duration::from_secs(1),
            grace: Duration::from_secs(10),
            health: Duration::from_secs(60),
            crash: Duration::from_secs(3600),
            orphans: Duration::from_secs(30),
            evacuation: Duration::from_secs(600),
        }
    }
}

impl TimeConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Times");
        keys.section("times", "Intervals and limits.", |keys| {
            let mut interval = |name, doc, value: &mut Duration| {
                keys.key(name, doc, value);
                if value.is_zero() {
                    keys.fault(name, "must be more than 0s");
                }
            };
            interval("heartbeat", "Between two heartbeats.", &mut self.heartbeat);
            interval("advertise", "Between two adverts.", &mut self.advertise);
            interval(
                "orphans",
                "Between two looks for containers that nobody knows; one seen twice is removed.",
                &mut self.orphans,
            );
            keys.key(
                "routers",
                "From unregistering an instance to its SIGTERM.",
                &mut self.routers,
            );
            keys.key("grace", "From its SIGTERM to its SIGKILL.", &mut self.grace);
            keys.key(
                "health",
                "For an instance to become well, where its order names no limit.",
                &mut self.health,
            );
            keys.key(
                "crash",
                "How long it is told that an instance has crashed.",
                &mut self.crash,
            );
            keys.key(
                "evacuation",
                "How long instances of a node that is being emptied serve at most.",
                &mut self.evacuation,
            );
        });
    }
}

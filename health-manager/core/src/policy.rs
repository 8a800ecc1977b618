//! The times that the planner goes by.

use std::time::Duration;

/// The times that the planner goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Between two heartbeats of a DEA.
    pub heartbeat: Duration,
    /// How old what shall run may be.
    pub desired_lifetime: Duration,
    /// How long an instance that was asked for counts as on its way.
    pub on_its_way: Duration,
    /// How long a process has to be unknown to the controller until its instances are stopped.
    pub gone: Duration,
    /// Repairs at a time.
    pub at_once: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            desired_lifetime: Duration::from_secs(120),
            on_its_way: Duration::from_secs(10),
            gone: Duration::from_secs(60),
            at_once: 60,
        }
    }
}

impl Policy {
    /// Three heartbeats: how long a DEA counts on its last one, how long all have to be listened to until
    /// anything is believed, and how long whoever changes something has to bring it about.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.heartbeat * 3
    }
}

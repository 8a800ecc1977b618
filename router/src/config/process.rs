//! The process: its name in the system, its start and its end.

use std::path::PathBuf;
use std::time::Duration;

use component::yaml::Keys;

/// Who this router is, and how it begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Its number among the routers.
    pub index: u32,
    /// Its availability zone; empty: none.
    pub zone: String,
    /// Where its process id is written.
    pub pid_file: Option<PathBuf>,
    /// How long after the start it says that it is healthy, at most; also the interval that it
    /// asks registrars to keep.
    pub start_delay: Duration,
    /// On SIGUSR1: how long it goes on serving while it says that it is not healthy.
    pub drain_wait: Duration,
    /// And then: how long it waits for exchanges under way.
    pub drain_timeout: Duration,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            index: 0,
            zone: String::new(),
            pid_file: None,
            start_delay: Duration::from_secs(5),
            drain_wait: Duration::ZERO,
            drain_timeout: Duration::from_secs(60),
        }
    }
}

impl ProcessConfig {
    pub(super) fn keys(&mut self, endpoint_timeout: Option<Duration>, keys: &mut Keys<'_>) {
        keys.title("Process");
        keys.key(
            "index",
            "This router's number among the routers.",
            &mut self.index,
        );
        keys.key("zone", "Its availability zone.", &mut self.zone);
        keys.key(
            "pid_file",
            "Where its process id is written.",
            &mut self.pid_file,
        );
        keys.key(
            "drain_wait",
            "On SIGUSR1: how long it goes on taking connections while /health says 503.",
            &mut self.drain_wait,
        );
        let own = keys.key(
            "drain_timeout",
            "And then: how long it waits for requests under way. By default as endpoint_timeout.",
            &mut self.drain_timeout,
        );
        if let (true, false, Some(timeout)) = (keys.reading(), own, endpoint_timeout) {
            self.drain_timeout = timeout;
        }
    }
}

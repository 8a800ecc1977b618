//! What happens to an instance.

use crate::instance::Place;

/// What has happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Its droplet is here.
    Fetched {
        /// The start command that the droplet names.
        start_command: Option<String>,
    },
    /// Its container has been started.
    Launched(Place),
    /// It cannot be started, and has no container.
    Failed(String),
    /// It is well.
    Healthy,
    /// It was not well in time.
    Unhealthy,
    /// Its first process has ended.
    Exited(Exit),
    /// It shall end.
    Stop,
    /// This node is being emptied.
    Evacuate,
    /// The routers had time to notice that it is unregistered.
    RoutersKnow,
    /// The time that it has to end after a SIGTERM is over.
    GraceOver,
    /// Its container is gone.
    Removed,
}

/// How the first process of a container has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status; -1 when it is not known.
    pub status: i64,
    /// Whether it was killed because the container had no memory left.
    pub out_of_memory: bool,
}

impl Exit {
    /// Returns the end of a process of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            status: -1,
            out_of_memory: false,
        }
    }

    /// Returns why it has ended, in the words that clients know.
    #[must_use]
    pub fn description(self) -> &'static str {
        if self.out_of_memory {
            "out of memory"
        } else {
            "app instance exited"
        }
    }
}

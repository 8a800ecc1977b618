//! What has to be done about an instance.

use std::net::IpAddr;

use protocol::bus::dea::ExitReason;

/// What has to be done about an instance. [`Fetch`](Self::Fetch), [`Launch`](Self::Launch),
/// [`Watch`](Self::Watch), [`CheckHealth`](Self::CheckHealth), [`AwaitRouters`](Self::AwaitRouters),
/// [`Terminate`](Self::Terminate) and [`Remove`](Self::Remove) end with an [`Input`](crate::input::Input).
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Bring its droplet to this node.
    Fetch,
    /// Make its container, fill it and start it.
    Launch {
        /// The start command that the droplet names.
        start_command: Option<String>,
    },
    /// Wait for the end of its first process.
    Watch(String),
    /// Pass its output on, from where it was left.
    Follow(String),
    /// Find out whether it is well.
    CheckHealth(IpAddr),
    /// Tell the routers of it.
    Register(IpAddr),
    /// Tell the routers that it is gone.
    Unregister,
    /// Give the routers time to notice.
    AwaitRouters,
    /// Send a SIGTERM to its container and wait for its grace to be over.
    Terminate(String),
    /// Send a SIGKILL to its container.
    Kill(String),
    /// Remove its container, whether it runs or not.
    Remove(String),
    /// Say on the bus that it has ended.
    Report(Report),
    /// Say something to the developer, among the lines of the app.
    Remark(String),
    /// Say on the bus which instances there are.
    Beat,
    /// Give back its memory, its disk and its port.
    Release,
}

/// What is said of an instance that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Why.
    pub reason: ExitReason,
    /// The exit status of its first process; -1 when there is none.
    pub status: i64,
    /// The same in words.
    pub description: String,
}

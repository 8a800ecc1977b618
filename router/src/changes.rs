//! The stream of changes of the route table, for those who follow it.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;

/// Changes that a slow listener may fall behind. Then the oldest are dropped for it, and it is
/// told how many.
const QUEUE: usize = 1024;

/// One change of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// The generation of the table that has it.
    pub generation: u64,
    /// What happened.
    pub action: ChangeAction,
    /// The route's key.
    pub route: Box<str>,
    /// The endpoint's address.
    pub address: Box<str>,
    /// Where the endpoint came from.
    pub origin: &'static str,
}

/// What happened to an endpoint of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// It was registered.
    Added,
    /// It was registered anew with something different.
    Updated,
    /// It was unregistered.
    Removed,
    /// Nobody renewed it, or it turned out to be somebody else.
    Pruned,
}

/// The listeners of this process. The table's writer sends, and never waits.
#[derive(Debug)]
pub struct Changes(broadcast::Sender<Arc<TableChange>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl Changes {
    /// Whether anybody listens. Ask before building changes.
    pub fn wanted(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Shows one change to all who listen.
    pub fn offer(&self, change: TableChange) {
        // An error says that nobody listens any more.
        self.0.send(Arc::new(change)).unwrap_or_default();
    }

    /// Follows the table from now on. The caller bounds their number.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<TableChange>> {
        self.0.subscribe()
    }
}

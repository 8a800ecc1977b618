//! What a command did to the table.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::route::RouteKey;

/// What happened, in order. Empty when readers need no new table.
#[derive(Debug, Default)]
pub struct Change {
    events: Vec<Event>,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A route exists that did not.
    RouteAdded {
        /// The route.
        key: RouteKey,
    },
    /// A route exists no more.
    RouteRemoved {
        /// The route.
        key: RouteKey,
    },
    /// An endpoint serves a route that it did not serve.
    EndpointAdded {
        /// The route.
        key: RouteKey,
        /// The endpoint.
        endpoint: Arc<Endpoint>,
    },
    /// An endpoint came with other facts.
    EndpointUpdated {
        /// The route.
        key: RouteKey,
        /// The endpoint, as it is now.
        endpoint: Arc<Endpoint>,
    },
    /// An endpoint serves a route no more.
    EndpointRemoved {
        /// The route.
        key: RouteKey,
        /// The endpoint, as it was.
        endpoint: Arc<Endpoint>,
        /// The reason.
        why: Removal,
    },
}

/// Why an endpoint was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Its registrar said so.
    Unregistered,
    /// Its claim was not renewed in time.
    Stale,
    /// Somebody else answers at its address.
    WrongIdentity,
    /// The operator took it out of a file.
    RemovedByOperator,
}

impl Removal {
    /// The name used in answers to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Stale => "stale",
            Self::WrongIdentity => "wrong_identity",
            Self::RemovedByOperator => "removed_by_operator",
        }
    }
}

impl Change {
    /// Whether the table is as it was.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Appends what happened later.
    pub fn extend(&mut self, later: Self) {
        self.events.extend(later.events);
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}

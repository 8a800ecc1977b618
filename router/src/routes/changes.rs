//! The stream of changes of the route table, for those who follow it.

use std::sync::Arc;

use router_core::endpoint::Endpoint;
use router_core::registry::{Change, Event};
use router_core::route::RouteKey;
use serde::Serialize;
use tokio::sync::broadcast;

/// Changes that a slow listener may fall behind. Then the oldest are dropped for it, and it is
/// told how many.
const QUEUE: usize = 1024;

/// One change of the table, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// The generation of the table that has it.
    pub generation: u64,
    /// `route_added`, `route_removed`, `added`, `updated` or `removed`; the last three are about
    /// an endpoint.
    pub action: &'static str,
    /// The route's key.
    pub route: String,
    /// The endpoint's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Who told us of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<&'static str>,
    /// The app that the endpoint belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Why the endpoint was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

/// The listeners of this process. The table's writer announces, and never waits.
#[derive(Debug)]
pub struct Changes(broadcast::Sender<Arc<TableChange>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl Changes {
    /// Shows what led to the table of that generation. It costs one look when nobody listens.
    ///
    /// Of a batch that is longer than the queue only its end is kept; listeners are told.
    pub fn announce(&self, generation: u64, change: &Change) {
        if self.0.receiver_count() == 0 {
            return;
        }
        for event in change.events() {
            if self.0.send(Arc::new(show(generation, event))).is_err() {
                // Nobody listens any more.
                return;
            }
        }
    }

    /// Follows the table from now on. The caller bounds their number.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<TableChange>> {
        self.0.subscribe()
    }
}

fn show(generation: u64, event: &Event) -> TableChange {
    let route = |action, key: &RouteKey| TableChange {
        generation,
        action,
        route: key.to_string(),
        address: None,
        origin: None,
        app: None,
        why: None,
    };
    let of = |action, key: &RouteKey, endpoint: &Endpoint| {
        let app = endpoint.facts().app();
        TableChange {
            address: Some(endpoint.address().to_owned()),
            origin: Some(endpoint.origin().name()),
            app: (!app.is_empty()).then(|| app.to_owned()),
            ..route(action, key)
        }
    };
    match event {
        Event::RouteAdded { key } => route("route_added", key),
        Event::RouteRemoved { key } => route("route_removed", key),
        Event::EndpointAdded { key, endpoint } => of("added", key, endpoint),
        Event::EndpointUpdated { key, endpoint } => of("updated", key, endpoint),
        Event::EndpointRemoved { key, endpoint, why } => TableChange {
            why: Some(why.name()),
            ..of("removed", key, endpoint)
        },
    }
}

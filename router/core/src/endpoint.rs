//! One address that serves a route, and what is known of it.

mod component;
mod digest;
mod facts;
mod news;
mod stats;
mod tags;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub use component::{ComponentId, Components};
use component_core::tick::Tick;
pub use digest::Digest;
use digest::Said;
pub(crate) use facts::address;
pub use facts::{Description, Facts, RouteOptions, RoutePolicy, TooMuchText};
pub use stats::{EndpointStats, InFlight};
pub use tags::TagValue;

/// Names an endpoint, and what a connection to it is, for as long as the process lives. Never used
/// twice.
///
/// An endpoint that is registered again with other facts keeps its [`EndpointStats`], and its id as
/// long as [`Facts::connects_as`] it did: a connection that was kept under an id may always be used
/// for it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EndpointId(pub u64);

/// Who told us of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Origin {
    /// A registrar, over the bus.
    Bus,
    /// The configuration file.
    Static,
    /// The routes file.
    RoutesFile,
    /// An earlier run of this router; no registrar has confirmed it yet.
    Snapshot,
}

impl Origin {
    /// Whether the operator wrote it down; such endpoints never lapse, and the bus cannot touch
    /// them.
    pub fn is_operator(self) -> bool {
        matches!(self, Self::Static | Self::RoutesFile)
    }

    /// Whose word counts more about the same endpoint.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Snapshot => 0,
            Self::Bus => 1,
            Self::RoutesFile => 2,
            Self::Static => 3,
        }
    }

    /// The name used in answers to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Static => "static",
            Self::RoutesFile => "routes_file",
            Self::Snapshot => "snapshot",
        }
    }
}

/// One address that serves one route.
///
/// What it is does not change: other facts make another `Endpoint`, with the same id and stats.
/// When it was last renewed, and by whom, does change, without a new table.
#[derive(Debug)]
pub struct Endpoint {
    id: EndpointId,
    facts: Facts,
    component: Option<ComponentId>,
    origin: AtomicU8,
    renewed: AtomicU64,
    said: Said,
    stats: Arc<EndpointStats>,
}

impl Endpoint {
    /// A new endpoint as of `now`.
    pub fn new(id: EndpointId, facts: Facts, origin: Origin, now: Tick) -> Self {
        Self {
            id,
            facts,
            component: None,
            origin: AtomicU8::new(origin as u8),
            renewed: AtomicU64::new(now.as_millis()),
            said: Said::new(Digest::NONE),
            stats: Arc::default(),
        }
    }

    /// The same endpoint with other facts, and with its counts and marks. It is known as `id` from
    /// then on, which is its own where it is still connected to in the same way.
    #[must_use]
    pub fn updated(&self, id: EndpointId, facts: Facts, origin: Origin, now: Tick) -> Self {
        Self {
            stats: Arc::clone(&self.stats),
            ..Self::new(id, facts, origin, now)
        }
    }

    /// Sets the component whose metrics its requests count for.
    #[must_use]
    pub fn with_component(self, component: Option<ComponentId>) -> Self {
        Self { component, ..self }
    }

    /// Sets the digest of the message that said all this.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        let said = Said::new(digest);
        Self { said, ..self }
    }

    /// Its name within the process.
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// What was registered.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// `host:port` as dialled and logged.
    pub fn address(&self) -> &str {
        self.facts.address()
    }

    /// The component whose metrics its requests count for.
    pub fn component(&self) -> Option<ComponentId> {
        self.component
    }

    /// Counts and marks; shared with every earlier and later version of this endpoint.
    pub fn stats(&self) -> &Arc<EndpointStats> {
        &self.stats
    }

    /// Who told us last.
    pub fn origin(&self) -> Origin {
        match self.origin.load(Relaxed) {
            0 => Origin::Bus,
            1 => Origin::Static,
            2 => Origin::RoutesFile,
            _ => Origin::Snapshot,
        }
    }

    /// When its claim was last renewed.
    pub fn renewed(&self) -> Tick {
        Tick::from_millis(self.renewed.load(Relaxed))
    }

    /// Renews the claim. This is all that a heartbeat does. `digest` is that of its message, which
    /// said what is known.
    pub fn renew(&self, origin: Origin, digest: Digest, now: Tick) {
        self.renewed.store(now.as_millis(), Relaxed);
        self.origin.store(origin as u8, Relaxed);
        self.said.again(digest);
    }

    /// Renews the claim if the message with that digest is what last said what is known, on the
    /// bus. Returns whether it is.
    pub fn renew_if_said(&self, digest: Digest, now: Tick) -> bool {
        let repeated = self.origin() == Origin::Bus && self.said.is(digest);
        if repeated {
            self.renewed.store(now.as_millis(), Relaxed);
        }
        repeated
    }

    /// Gives the claim its whole lifetime again without anybody having confirmed it.
    pub fn freshen(&self, now: Tick) {
        self.renewed.store(now.as_millis(), Relaxed);
    }

    /// How long its claim holds without renewal; `None` when it never lapses by age.
    ///
    /// A TLS endpoint proves its identity with every connection, so a stale address cannot
    /// misroute: it lapses only when the operator sets `tls_threshold`.
    pub fn lifetime(&self, tls_threshold: Option<Duration>) -> Option<Duration> {
        if self.origin().is_operator() {
            None
        } else if self.facts.is_tls() {
            tls_threshold
        } else {
            Some(self.facts.threshold())
        }
    }

    /// How much of its [`Self::lifetime`] is left.
    pub fn time_left(&self, tls_threshold: Option<Duration>, now: Tick) -> Option<Duration> {
        let lifetime = self.lifetime(tls_threshold)?;
        Some(lifetime.saturating_sub(now.since(self.renewed())))
    }

    /// Whether its claim has lapsed: it was not renewed for longer than its lifetime.
    pub fn is_stale(&self, tls_threshold: Option<Duration>, now: Tick) -> bool {
        let lifetime = self.lifetime(tls_threshold);
        lifetime.is_some_and(|lifetime| now.since(self.renewed()) > lifetime)
    }

    /// Takes the endpoint out of rotation for a while, counted from `now`.
    pub fn mark_failed(&self, now: Tick) {
        self.stats.mark_failed(now);
    }

    /// Puts it back at once.
    pub fn mark_healthy(&self) {
        self.stats.mark_healthy();
    }
}

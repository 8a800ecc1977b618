//! The endpoints of one route, and the choice among them.

mod choose;
mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::balance::Balance;
use crate::endpoint::{Endpoint, EndpointId, InFlight, RouteOptions, RoutePolicy};
use crate::instance::Asked;
use crate::route::RouteKey;
pub(crate) use choose::{Round, Standing};
use component_core::tick::Tick;
use members::Members;

/// The endpoints of one route.
#[derive(Debug)]
pub struct Pool {
    key: RouteKey,
    members: Members,
    options: Option<Arc<RouteOptions>>,
    /// Whose turn it is, for all workers together.
    next: AtomicU32,
    balance: Balance,
    /// Whose options are those of the route.
    speaker: Option<EndpointId>,
}

/// What a request needs of an endpoint.
#[derive(Debug, Clone)]
pub struct Want<'a> {
    /// Endpoints that failed this request before; they are not offered again.
    pub tried: &'a [EndpointId],
    /// The one instance that may answer, when the request names it.
    pub instance: Option<Asked<'a>>,
    /// Whether this is the first attempt; only then `zone` counts.
    pub first_attempt: bool,
    /// The zone whose endpoints are preferred; `None` for no preference.
    pub zone: Option<&'a str>,
    /// Exchanges at a time for each endpoint, unless the route has its own limit; 0 is no limit.
    pub max_conns: u32,
    /// How long a failed endpoint is passed over.
    pub ejection: Duration,
    /// The time.
    pub now: Tick,
    /// A random number.
    pub entropy: u64,
}

/// Why there is no endpoint for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEndpoint {
    /// The route has none at all: 404, or 503 where the operator wants that.
    Empty,
    /// All that would do are at their limit: 503.
    Overloaded,
    /// The instance that the request names is not there: 400.
    NoSuchInstance,
    /// All that would do have failed this request: answer with the last failure.
    AllTried,
}

/// An endpoint, and the exchange that was counted there.
pub type Picked<'a> = (&'a Arc<Endpoint>, InFlight);

impl Pool {
    pub(crate) fn new(key: RouteKey, first_turn: u32) -> Self {
        Self {
            key,
            members: Members::Empty,
            options: None,
            next: AtomicU32::new(first_turn),
            balance: Balance::default(),
            speaker: None,
        }
    }

    /// The route.
    pub fn key(&self) -> &RouteKey {
        &self.key
    }

    /// All endpoints, in the order of their turns.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        self.members.as_slice()
    }

    /// How endpoints are chosen.
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// The endpoint that speaks for the route: [`Self::options`] are those that it brought.
    pub fn speaker(&self) -> Option<&Arc<Endpoint>> {
        let speaker = self.speaker?;
        let mut endpoints = self.endpoints().iter();
        endpoints.find(|endpoint| endpoint.id() == speaker)
    }

    /// Wishes that hold for the whole route.
    pub fn options(&self) -> Option<&RouteOptions> {
        self.options.as_deref()
    }

    /// Timeouts and limits of this route.
    pub fn policy(&self) -> Option<&RoutePolicy> {
        self.options.as_deref().map(|options| &options.policy)
    }

    /// Chooses an endpoint and counts one exchange there, in a few atomic operations and without
    /// allocation.
    ///
    /// Failed endpoints are passed over until their ejection ends. When all have failed, all are
    /// forgiven.
    ///
    /// # Errors
    /// When there is none; the reason tells what to answer.
    pub fn pick(&self, want: &Want<'_>) -> Result<Picked<'_>, NoEndpoint> {
        let max = self.max_conns(want);
        if let Members::One(only) = &self.members
            && want.tried.is_empty()
            && want.instance.is_none()
        {
            // Most routes: no choice, and whatever it did lately is forgiven.
            let in_flight = only.stats().begin(max).ok_or(NoEndpoint::Overloaded)?;
            only.mark_healthy();
            return Ok((only, in_flight));
        }
        let turn = self.next.fetch_add(1, Relaxed);
        let choice = self.choose(want, turn, |stats| stats.begin(max))?;
        if choice.skipped > 0 {
            self.next.fetch_add(choice.skipped, Relaxed);
        }
        if choice.round == Round::Forgiven {
            self.candidates(want)
                .for_each(|endpoint| endpoint.mark_healthy());
        }
        Ok((choice.endpoint, choice.taken))
    }

    /// What [`Self::pick`] would choose now. Nothing is counted, and no turn is taken.
    ///
    /// # Errors
    /// As [`Self::pick`].
    pub fn next(&self, want: &Want<'_>) -> Result<&Arc<Endpoint>, NoEndpoint> {
        self.preview(want).map(|choice| choice.endpoint)
    }

    /// The limit in force: the route's own, or the router's.
    fn max_conns(&self, want: &Want<'_>) -> u32 {
        self.policy()
            .and_then(|policy| policy.max_conns)
            .unwrap_or(want.max_conns)
    }
}

/// Changes, for the registry alone.
impl Pool {
    /// The endpoint at `address`.
    pub(crate) fn find(&self, address: &str) -> Option<(usize, &Arc<Endpoint>)> {
        let index = self.members.position(address)?;
        Some((index, &self.endpoints()[index]))
    }

    pub(crate) fn insert(&mut self, endpoint: Arc<Endpoint>, default: Balance) {
        self.hear(&endpoint, default);
        self.members.push(endpoint);
    }

    pub(crate) fn replace(&mut self, index: usize, endpoint: Arc<Endpoint>, default: Balance) {
        self.hear(&endpoint, default);
        self.members.replace(index, endpoint);
    }

    pub(crate) fn remove(&mut self, index: usize, default: Balance) -> Arc<Endpoint> {
        let removed = self.members.remove(index);
        if self.speaker == Some(removed.id()) {
            // Of those whose word counts most, the one that was heard last; of several at one
            // moment the one that came last.
            let order = |endpoint: &&Arc<Endpoint>| (endpoint.origin().rank(), endpoint.renewed());
            let next = self.endpoints().iter().max_by_key(order).cloned();
            self.follow(next.as_deref(), default);
        }
        removed
    }

    /// The last registration decides for the route, but never against somebody whose word counts
    /// more: a registrar not against the operator, a file not against the configuration.
    fn hear(&mut self, endpoint: &Endpoint, default: Balance) {
        let speaks = self
            .speaker()
            .is_none_or(|speaker| endpoint.origin().rank() >= speaker.origin().rank());
        if speaks {
            self.follow(Some(endpoint), default);
        }
    }

    fn follow(&mut self, speaker: Option<&Endpoint>, default: Balance) {
        self.speaker = speaker.map(Endpoint::id);
        self.options = speaker.and_then(|speaker| speaker.facts().options().cloned());
        self.balance = self
            .options()
            .and_then(|options| options.balance)
            .unwrap_or(default);
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            members: self.members.clone(),
            options: self.options.clone(),
            next: AtomicU32::new(self.next.load(Relaxed)),
            balance: self.balance,
            speaker: self.speaker,
        }
    }
}

#[cfg(test)]
mod tests;

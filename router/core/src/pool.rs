//! The endpoints of one route, and the choice among them.

mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::balance::Balance;
use crate::endpoint::{Endpoint, EndpointId, EndpointStats, InFlight, RouteOptions, RoutePolicy};
use crate::instance::Asked;
use crate::route::RouteKey;
use crate::tick::Tick;
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
    /// The options are the operator's, which registrations do not change.
    operator_options: bool,
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
    /// The route has none at all: 503.
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

/// An endpoint, what was taken there, and how many were passed over.
type Found<'a, T> = (&'a Arc<Endpoint>, T, u32);

/// What the balancer decided.
#[derive(Debug)]
pub(crate) struct Choice<'a, T> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) taken: T,
    pub(crate) round: Round,
    /// How many were passed over; their turns are used up, lest the one after them gets theirs.
    skipped: u32,
}

/// In which round an endpoint was found. Each asks less than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Among those in the preferred zone that are in rotation.
    Local,
    /// Among all that are in rotation.
    Healthy,
    /// Among all, since none is in rotation: a bad guess beats a certain failure.
    Forgiven,
}

/// How one endpoint stands for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Eligible,
    Tried,
    NotAskedFor,
    AtLimit,
    Ejected,
}

impl Pool {
    pub(crate) fn new(key: RouteKey, first_turn: u32) -> Self {
        Self {
            key,
            members: Members::Empty,
            options: None,
            next: AtomicU32::new(first_turn),
            balance: Balance::default(),
            operator_options: false,
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

    /// What [`Self::pick`] would decide now, leaving everything as it is.
    pub(crate) fn preview(&self, want: &Want<'_>) -> Result<Choice<'_, ()>, NoEndpoint> {
        let max = self.max_conns(want);
        self.choose(want, self.next.load(Relaxed), |stats| {
            (max == 0 || stats.in_flight() < max).then_some(())
        })
    }

    /// How one endpoint stands for a request.
    pub(crate) fn standing(&self, endpoint: &Endpoint, want: &Want<'_>) -> Standing {
        let max = self.max_conns(want);
        if want.tried.contains(&endpoint.id()) {
            Standing::Tried
        } else if want
            .instance
            .is_some_and(|asked| !is_asked_for(endpoint, asked))
        {
            Standing::NotAskedFor
        } else if max != 0 && endpoint.stats().in_flight() >= max {
            Standing::AtLimit
        } else if endpoint.stats().is_ejected(want.ejection, want.now) {
            Standing::Ejected
        } else {
            Standing::Eligible
        }
    }

    /// The limit in force: the route's own, or the router's.
    fn max_conns(&self, want: &Want<'_>) -> u32 {
        self.policy()
            .and_then(|policy| policy.max_conns)
            .unwrap_or(want.max_conns)
    }

    fn choose<T>(
        &self,
        want: &Want<'_>,
        turn: u32,
        take: impl Fn(&Arc<EndpointStats>) -> Option<T>,
    ) -> Result<Choice<'_, T>, NoEndpoint> {
        let offered = |endpoint: &Endpoint| {
            !want.tried.contains(&endpoint.id())
                && want
                    .instance
                    .is_none_or(|asked| is_asked_for(endpoint, asked))
        };
        let healthy = |endpoint: &Endpoint| {
            !endpoint.stats().is_ejected(want.ejection, want.now) && offered(endpoint)
        };
        let found = |(endpoint, taken, skipped), round| Choice {
            endpoint,
            taken,
            round,
            skipped,
        };

        if let Some(zone) = want.zone.filter(|_| want.first_attempt) {
            let local = |e: &Endpoint| healthy(e) && e.facts().availability_zone() == zone;
            if let Some(choice) = self.walk(want, turn, local, &take) {
                return Ok(found(choice, Round::Local));
            }
        }
        if let Some(choice) = self.walk(want, turn, healthy, &take) {
            return Ok(found(choice, Round::Healthy));
        }
        if let Some(choice) = self.walk(want, turn, offered, &take) {
            return Ok(found(choice, Round::Forgiven));
        }
        Err(self.why_none(want))
    }

    fn walk<T>(
        &self,
        want: &Want<'_>,
        turn: u32,
        usable: impl Fn(&Endpoint) -> bool,
        take: impl Fn(&Arc<EndpointStats>) -> Option<T>,
    ) -> Option<Found<'_, T>> {
        match self.balance {
            Balance::RoundRobin => self.in_turn(turn, usable, take),
            Balance::LeastConnection => self
                .least_loaded(want, &usable)
                .and_then(|endpoint| Some((endpoint, take(endpoint.stats())?, 0)))
                .or_else(|| self.in_turn(turn, usable, take)),
        }
    }

    /// The first that is usable and not at its limit, starting with the one whose turn it is.
    fn in_turn<T>(
        &self,
        turn: u32,
        usable: impl Fn(&Endpoint) -> bool,
        take: impl Fn(&Arc<EndpointStats>) -> Option<T>,
    ) -> Option<Found<'_, T>> {
        let endpoints = self.endpoints();
        let start = self.members.at(turn)?;
        let (before, after) = endpoints.split_at(start);
        for (skipped, endpoint) in (0..).zip(after.iter().chain(before)) {
            if usable(endpoint)
                && let Some(taken) = take(endpoint.stats())
            {
                // A schedule of weights is no circle of endpoints: there a turn is just lost.
                let skipped = if self.members.is_weighted() {
                    0
                } else {
                    skipped
                };
                return Some((endpoint, taken, skipped));
            }
        }
        None
    }

    /// The usable one with the fewest exchanges for its weight, the first of equals from a random
    /// start. Looks at no more than [`LEAST_LOADED_AMONG`] neighbours of that start.
    fn least_loaded(
        &self,
        want: &Want<'_>,
        usable: impl Fn(&Endpoint) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let endpoints = self.endpoints();
        // The upper half of a 64-bit product scales the random number without a division.
        let start = (u128::from(want.entropy) * endpoints.len() as u128) >> 64;
        let (before, after) = endpoints.split_at_checked(usize::try_from(start).ok()?)?;
        let max = self.max_conns(want);
        let mut best: Option<(&Arc<Endpoint>, Load)> = None;
        for endpoint in after.iter().chain(before).take(LEAST_LOADED_AMONG) {
            let load = Load::of(endpoint);
            if (max != 0 && load.in_flight >= max) || !usable(endpoint) {
                continue;
            }
            if best.is_none_or(|(_, least)| load.is_below(least)) {
                best = Some((endpoint, load));
            }
        }
        best.map(|(endpoint, _)| endpoint)
    }

    /// Endpoints that may answer the request at all.
    fn candidates<'a>(&'a self, want: &'a Want<'_>) -> impl Iterator<Item = &'a Arc<Endpoint>> {
        self.endpoints().iter().filter(|endpoint| {
            want.instance
                .is_none_or(|asked| is_asked_for(endpoint, asked))
        })
    }

    #[cold]
    fn why_none(&self, want: &Want<'_>) -> NoEndpoint {
        if self.endpoints().is_empty() {
            return NoEndpoint::Empty;
        }
        let mut candidates = self.candidates(want).peekable();
        if candidates.peek().is_none() {
            NoEndpoint::NoSuchInstance
        } else if candidates.all(|endpoint| want.tried.contains(&endpoint.id())) {
            NoEndpoint::AllTried
        } else {
            NoEndpoint::Overloaded
        }
    }
}

fn is_asked_for(endpoint: &Endpoint, asked: Asked<'_>) -> bool {
    let facts = endpoint.facts();
    match asked {
        Asked::App { guid, index } => facts.app() == guid && facts.instance_index() == index,
        Asked::Process { guid, index } => {
            index.is_none_or(|index| facts.instance_index() == index)
                && facts
                    .tag("process_id")
                    .is_some_and(|id| id.as_str() == guid)
        }
    }
}

/// Bounds what the least-connection rule costs in a very large pool.
const LEAST_LOADED_AMONG: usize = 64;

/// How busy an endpoint is for its weight.
#[derive(Clone, Copy)]
struct Load {
    in_flight: u32,
    weight: u16,
}

impl Load {
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            in_flight: endpoint.stats().in_flight(),
            weight: endpoint.facts().weight(),
        }
    }

    /// Compares what the loads would be with one exchange more.
    fn is_below(self, other: Self) -> bool {
        let next = |load: Self| u64::from(load.in_flight) + 1;
        next(self) * u64::from(other.weight) < next(other) * u64::from(self.weight)
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
        self.adopt_options(&endpoint, default);
        self.members.push(endpoint);
    }

    pub(crate) fn replace(&mut self, index: usize, endpoint: Arc<Endpoint>, default: Balance) {
        self.adopt_options(&endpoint, default);
        self.members.replace(index, endpoint);
    }

    pub(crate) fn remove(&mut self, index: usize) -> Arc<Endpoint> {
        let removed = self.members.remove(index);
        self.operator_options = self
            .endpoints()
            .iter()
            .any(|endpoint| endpoint.origin().is_operator());
        removed
    }

    /// The last registration decides for the route, but never against the operator.
    fn adopt_options(&mut self, endpoint: &Endpoint, default: Balance) {
        let by_operator = endpoint.origin().is_operator();
        if by_operator || !self.operator_options {
            self.operator_options = by_operator;
            self.options = endpoint.facts().options().cloned();
            self.balance = self
                .options()
                .and_then(|options| options.balance)
                .unwrap_or(default);
        }
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
            operator_options: self.operator_options,
        }
    }
}

#[cfg(test)]
mod tests;

//! How a pool chooses.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{NoEndpoint, Pool, Want};
use crate::balance::Balance;
use crate::endpoint::{Endpoint, EndpointStats};
use crate::instance::Asked;

/// An endpoint, what was taken there, and how many were passed over.
type Found<'a, T> = (&'a Arc<Endpoint>, T, u32);

/// What the balancer decided.
#[derive(Debug)]
pub(crate) struct Choice<'a, T> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) taken: T,
    pub(crate) round: Round,
    /// How many were passed over; their turns are used up, lest the one after them gets theirs.
    pub(super) skipped: u32,
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

    pub(super) fn choose<T>(
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
    pub(super) fn candidates<'a>(
        &'a self,
        want: &'a Want<'_>,
    ) -> impl Iterator<Item = &'a Arc<Endpoint>> {
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

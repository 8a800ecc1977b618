//! The single writer's side of the route table.

mod change;
mod config;
mod heartbeat;
mod invariants;
mod resume;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::balance::Balance;
use crate::endpoint::{ComponentId, Endpoint, EndpointId, Facts, Origin};
use crate::hash::hash;
use crate::pool::Pool;
use crate::registration::{Registration, Withdrawal};
use crate::route::RouteKey;
use crate::table::RouteTable;
pub use change::{Change, Event, Removal};
use component_core::tick::Tick;
pub use config::RegistryConfig;
pub use heartbeat::{renew, repeat};

/// Something to do to the table.
#[derive(Debug, Clone)]
pub enum Command {
    /// A claim is made or renewed.
    Register(Registration),
    /// A claim is given up.
    Unregister(Withdrawal),
    /// The bus cannot be heard: silence means nothing now.
    BusLost,
    /// The bus is heard again.
    BusBack,
    /// The operator's routes of one origin are now these, and no others.
    ReplaceStatic {
        /// Which of the operator's sources.
        origin: Origin,
        /// All of its routes.
        registrations: Vec<Registration>,
    },
}

/// What a prune cycle did.
#[derive(Debug)]
pub enum Cycle {
    /// Nothing: the bus is away.
    Suspended,
    /// The bus came back since the last cycle; every claim got its whole lifetime again.
    Freshened,
    /// What had lapsed is gone.
    Pruned(Change),
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Its endpoint is new.
    Added,
    /// Its endpoint was there with other facts.
    Updated,
    /// It said nothing new.
    Renewed,
    /// Its endpoint belongs to the operator, and stays as it is.
    Refused,
}

/// The writer's state: the table as it will be seen next, and what is needed to change it.
///
/// It keeps no index beside the table. Whatever lapses is found by a scan, once in a prune cycle.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    table: RouteTable,
    bus: Bus,
    /// Routes without endpoints, and since when.
    empty_since: BTreeMap<RouteKey, Tick>,
    next_id: u64,
    last_change: Option<Tick>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bus {
    Up,
    Lost,
    /// Up again, but claims may be old through no fault of theirs.
    Back,
}

impl Registry {
    /// An empty registry. The bus counts as lost until [`Command::BusBack`] says otherwise.
    pub fn new(config: RegistryConfig) -> Self {
        Self {
            config,
            table: RouteTable::default(),
            bus: Bus::Lost,
            empty_since: BTreeMap::new(),
            next_id: 1,
            last_change: None,
        }
    }

    /// How it behaves.
    pub fn config(&self) -> &RegistryConfig {
        &self.config
    }

    /// The table as it is now. Costs nothing, and never changes once given out.
    pub fn table(&self) -> RouteTable {
        self.table.clone()
    }

    /// When the table last changed.
    pub fn last_change(&self) -> Option<Tick> {
        self.last_change
    }

    /// Does one thing. The change is empty when readers need no new table.
    pub fn apply(&mut self, command: Command, now: Tick) -> Change {
        let mut change = Change::default();
        match command {
            Command::Register(registration) => {
                self.register(registration, now, &mut change);
            }
            Command::Unregister(withdrawal) => self.unregister(&withdrawal, now, &mut change),
            Command::BusLost => self.bus = Bus::Lost,
            Command::BusBack if self.bus == Bus::Lost => self.bus = Bus::Back,
            Command::BusBack => {}
            Command::ReplaceStatic {
                origin,
                registrations,
            } => {
                self.replace_static(origin, registrations, now, &mut change);
            }
        }
        change
    }

    /// Removes what has lapsed. Meant to be called at a fixed interval.
    pub fn prune(&mut self, now: Tick) -> Cycle {
        if self.config.suspend_pruning && self.bus == Bus::Lost {
            return Cycle::Suspended;
        }
        if self.bus == Bus::Back {
            self.bus = Bus::Up;
            if self.config.suspend_pruning {
                let endpoints = self.table.iter().flat_map(|pool| pool.endpoints());
                endpoints.for_each(|endpoint| endpoint.freshen(now));
                return Cycle::Freshened;
            }
        }
        let mut change = Change::default();
        let tls_threshold = self.config.tls_threshold;
        for (key, endpoint) in self.find(|endpoint| endpoint.is_stale(tls_threshold, now)) {
            self.remove(&key, endpoint.address(), Removal::Stale, now, &mut change);
        }
        self.expire_empty(now, &mut change);
        self.check_invariants();
        Cycle::Pruned(change)
    }

    /// Removes a TLS endpoint that turned out to be somebody else, in the version that was tried.
    ///
    /// A plaintext endpoint stays: it has only failed, and comes back by itself.
    pub fn prune_endpoint(&mut self, key: &RouteKey, tried: &Arc<Endpoint>, now: Tick) -> Change {
        let mut change = Change::default();
        let current = self
            .table
            .get(key)
            .and_then(|pool| pool.find(tried.address()));
        let is_current = current.is_some_and(|(_, current)| Arc::ptr_eq(current, tried));
        if is_current && tried.facts().is_tls() && !tried.origin().is_operator() {
            self.remove(
                key,
                tried.address(),
                Removal::WrongIdentity,
                now,
                &mut change,
            );
        }
        change
    }

    /// Takes over what an earlier run knew, as far as nobody has said anything newer. Returns how
    /// many endpoints there were.
    pub fn restore(
        &mut self,
        registrations: impl IntoIterator<Item = Registration>,
        now: Tick,
    ) -> u64 {
        let mut added = 0;
        for registration in registrations {
            let registration = Registration {
                origin: Origin::Snapshot,
                ..registration
            };
            // Nobody is told of these one by one.
            let outcome = self.register(registration, now, &mut Change::default());
            added += u64::from(outcome == Registered::Added);
        }
        added
    }

    /// Makes or renews a claim, and adds to `change` what readers see of that.
    pub fn register(
        &mut self,
        registration: Registration,
        now: Tick,
        change: &mut Change,
    ) -> Registered {
        let Registration {
            key,
            facts,
            origin,
            digest,
            ..
        } = registration;
        let known = self
            .table
            .get(&key)
            .and_then(|pool| pool.find(facts.address()));
        let Some((index, known)) = known else {
            let endpoint = Endpoint::new(self.fresh_id(), facts, origin, now);
            self.add(key, endpoint.with_digest(digest), now, change);
            return Registered::Added;
        };
        if origin.rank() < known.origin().rank() {
            return Registered::Refused;
        }
        if heartbeat::is_repeated(known, &facts, origin) {
            known.renew(origin, digest, now);
            return Registered::Renewed;
        }
        let known = Arc::clone(known);
        let component = self.component(&facts);
        let id = if known.facts().connects_as(&facts) {
            known.id()
        } else {
            self.fresh_id()
        };
        let updated = known.updated(id, facts, origin, now);
        let updated = updated.with_component(component);
        let endpoint = Arc::new(updated.with_digest(digest));
        self.edit(&key, |pool, default| {
            pool.replace(index, Arc::clone(&endpoint), default)
        });
        self.last_change = Some(now);
        change.push(Event::EndpointUpdated { key, endpoint });
        Registered::Updated
    }

    fn fresh_id(&mut self) -> EndpointId {
        let id = EndpointId(self.next_id);
        self.next_id += 1;
        id
    }

    fn add(&mut self, key: RouteKey, endpoint: Endpoint, now: Tick, change: &mut Change) {
        let component = self.component(endpoint.facts());
        let endpoint = Arc::new(endpoint.with_component(component));
        if self.table.get(&key).is_none() {
            change.push(Event::RouteAdded { key: key.clone() });
        }
        self.edit(&key, |pool, default| {
            pool.insert(Arc::clone(&endpoint), default)
        });
        self.empty_since.remove(&key);
        self.last_change = Some(now);
        change.push(Event::EndpointAdded { key, endpoint });
    }

    fn unregister(&mut self, withdrawal: &Withdrawal, now: Tick, change: &mut Change) {
        let Withdrawal { key, address } = withdrawal;
        let known = self.table.get(key).and_then(|pool| pool.find(address));
        match known {
            Some((_, known)) if known.origin().is_operator() => {}
            Some(_) => self.remove(key, address, Removal::Unregistered, now, change),
            None => {}
        }
    }

    fn replace_static(
        &mut self,
        origin: Origin,
        registrations: Vec<Registration>,
        now: Tick,
        change: &mut Change,
    ) {
        let wanted: BTreeSet<(&RouteKey, &str)> = registrations
            .iter()
            .map(|wanted| (&wanted.key, wanted.facts.address()))
            .collect();
        let mut gone = self.find(|endpoint| endpoint.origin() == origin);
        gone.retain(|(key, endpoint)| !wanted.contains(&(key, endpoint.address())));
        for (key, endpoint) in gone {
            self.remove(
                &key,
                endpoint.address(),
                Removal::RemovedByOperator,
                now,
                change,
            );
        }
        for registration in registrations {
            self.register(
                Registration {
                    origin,
                    ..registration
                },
                now,
                change,
            );
        }
        self.check_invariants();
    }

    /// Removes an endpoint, and with the last one the route, now or after the time that empty
    /// routes are kept.
    fn remove(
        &mut self,
        key: &RouteKey,
        address: &str,
        why: Removal,
        now: Tick,
        change: &mut Change,
    ) {
        let Some(pool) = self.table.get(key) else {
            return;
        };
        let Some((index, endpoint)) = pool.find(address) else {
            return;
        };
        let (last, endpoint) = (pool.endpoints().len() == 1, Arc::clone(endpoint));
        // What the operator takes out of a file is not missing: it is not wanted.
        let keep = !self.config.empty_pool_timeout.is_zero() && why != Removal::RemovedByOperator;
        change.push(Event::EndpointRemoved {
            key: key.clone(),
            endpoint,
            why,
        });
        if last && !keep {
            self.table.remove(key);
            change.push(Event::RouteRemoved { key: key.clone() });
        } else {
            self.edit(key, |pool, default| pool.remove(index, default));
            if last {
                self.empty_since.insert(key.clone(), now);
            }
        }
        self.last_change = Some(now);
    }

    /// Removes routes that have been empty for too long.
    fn expire_empty(&mut self, now: Tick, change: &mut Change) {
        let timeout = self.config.empty_pool_timeout;
        let table = &mut self.table;
        self.empty_since.retain(|key, since| {
            let expired = now.since(*since) >= timeout;
            if expired {
                table.remove(key);
                change.push(Event::RouteRemoved { key: key.clone() });
            }
            !expired
        });
    }

    /// All endpoints that `is_wanted` picks out, with their routes.
    fn find(&self, is_wanted: impl Fn(&Endpoint) -> bool) -> Vec<(RouteKey, Arc<Endpoint>)> {
        let mut found = Vec::new();
        for pool in self.table.iter() {
            let wanted = pool
                .endpoints()
                .iter()
                .filter(|endpoint| is_wanted(endpoint));
            found.extend(wanted.map(|endpoint| (pool.key().clone(), Arc::clone(endpoint))));
        }
        found
    }

    fn edit<R>(&mut self, key: &RouteKey, change: impl FnOnce(&mut Pool, Balance) -> R) -> R {
        let default = self.config.balance;
        let seed = self.config.seed;
        let first_turn = || (hash(key.as_str().as_bytes()).wrapping_add(seed) >> 32) as u32;
        let make = || Pool::new(key.clone(), first_turn());
        self.table.update(key, make, |pool| change(pool, default))
    }

    fn component(&mut self, facts: &Facts) -> Option<ComponentId> {
        let tag = facts.tag("component")?;
        let name = tag.as_str();
        let known = self.table.components().find(name);
        known.or_else(|| self.table.components_mut().add(name))
    }
}

#[cfg(test)]
mod tests;

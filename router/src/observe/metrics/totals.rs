//! The sum of all workers at one moment.

use std::collections::BTreeMap;

use component::histogram::{Distribution, MICROSECONDS};

use super::{ComponentMetrics, Event, LOOKUP_NANOS, StatusGroup, WorkerMetrics};

/// The counters of all workers together.
#[derive(Debug)]
pub struct Totals {
    events: [u64; Event::COUNT],
    own_responses: [u64; StatusGroup::COUNT],
    /// By the component's index; the last index is that of endpoints without one.
    pub components: BTreeMap<usize, ComponentTotals>,
    /// The router's own part of each exchange, in microseconds.
    pub gorouter_time: Distribution,
    /// Sampled lookups, in nanoseconds.
    pub lookup_time: Distribution,
    /// Each worker's open client connections.
    pub connections: Vec<u64>,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            events: [0; Event::COUNT],
            own_responses: [0; StatusGroup::COUNT],
            components: BTreeMap::new(),
            gorouter_time: Distribution::new(&MICROSECONDS),
            lookup_time: Distribution::new(&LOOKUP_NANOS),
            connections: Vec::new(),
        }
    }
}

impl Totals {
    pub(super) fn add(&mut self, worker: &WorkerMetrics) {
        for (total, counter) in self.events.iter_mut().zip(&worker.events) {
            *total += counter.get();
        }
        for (total, counter) in self.own_responses.iter_mut().zip(&worker.own_responses) {
            *total += counter.get();
        }
        for (index, row) in worker.components.iter().enumerate() {
            if let Some(row) = row.get() {
                self.components.entry(index).or_default().add(row);
            }
        }
        worker.gorouter_time.add_to(&mut self.gorouter_time);
        worker.lookup_time.add_to(&mut self.lookup_time);
        self.connections.push(worker.connections());
    }

    /// How often something happened.
    pub fn event(&self, event: Event) -> u64 {
        self.events[event as usize]
    }

    /// Requests given to endpoints.
    pub fn requests(&self) -> u64 {
        self.components
            .values()
            .map(|component| component.requests)
            .sum()
    }

    /// Responses of a group, those of this router included.
    pub fn responses(&self, group: StatusGroup) -> u64 {
        let of_backends: u64 = self
            .components
            .values()
            .map(|row| row.responses(group))
            .sum();
        of_backends + self.own_responses[group as usize]
    }

    /// The latency over all components, in microseconds.
    pub fn latency(&self) -> Distribution {
        let mut all = Distribution::new(&MICROSECONDS);
        for component in self.components.values() {
            all.absorb(&component.latency);
        }
        all
    }
}

/// The counters of one component.
#[derive(Debug)]
pub struct ComponentTotals {
    /// Requests given to its endpoints.
    pub requests: u64,
    responses: [u64; StatusGroup::COUNT],
    /// Whole exchanges, in microseconds.
    pub latency: Distribution,
}

impl Default for ComponentTotals {
    fn default() -> Self {
        Self {
            requests: 0,
            responses: [0; StatusGroup::COUNT],
            latency: Distribution::new(&MICROSECONDS),
        }
    }
}

impl ComponentTotals {
    fn add(&mut self, row: &ComponentMetrics) {
        self.requests += row.requests.get();
        for (total, counter) in self.responses.iter_mut().zip(&row.responses) {
            *total += counter.get();
        }
        row.latency.add_to(&mut self.latency);
    }

    /// Responses of a group.
    pub fn responses(&self, group: StatusGroup) -> u64 {
        self.responses[group as usize]
    }
}

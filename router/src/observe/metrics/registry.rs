//! What the one writer of the route table counts and shows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use component::histogram::{Distribution, MICROSECONDS};

use super::{Counter, Gauge};

/// What a registration did to its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The endpoint is new.
    Added,
    /// The endpoint was there and something about it changed.
    Updated,
    /// The endpoint was there and only its lifetime was renewed.
    Refreshed,
    /// The registration was older than what was known.
    Unmodified,
}

impl Action {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Added,
        Self::Updated,
        Self::Refreshed,
        Self::Unmodified,
    ];

    /// The `action` label. gorouter has counted heartbeats as updates, and dashboards add them up.
    const fn label(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated | Self::Refreshed => "updated",
            Self::Unmodified => "unmodified",
        }
    }
}

/// The components that are told apart in message counts; the rest is counted under no name.
const MAX_COMPONENTS: usize = 256;

/// By component.
type MessageCounts = BTreeMap<Box<str>, ComponentMessages>;

#[derive(Clone, Copy, Debug, Default)]
struct ComponentMessages {
    registered: [u64; Action::ALL.len()],
    unregistered: u64,
}

/// Counters and states of the table's writer, and of the bus and the snapshot behind it.
///
/// All but the message counts and the latency are single atomics. Those are behind locks, held for an
/// increment or while they are shown, and never by a request.
#[derive(Debug)]
pub struct RegistryMetrics {
    messages: Mutex<MessageCounts>,
    latency: Mutex<Distribution>,
    /// Endpoints removed because nobody renewed them.
    pub routes_pruned: Counter,
    /// Messages that could not be understood or were refused.
    pub invalid_messages: Counter,
    /// Messages of the bus that were dropped before they reached the writer.
    pub dropped_messages: Counter,
    /// Messages waiting for the writer.
    pub buffered_messages: Gauge,
    /// The generation of the table in use.
    pub generation: Gauge,
    /// Routes in the table in use.
    pub routes: Gauge,
    /// Endpoints in the table in use.
    pub endpoints: Gauge,
    /// When the table last changed or was confirmed, in milliseconds of the process's clock.
    pub updated_at: Gauge,
    /// When the snapshot on disk was last written, in seconds since 1970; 0 when never.
    pub snapshot_written_unix: Gauge,
    /// Snapshots that could not be written.
    pub snapshot_failures: Counter,
    /// 0 no bus is configured, 1 connected, 2 disconnected.
    pub bus_state: Gauge,
    /// Times that the connection to the bus was lost or messages were missed.
    pub bus_losses: Counter,
}

impl Default for RegistryMetrics {
    fn default() -> Self {
        Self {
            messages: Mutex::default(),
            latency: Mutex::new(Distribution::new(&MICROSECONDS)),
            routes_pruned: Counter::default(),
            invalid_messages: Counter::default(),
            dropped_messages: Counter::default(),
            buffered_messages: Gauge::default(),
            generation: Gauge::default(),
            routes: Gauge::default(),
            endpoints: Gauge::default(),
            updated_at: Gauge::default(),
            snapshot_written_unix: Gauge::default(),
            snapshot_failures: Counter::default(),
            bus_state: Gauge::default(),
            bus_losses: Counter::default(),
        }
    }
}

impl RegistryMetrics {
    /// [`bus_state`](Self::bus_state) of a router without a bus.
    pub const BUS_NONE: u64 = 0;
    /// [`bus_state`](Self::bus_state) while connected.
    pub const BUS_UP: u64 = 1;
    /// [`bus_state`](Self::bus_state) while not connected.
    pub const BUS_DOWN: u64 = 2;

    /// A registration from that component was applied.
    pub fn registered(&self, component: &str, action: Action) {
        self.message(component, |row| row.registered[action as usize] += 1);
    }

    /// An unregistration from that component was applied.
    pub fn unregistered(&self, component: &str) {
        self.message(component, |row| row.unregistered += 1);
    }

    /// An endpoint became routable so long after its registrar came to know of it.
    pub fn routable_after(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let mut all = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        all.add(micros);
    }

    /// How late endpoints became routable, in microseconds.
    pub fn registration_latency(&self) -> Distribution {
        let all = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    fn message(&self, component: &str, count: impl FnOnce(&mut ComponentMessages)) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let known = messages.len() < MAX_COMPONENTS || messages.contains_key(component);
        let name = if known { component } else { "" };
        match messages.get_mut(name) {
            Some(row) => count(row),
            None => count(messages.entry(name.into()).or_default()),
        }
    }

    /// Calls `show` with component, action and count of all registrations so far.
    pub fn registrations(&self, mut show: impl FnMut(&str, Action, u64)) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        for (component, row) in messages.iter() {
            for (action, count) in Action::ALL.into_iter().zip(row.registered) {
                if count > 0 {
                    show(component, action, count);
                }
            }
        }
    }

    /// Calls `show` with component, `action` label and count of all registrations so far.
    pub fn messages(&self, mut show: impl FnMut(&str, &str, u64)) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        for (component, row) in messages.iter() {
            let mut counts = BTreeMap::<&str, u64>::new();
            for (action, count) in Action::ALL.into_iter().zip(row.registered) {
                *counts.entry(action.label()).or_default() += count;
            }
            for (label, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                show(component, label, count);
            }
        }
    }

    /// Calls `show` with component and count of all heartbeats so far.
    pub fn heartbeats(&self, mut show: impl FnMut(&str, u64)) {
        self.registrations(|component, action, count| {
            if action == Action::Refreshed {
                show(component, count);
            }
        });
    }

    /// Calls `show` with component and count of all unregistrations so far.
    pub fn unregistrations(&self, mut show: impl FnMut(&str, u64)) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        for (component, row) in messages.iter().filter(|(_, row)| row.unregistered > 0) {
            show(component, row.unregistered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_bounded() {
        let metrics = RegistryMetrics::default();
        for n in 0..1_000 {
            metrics.registered(&format!("c{n}"), Action::Added);
        }
        metrics.registered("c0", Action::Refreshed);
        let (mut rows, mut sum, mut refreshed) = (0, 0, Vec::new());
        metrics.registrations(|component, action, count| {
            rows += 1;
            sum += count;
            if action == Action::Refreshed {
                refreshed.push((component.to_owned(), count));
            }
        });
        assert_eq!((rows, sum), (MAX_COMPONENTS + 2, 1_001));
        assert_eq!(refreshed, [("c0".to_owned(), 1)]);
    }

    #[test]
    fn heartbeats_are_updates_and_counted_apart() {
        let metrics = RegistryMetrics::default();
        for action in Action::ALL {
            metrics.registered("uaa", action);
        }
        let mut seen = Vec::new();
        metrics.messages(|component, action, count| {
            seen.push(format!("{component} {action} {count}"));
        });
        assert_eq!(seen, ["uaa added 1", "uaa unmodified 1", "uaa updated 2"]);
        let mut heartbeats = Vec::new();
        metrics.heartbeats(|component, count| heartbeats.push((component.to_owned(), count)));
        assert_eq!(heartbeats, [("uaa".to_owned(), 1)]);
    }

    #[test]
    fn unregistrations_are_counted_apart() {
        let metrics = RegistryMetrics::default();
        metrics.unregistered("uaa");
        metrics.registrations(|component, _, _| panic!("{component}"));
        let mut seen = Vec::new();
        metrics.unregistrations(|component, count| seen.push((component.to_owned(), count)));
        assert_eq!(seen, [("uaa".to_owned(), 1)]);
    }
}

//! What the writer tells of its changes: to the log, to the counters, to those who follow.

use std::time::{Duration, Instant};

use router_core::endpoint::Endpoint;
use router_core::registry::{Change, Event, Removal};
use router_core::route::RouteKey;

use super::Outlets;

/// Lines a second about single routes. When more routes change than that, a line says how many
/// were not told of: a restart of the bus must not wait for the log.
const LINES_A_SECOND: u32 = 200;

/// Tells of changes.
#[derive(Debug)]
pub(super) struct Report {
    outlets: Outlets,
    lines: Lines,
}

impl Report {
    pub(super) fn new(outlets: Outlets) -> Self {
        Self {
            outlets,
            lines: Lines::default(),
        }
    }

    /// Tells what happened on the way to the table of that generation.
    pub(super) fn tell(&mut self, change: &Change, generation: u64) {
        self.outlets.changes.announce(generation, change);
        for event in change.events() {
            if let Event::EndpointRemoved { why, .. } = event {
                let pruned = u64::from(*why == Removal::Stale);
                self.outlets.metrics.registry.routes_pruned.add(pruned);
            }
            if self.lines.take(Instant::now()) {
                log(event);
            }
        }
    }

    /// Tells how many changes had no line of their own, once their second is over.
    pub(super) fn catch_up(&mut self) {
        if self.is_behind() {
            self.lines.turn(Instant::now());
        }
    }

    /// Whether there are such changes.
    pub(super) fn is_behind(&self) -> bool {
        self.lines.left_out > 0
    }
}

fn log(event: &Event) {
    match event {
        Event::RouteAdded { key } => tracing::info!(uri = %key, "route-registered"),
        Event::RouteRemoved { key } => tracing::info!(uri = %key, "route-unregistered"),
        Event::EndpointAdded { key, endpoint } => {
            tracing::info!(
                uri = %key,
                backend = endpoint.address(),
                origin = endpoint.origin().name(),
                tls = endpoint.facts().is_tls(),
                app = endpoint.facts().app(),
                isolation_segment = endpoint.facts().isolation_segment(),
                "endpoint-registered"
            );
        }
        Event::EndpointUpdated { key, endpoint } => {
            tracing::debug!(uri = %key, backend = endpoint.address(), "endpoint-registered");
        }
        Event::EndpointRemoved { key, endpoint, why } => log_removal(key, endpoint, *why),
    }
}

fn log_removal(key: &RouteKey, endpoint: &Endpoint, why: Removal) {
    match why {
        Removal::Stale => tracing::info!(
            uri = %key,
            endpoints = endpoint.address(),
            isolation_segment = endpoint.facts().isolation_segment(),
            "pruned-route"
        ),
        Removal::WrongIdentity => tracing::warn!(
            uri = %key,
            backend = endpoint.address(),
            reason = why.name(),
            "prune-failed-endpoint"
        ),
        Removal::Unregistered | Removal::RemovedByOperator => tracing::info!(
            uri = %key,
            backend = endpoint.address(),
            reason = why.name(),
            "endpoint-unregistered"
        ),
    }
}

/// The lines of one second.
#[derive(Debug, Default)]
struct Lines {
    since: Option<Instant>,
    taken: u32,
    left_out: u64,
}

impl Lines {
    /// Whether there is a line left in this second.
    fn take(&mut self, now: Instant) -> bool {
        self.turn(now);
        self.taken += 1;
        let left = self.taken <= LINES_A_SECOND;
        self.left_out += u64::from(!left);
        left
    }

    /// Begins a new second when the last one is over.
    fn turn(&mut self, now: Instant) {
        let second = Duration::from_secs(1);
        if self.since.is_none_or(|since| now - since >= second) {
            let left_out = std::mem::take(&mut self.left_out);
            if left_out > 0 {
                tracing::info!(changes = left_out, "route-changes-not-logged");
            }
            self.since = Some(now);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_by_the_second() {
        let mut lines = Lines::default();
        let start = Instant::now();
        let taken = (0..1_000).filter(|_| lines.take(start)).count();
        assert_eq!((taken, lines.left_out), (LINES_A_SECOND as usize, 800));
        assert!(lines.take(start + Duration::from_secs(1)));
        assert_eq!(lines.left_out, 0);
    }
}

//! The thread that changes the table.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use component::tick::Tick;
use router_core::coalesce::{Batch, Notice};
use router_core::registry::{Change, Command, Cycle, Registered, Registry};
use router_core::table::RouteTable;

use super::inbox::{Inbox, Work};
use super::report::Report;
use super::retired::Retired;
use super::settings::RegistrarSettings;
use super::{Now, Outlets};
use crate::observe::metrics::Action;

/// How soon replaced tables are looked at again while somebody reads them.
const RETIRED_PAUSE: Duration = Duration::from_millis(100);

/// How soon the log is told what it was not told.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// How long the writer sleeps when there is nothing to come.
const IDLE_PAUSE: Duration = Duration::from_secs(60);

/// The state of the writer's thread.
pub(super) struct Writer {
    registry: Registry,
    inbox: Arc<Inbox>,
    outlets: Outlets,
    now: Now,
    prune_interval: Option<Duration>,
    next_prune: Tick,
    retired: Retired,
    report: Report,
    /// From when on it is measured how late registrations are.
    measured_from: Tick,
    /// When registrars came to know of the endpoints that the next table brings, in nanoseconds
    /// since 1970.
    known_at: Vec<i64>,
}

impl Writer {
    pub(super) fn new(
        registry: Registry,
        inbox: Arc<Inbox>,
        outlets: Outlets,
        settings: &RegistrarSettings,
        now: Now,
    ) -> Self {
        let prune_interval = settings.prune_interval;
        let next_prune = now().plus(prune_interval.unwrap_or_default());
        let measured_from = now().plus(settings.latency_muzzle);
        Self {
            registry,
            inbox,
            report: Report::new(outlets.clone()),
            outlets,
            now,
            prune_interval,
            next_prune,
            retired: Retired::default(),
            measured_from,
            known_at: Vec::new(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            let work = self.inbox.wait(Instant::now() + self.patience());
            let (stopping, offered) = (work.stopping, work.offered);
            self.inbox.epoch.begin();
            self.apply(work);
            if self.prune_interval.is_some() && (self.now)() >= self.next_prune {
                self.prune();
            }
            self.inbox.epoch.end(offered);
            self.retired.release();
            self.report.catch_up();
            if stopping {
                return;
            }
        }
    }

    fn patience(&self) -> Duration {
        let pause = match (self.retired.is_empty(), self.report.is_behind()) {
            (false, _) => RETIRED_PAUSE,
            (true, true) => REPORT_PAUSE,
            (true, false) => IDLE_PAUSE,
        };
        let prune = self
            .prune_interval
            .map(|_| self.next_prune.since((self.now)()));
        prune.map_or(pause, |prune| prune.min(pause))
    }

    fn apply(&mut self, work: Work) {
        let now = (self.now)();
        for (origin, registrations) in work.operator_routes {
            let command = Command::ReplaceStatic {
                origin,
                registrations,
            };
            let change = self.registry.apply(command, now);
            self.commit(&change);
        }
        let mut change = Change::default();
        for (route, endpoint) in work.wrong_identities {
            change.extend(self.registry.prune_endpoint(&route, &endpoint, now));
        }
        self.commit(&change);
        if work.bus.lost {
            self.registry.apply(Command::BusLost, now);
        }
        if work.bus.back {
            self.registry.apply(Command::BusBack, now);
        }
        self.apply_notices(work.notices);
    }

    /// Applies all notices to one table. They were put together by the last word about each claim,
    /// so a table between two of them may lack what an earlier message said and a later one said
    /// again: a route that moves would have no endpoint in it.
    fn apply_notices(&mut self, notices: Batch) {
        let notices = notices.in_order();
        if notices.len() == 0 {
            return;
        }
        let metrics = Arc::clone(&self.outlets.metrics);
        metrics.registry.buffered_messages.set(notices.len() as u64);
        let now = (self.now)();
        let mut change = Change::default();
        for notice in notices {
            self.apply_notice(notice, now, &mut change);
        }
        metrics.registry.updated_at.set(now.as_millis());
        metrics.registry.buffered_messages.set(0);
        self.commit(&change);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix = unix.unwrap_or_default();
        for known in self.known_at.drain(..) {
            let known = Duration::from_nanos(known.unsigned_abs());
            // Clock skew can make this negative; it counts as zero.
            let latency = unix.saturating_sub(known);
            metrics.registry.routable_after(latency);
        }
    }

    /// Applies one notice, and adds to `change` what readers see of it.
    fn apply_notice(&mut self, notice: Notice, now: Tick, change: &mut Change) {
        let registration = match notice {
            Notice::Register(registration) => registration,
            withdrawal @ Notice::Unregister(_) => {
                change.extend(self.registry.apply(withdrawal.into(), now));
                return;
            }
        };
        let component = registration.facts.tag("component");
        let component = component.map(|tag| tag.as_str().to_owned());
        let known = registration.endpoint_updated_at_ns;
        let action = match self.registry.register(registration, now, change) {
            Registered::Added => Action::Added,
            Registered::Updated => Action::Updated,
            Registered::Renewed => Action::Refreshed,
            Registered::Refused => Action::Unmodified,
        };
        if action == Action::Added && known > 0 && now >= self.measured_from {
            self.known_at.push(known);
        }
        let component = component.as_deref().unwrap_or_default();
        let metrics = &self.outlets.metrics.registry;
        metrics.registered(component, action);
    }

    fn prune(&mut self) {
        let now = (self.now)();
        self.next_prune = now.plus(self.prune_interval.unwrap_or_default());
        match self.registry.prune(now) {
            Cycle::Suspended => tracing::info!("prune-suspended"),
            Cycle::Freshened => tracing::info!("prune-resumed"),
            Cycle::Pruned(change) => self.commit(&change),
        }
    }

    /// Publishes the table if it changed, and then tells of it.
    fn commit(&mut self, change: &Change) {
        if !change.is_empty() {
            self.retired.keep(publish(&self.registry, &self.outlets));
            let generation = self.registry.table().generation();
            self.report.tell(change, generation);
        }
    }
}

/// Publishes the table of `registry`, and returns the one before.
pub(super) fn publish(registry: &Registry, outlets: &Outlets) -> Arc<RouteTable> {
    let table = Arc::new(registry.table());
    let metrics = &outlets.metrics.registry;
    metrics.generation.set(table.generation());
    metrics.routes.set(table.len() as u64);
    metrics.endpoints.set(table.endpoints() as u64);
    outlets.routes.swap(table)
}

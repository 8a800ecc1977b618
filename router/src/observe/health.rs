//! Whether this router wants traffic, and if not, why.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio::sync::Notify;

/// What `/health` answers. Facts are reported by those who know them, the rule is here.
///
/// A router is healthy once it knows its routes: a snapshot was loaded, or the start delay passed
/// while the bus was up, so that registrars had the time to answer. A router without a bus has all
/// its routes from the start. Once healthy it stays so when the bus is lost (stale routes beat
/// none), until it is told to drain.
#[derive(Debug)]
pub struct Health {
    facts: AtomicU8,
    /// Rung when the bus is connected.
    connected: Notify,
}

/// The state of a router as a load balancer should see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It serves, but does not know its routes yet.
    Initializing(&'static str),
    /// It serves and wants traffic.
    Healthy,
    /// It serves what it has and wants no more.
    Degraded(&'static str),
}

impl HealthState {
    /// The reason for not being healthy.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Healthy => None,
            Self::Initializing(reason) | Self::Degraded(reason) => Some(reason),
        }
    }

    /// The state's name in `/varz`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initializing(_) => "initializing",
            Self::Healthy => "healthy",
            Self::Degraded(_) => "degraded",
        }
    }
}

const ROUTES_KNOWN: u8 = 1;
const DELAY_PASSED: u8 = 2;
const BUS_UP: u8 = 4;
const DRAINING: u8 = 8;
const NO_BUS: u8 = 16;

impl Health {
    /// Without a bus all routes are static, and known from the start.
    pub fn new(bus_configured: bool) -> Self {
        Self {
            facts: AtomicU8::new(if bus_configured {
                0
            } else {
                NO_BUS | ROUTES_KNOWN
            }),
            connected: Notify::new(),
        }
    }

    /// The last snapshot of the table is served.
    pub fn snapshot_loaded(&self) {
        self.raise(ROUTES_KNOWN);
    }

    /// The start delay has passed.
    pub fn delay_passed(&self) {
        self.raise(DELAY_PASSED);
    }

    /// The bus is connected, or is not.
    pub fn bus(&self, up: bool) {
        if up {
            self.raise(BUS_UP);
            self.connected.notify_waiters();
        } else {
            self.facts.fetch_and(!BUS_UP, Relaxed);
        }
    }

    /// Waits until the bus is connected; there is nothing to wait for without one.
    pub async fn bus_known(&self) {
        let connected = self.connected.notified();
        if self.facts.load(Relaxed) & (BUS_UP | NO_BUS) == 0 {
            connected.await;
        }
    }

    /// The router was told to drain. There is no way back.
    pub fn drain(&self) {
        self.raise(DRAINING);
    }

    /// The state now.
    pub fn state(&self) -> HealthState {
        let facts = self.facts.load(Relaxed);
        if facts & DRAINING != 0 {
            HealthState::Degraded("draining")
        } else if facts & ROUTES_KNOWN != 0 {
            HealthState::Healthy
        } else if facts & BUS_UP == 0 {
            HealthState::Initializing("no snapshot and not connected to the bus")
        } else {
            HealthState::Initializing("no snapshot and the start delay has not passed")
        }
    }

    /// Adds a fact, and with it what follows: the delay and the bus together make routes known.
    fn raise(&self, fact: u8) {
        let facts = self.facts.fetch_or(fact, Relaxed) | fact;
        if facts & (DELAY_PASSED | BUS_UP) == DELAY_PASSED | BUS_UP {
            self.facts.fetch_or(ROUTES_KNOWN, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bus: bool, facts: &[fn(&Health)], expected: &str) {
        let health = Health::new(bus);
        for fact in facts {
            fact(&health);
        }
        assert_eq!(health.state().reason().unwrap_or("ok"), expected);
    }

    #[tokio::test]
    async fn who_waits_for_the_bus_goes_on_when_it_is_there() {
        Health::new(false).bus_known().await;
        let health = Health::new(true);
        let waited = std::pin::pin!(health.bus_known());
        let mut waiting = polled(waited);
        assert!(!waiting());
        health.bus(true);
        assert!(waiting());
        health.bus_known().await;
    }

    /// Polls a future, and returns whether it is ready.
    fn polled<'a>(
        mut future: std::pin::Pin<&'a mut (impl Future<Output = ()> + 'a)>,
    ) -> impl FnMut() -> bool + 'a {
        move || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            future.as_mut().poll(&mut context).is_ready()
        }
    }

    #[test]
    fn the_rule() {
        let up = |health: &Health| health.bus(true);
        let down = |health: &Health| health.bus(false);
        let no_bus = "no snapshot and not connected to the bus";
        let too_early = "no snapshot and the start delay has not passed";
        check(false, &[], "ok");
        check(false, &[Health::drain], "draining");
        check(true, &[], no_bus);
        check(true, &[Health::delay_passed], no_bus);
        check(true, &[up], too_early);
        check(true, &[up, down, Health::delay_passed], no_bus);
        check(true, &[up, Health::delay_passed], "ok");
        check(true, &[Health::delay_passed, up], "ok");
        check(true, &[Health::delay_passed, up, down], "ok");
        check(true, &[Health::snapshot_loaded], "ok");
        check(true, &[Health::snapshot_loaded, Health::drain], "draining");
    }
}

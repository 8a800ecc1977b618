//! A bus that loses, doubles, delays and reorders.

use std::collections::BTreeMap;

use fastrand::Rng;
use protocol::bus::dea::{Exited, Heartbeat, StopInstances};
use protocol::bus::health::{DesiredProcess, StartMissing, StopSurplus};

/// What is on its way.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// From a DEA to controller and health manager; each hears it, or not, for itself.
    Heartbeat(Listener, Heartbeat),
    Exited(Exited),
    /// To a DEA.
    Start(String, Order),
    Stop(String, StopInstances),
    /// From the controller to the health manager.
    Desired(u64, Vec<DesiredProcess>),
    Updated(DesiredProcess),
    /// From the health manager to the controller.
    Missing(StartMissing),
    Surplus(StopSurplus),
}

/// Who hears a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Controller,
    HealthManager,
}

/// An instance to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) process: String,
    pub(crate) version: String,
    pub(crate) index: u32,
}

/// Messages by the millisecond at which they arrive.
#[derive(Debug, Default)]
pub(crate) struct Network {
    due: BTreeMap<(u64, u64), Message>,
    sent: u64,
    /// Out of a hundred messages, so many are lost, and as many are doubled.
    pub(crate) trouble: u8,
    /// Nothing gets through until then.
    pub(crate) away_until: u64,
}

impl Network {
    pub(crate) fn send(&mut self, message: Message, now: u64, chance: &mut Rng) {
        if now < self.away_until || chance.u8(..100) < self.trouble {
            return;
        }
        let is_doubled = chance.u8(..100) < self.trouble;
        for message in [Some(message.clone()), is_doubled.then_some(message)] {
            let Some(message) = message else { continue };
            let delay = if self.trouble > 0 {
                chance.u64(1..800)
            } else {
                chance.u64(1..20)
            };
            self.sent += 1;
            self.due.insert((now + delay, self.sent), message);
        }
    }

    /// Takes the next message that has arrived by `now`.
    pub(crate) fn arrived(&mut self, now: u64) -> Option<Message> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(crate) fn lose_all(&mut self) {
        self.due.clear();
    }
}

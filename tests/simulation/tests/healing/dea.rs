//! DEAs that run what they are told, unless they are off or cut off.

use protocol::bus::dea::{Heartbeat, InstanceBeat, InstanceState, StopInstances};

use crate::network::{Listener, Message, Order};
use crate::world::World;

const BEAT: u64 = 2_000;
/// How long instances start.
const START: u64 = 1_500;
/// How long a loss is unknown: a heartbeat and a half, and what messages take.
const UNKNOWN: u64 = 4_000;

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) order: Order,
    pub(crate) born: u64,
}

#[derive(Debug)]
pub(crate) struct Dea {
    pub(crate) name: String,
    pub(crate) instances: Vec<Instance>,
    /// It is off until then.
    pub(crate) off_until: u64,
    /// Nobody reaches it until then.
    pub(crate) cut_until: u64,
    pub(crate) next_beat: u64,
}

impl World {
    pub(super) fn beat(&mut self, number: usize) {
        let now = self.now;
        let dea = &mut self.deas[number];
        if now < dea.next_beat {
            return;
        }
        dea.next_beat = now + BEAT;
        if now < dea.off_until || now < dea.cut_until {
            return;
        }
        let beat = |instance: &Instance| InstanceBeat {
            droplet: instance.order.process.clone(),
            version: instance.order.version.clone(),
            instance: instance.id.clone(),
            index: instance.order.index,
            state: if now >= instance.born + START {
                InstanceState::Running
            } else {
                InstanceState::Starting
            },
            state_timestamp: instance.born as f64,
            ..InstanceBeat::default()
        };
        let heartbeat = Heartbeat {
            dea: dea.name.clone(),
            droplets: dea.instances.iter().map(beat).collect(),
        };
        for listener in [Listener::Controller, Listener::HealthManager] {
            let message = Message::Heartbeat(listener, heartbeat.clone());
            self.network.send(message, now, &mut self.chance);
        }
    }

    pub(super) fn reachable(&mut self, name: &str) -> Option<&mut Dea> {
        let now = self.now;
        let dea = self.deas.iter_mut().find(|dea| dea.name == name)?;
        (now >= dea.off_until && now >= dea.cut_until).then_some(dea)
    }

    pub(super) fn launch(&mut self, name: &str, order: Order) {
        self.counter += 1;
        let (id, born) = (format!("i{}", self.counter), self.now);
        if let Some(dea) = self.reachable(name)
            && !dea.instances.iter().any(|one| one.order == order)
        {
            dea.instances.push(Instance { id, order, born });
        }
    }

    pub(super) fn halt(&mut self, name: &str, stop: &StopInstances) {
        let is_meant = |one: &Instance| {
            let order = &one.order;
            order.process == stop.droplet
                && stop.version.as_ref().is_none_or(|it| *it == order.version)
                && (stop.indices.as_ref()).is_none_or(|all| all.contains(&order.index))
                && (stop.instances.as_ref()).is_none_or(|all| all.contains(&one.id))
        };
        let before = self.serving(&stop.droplet);
        if let Some(dea) = self.reachable(name) {
            dea.instances.retain(|one| !is_meant(one));
        }
        // Only a repair names instances by their ids.
        if stop.instances.is_some() && self.desired[&stop.droplet].instances > 0 {
            let after = self.serving(&stop.droplet);
            let is_served = before == 0 || after > 0 || self.lost_lately(&stop.droplet);
            assert!(is_served, "the last good instance was stopped");
        }
    }

    /// Whether an instance of a process was lost so lately that nobody can know.
    pub(super) fn lost_lately(&self, process: &str) -> bool {
        let lately = |lost: &u64| self.now < lost + UNKNOWN;
        self.lost.get(process).is_some_and(lately)
    }

    /// How many instances of a process serve, of whatever version.
    pub(super) fn serving(&self, process: &str) -> usize {
        let all = self.deas.iter().flat_map(|dea| &dea.instances);
        all.filter(|one| one.order.process == process && self.now >= one.born + START)
            .count()
    }
}

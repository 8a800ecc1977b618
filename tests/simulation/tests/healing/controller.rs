//! A controller by the rules that ship.

use std::collections::BTreeSet;

use controller_core::plan::{Desired, Step, Surplus};
use protocol::bus::dea::StopInstances;
use protocol::bus::health::{StartMissing, StopSurplus};

use crate::network::{Message, Order};
use crate::world::World;

impl World {
    /// The controller compares what shall run with what does.
    pub(super) fn converge(&mut self, process: &str) {
        let Some(goal) = self.desired.get(process).cloned() else {
            return;
        };
        let desired = Desired {
            process: goal.droplet,
            version: goal.version.clone(),
            instances: goal.instances,
        };
        let tick = self.tick();
        for step in self.observed.plan(&desired, tick) {
            match step {
                Step::Stop(stop) => self.stop(&stop),
                Step::Start { process, index } => self.start(Order {
                    process,
                    version: goal.version.clone(),
                    index,
                }),
            }
        }
    }

    pub(super) fn start(&mut self, order: Order) {
        let silent: BTreeSet<String> = self.observed.silent(self.tick()).into_iter().collect();
        let heard = self.deas.iter().filter(|dea| !silent.contains(&dea.name));
        let names: Vec<String> = heard.map(|dea| dea.name.clone()).collect();
        if let Some(dea) = self.chance.choice(names) {
            self.network
                .send(Message::Start(dea, order), self.now, &mut self.chance);
        } else {
            self.observed
                .not_placed(&order.process, &order.version, order.index);
        }
    }

    pub(super) fn stop(&mut self, stop: &StopInstances) {
        for dea in &self.deas {
            let message = Message::Stop(dea.name.clone(), stop.clone());
            self.network.send(message, self.now, &mut self.chance);
        }
    }

    /// The controller looks at a wish of the health manager again.
    pub(super) fn start_missing(&mut self, missing: &StartMissing) {
        let tick = self.tick();
        let goal = self.desired.get(&missing.droplet).cloned();
        let Some(goal) = goal.filter(|goal| goal.version == missing.version) else {
            return;
        };
        for index in missing.indices.iter().copied() {
            let is_wanted = index < goal.instances;
            if is_wanted
                && self
                    .observed
                    .reserve(&goal.droplet, &goal.version, index, tick)
            {
                self.start(Order {
                    process: goal.droplet.clone(),
                    version: goal.version.clone(),
                    index,
                });
            }
        }
    }

    pub(super) fn stop_surplus(&mut self, surplus: &StopSurplus) {
        let goal = self.desired.get(&surplus.droplet);
        let of = Surplus {
            process: &surplus.droplet,
            goal: goal.map(|goal| (goal.version.as_str(), goal.instances)),
        };
        let instances = self.observed.surplus(of, &surplus.instances, self.tick());
        if !instances.is_empty() {
            self.stop(&StopInstances {
                droplet: surplus.droplet.clone(),
                instances: Some(instances),
                ..StopInstances::default()
            });
        }
    }
}

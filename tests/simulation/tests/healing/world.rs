//! Machines, a bus, a health manager by the rules that ship, and trouble.

use std::collections::{BTreeMap, BTreeSet};

use component_core::tick::Tick;
use controller_core::plan::Observed;
use fastrand::Rng;
use health_manager_core::policy::Policy;
use health_manager_core::{Planner, Repair};
use protocol::bus::dea::{ExitReason, Exited};
use protocol::bus::health::{DesiredProcess, StartMissing, StopSurplus};

use crate::dea::{Dea, Instance};
use crate::network::{Listener, Message, Network, Order};

/// A step of the clock, in milliseconds.
const STEP: u64 = 100;
const TROUBLE: u64 = 300_000;
/// Long enough for the longest pause that the crashes of the time before lead to.
const QUIET: u64 = 240_000;
const ROUND: u64 = 1_000;
const REFRESH: u64 = 30_000;
/// Crashes that one index may have: more would only make it wait.
const CRASHES: u32 = 3;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: Rng,
    pub(crate) network: Network,
    pub(crate) deas: Vec<Dea>,
    pub(crate) desired: BTreeMap<String, DesiredProcess>,
    pub(crate) observed: Observed,
    planner: Planner,
    refreshed: Option<u64>,
    bus_was_away: bool,
    crashes: BTreeMap<(String, u32), u32>,
    /// When each process lost an instance the last time.
    pub(crate) lost: BTreeMap<String, u64>,
    pub(crate) counter: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let deas = (0..3).map(|number| Dea {
            name: format!("dea-{number}"),
            instances: Vec::new(),
            off_until: 0,
            cut_until: 0,
            next_beat: number * 300,
        });
        let mut world = Self {
            now: 0,
            chance: Rng::with_seed(seed),
            network: Network::default(),
            deas: deas.collect(),
            desired: BTreeMap::new(),
            observed: Observed::default(),
            planner: Planner::new(Policy::default()),
            refreshed: None,
            bus_was_away: false,
            crashes: BTreeMap::new(),
            lost: BTreeMap::new(),
            counter: 0,
        };
        world.planner.bus_back(world.tick());
        for name in ["a", "b", "c", "d"] {
            let instances = world.chance.u32(1..5);
            world.change(name, instances, true);
        }
        world
    }

    /// Lets everything happen that can.
    pub(crate) fn live_through_trouble(&mut self) {
        self.network.trouble = 3;
        while self.now < TROUBLE {
            if self.chance.u8(..200) == 0 {
                self.happen();
            }
            self.step();
        }
    }

    /// Lets nothing more happen, and waits.
    pub(crate) fn settle(&mut self) {
        self.network.trouble = 0;
        let end = self.now + QUIET;
        while self.now < end {
            self.step();
        }
    }

    /// Each index of what shall run runs once, and nothing else does.
    pub(crate) fn assert_healed(&self) {
        let mut running: BTreeMap<(&str, &str, u32), u32> = BTreeMap::new();
        for instance in self.deas.iter().flat_map(|dea| &dea.instances) {
            let Order {
                process,
                version,
                index,
            } = &instance.order;
            *running.entry((process, version, *index)).or_default() += 1;
        }
        let mut expected = BTreeMap::new();
        for goal in self.desired.values() {
            for index in 0..goal.instances {
                expected.insert((goal.droplet.as_str(), goal.version.as_str(), index), 1);
            }
        }
        assert_eq!(running, expected);
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick::from_millis(self.now)
    }

    fn step(&mut self) {
        self.now += STEP;
        self.follow_the_bus();
        while let Some(message) = self.network.arrived(self.now) {
            self.receive(message);
        }
        for number in 0..self.deas.len() {
            self.beat(number);
        }
        if self.now.is_multiple_of(ROUND) {
            self.repair();
        }
        // As the controller's worker does, again and again.
        if self.now.is_multiple_of(3 * ROUND) {
            for process in self.observed.overdue(self.tick()) {
                self.converge(&process);
            }
        }
    }

    fn follow_the_bus(&mut self) {
        let is_away = self.now < self.network.away_until;
        if is_away && !self.bus_was_away {
            self.planner.bus_lost();
        } else if !is_away && self.bus_was_away {
            let tick = self.tick();
            self.planner.bus_back(tick);
        }
        self.bus_was_away = is_away;
    }

    /// One of the things that go wrong, or that somebody wants.
    fn happen(&mut self) {
        let number = self.chance.usize(..self.deas.len());
        let span = self.chance.u64(2_000..40_000);
        match self.chance.u8(..7) {
            0 => self.crash_instance(number),
            1 => {
                // A machine ends with all that runs on it.
                let dea = &mut self.deas[number];
                let lost = dea.instances.drain(..).map(|one| one.order.process);
                self.lost.extend(lost.map(|process| (process, self.now)));
                dea.off_until = self.now + span;
            }
            2 => self.deas[number].cut_until = self.now + span,
            3 => {
                self.network.lose_all();
                self.network.away_until = self.now + span.min(20_000);
            }
            4 => {
                // The health manager starts anew.
                self.planner = Planner::new(Policy::default());
                self.planner.bus_back(self.tick());
                self.refreshed = None;
            }
            5 => {
                // The controller starts anew.
                self.observed = Observed::default();
            }
            _ => {
                let name = self.chance.choice(["a", "b", "c", "d"]).unwrap();
                let instances = self.chance.u32(0..5);
                let is_new = self.chance.bool();
                self.change(name, instances, is_new);
            }
        }
    }

    fn crash_instance(&mut self, number: usize) {
        let dea = &mut self.deas[number];
        if dea.instances.is_empty() {
            return;
        }
        let which = self.chance.usize(..dea.instances.len());
        let order = &dea.instances[which].order;
        let count = self
            .crashes
            .entry((order.process.clone(), order.index))
            .or_default();
        if *count >= CRASHES {
            return;
        }
        *count += 1;
        let Instance { id, order, .. } = dea.instances.remove(which);
        self.lost.insert(order.process.clone(), self.now);
        let exited = Exited {
            droplet: order.process,
            version: order.version,
            instance: id,
            index: order.index,
            reason: ExitReason::Crashed,
            ..Exited::default()
        };
        if self.now >= dea.cut_until {
            self.network
                .send(Message::Exited(exited), self.now, &mut self.chance);
        }
    }

    /// Somebody wants a process to be otherwise.
    fn change(&mut self, name: &str, instances: u32, is_new: bool) {
        self.counter += 1;
        let version = match self.desired.get(name) {
            Some(known) if !is_new => known.version.clone(),
            _ => format!("v{}", self.counter),
        };
        let goal = DesiredProcess {
            droplet: name.to_owned(),
            version,
            instances,
        };
        self.desired.insert(name.to_owned(), goal.clone());
        self.network
            .send(Message::Updated(goal), self.now, &mut self.chance);
        self.converge(name);
    }

    fn repair(&mut self) {
        let tick = self.tick();
        if self.refreshed.is_none_or(|at| self.now >= at + REFRESH) {
            self.refreshed = Some(self.now);
            let all = self.desired.values().cloned().collect();
            let message = Message::Desired(self.now, all);
            self.network.send(message, self.now, &mut self.chance);
        }
        let Ok(repairs) = self.planner.plan(tick) else {
            return;
        };
        let mut starts = BTreeSet::new();
        for repair in repairs {
            let message = match repair {
                Repair::Start {
                    process,
                    version,
                    index,
                } => {
                    assert!(
                        starts.insert((process.clone(), index)),
                        "one repair an index"
                    );
                    Message::Missing(StartMissing {
                        droplet: process,
                        version,
                        indices: vec![index],
                    })
                }
                Repair::Stop { process, instances } => Message::Surplus(StopSurplus {
                    droplet: process,
                    instances,
                }),
            };
            self.network.send(message, self.now, &mut self.chance);
        }
    }

    fn receive(&mut self, message: Message) {
        let tick = self.tick();
        match message {
            Message::Heartbeat(Listener::Controller, heartbeat) => {
                if self.observed.heard(&heartbeat, tick) {
                    for process in self.observed.of_dea(&heartbeat.dea) {
                        self.converge(&process);
                    }
                }
            }
            Message::Heartbeat(Listener::HealthManager, heartbeat) => {
                self.planner.heard(heartbeat, tick);
            }
            Message::Exited(exited) => self.planner.exited(&exited, tick),
            Message::Desired(began, all) => {
                self.planner.begin_desired();
                self.planner.desired_part(all);
                self.planner.end_desired(Tick::from_millis(began), tick);
            }
            Message::Updated(goal) => {
                let process = goal.droplet.clone();
                // It is asked for anew: only the latest counts.
                let latest = self.desired.get(&process).cloned();
                self.planner.desired_one(&process, latest, tick);
            }
            Message::Missing(missing) => self.start_missing(&missing),
            Message::Surplus(surplus) => self.stop_surplus(&surplus),
            Message::Start(dea, order) => self.launch(&dea, order),
            Message::Stop(dea, stop) => self.halt(&dea, &stop),
        }
    }
}

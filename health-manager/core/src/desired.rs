//! What shall run, as the controller says.

use std::collections::BTreeMap;

use component_core::tick::Tick;
use protocol::bus::health::DesiredProcess;

/// How a process shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) version: String,
    /// How many instances; 0 when it is stopped.
    pub(crate) instances: u32,
    /// Since when it is known to be so.
    pub(crate) since: Tick,
}

/// All that shall run.
#[derive(Clone, Debug, Default)]
pub(crate) struct DesiredState {
    goals: BTreeMap<String, Goal>,
    /// A list that is being read.
    reading: BTreeMap<String, DesiredProcess>,
    /// When reading the last whole list began.
    read_at: Option<Tick>,
}

impl DesiredState {
    /// Begins to read a list from its beginning.
    pub(crate) fn begin(&mut self) {
        self.reading.clear();
    }

    /// Takes a part of the list.
    pub(crate) fn part(&mut self, processes: Vec<DesiredProcess>) {
        let named = processes.into_iter().map(|one| (one.droplet.clone(), one));
        self.reading.extend(named);
    }

    /// The list is whole. It is as old as its beginning: `began`.
    pub(crate) fn end(&mut self, began: Tick, now: Tick) {
        let read = std::mem::take(&mut self.reading);
        self.goals.retain(|process, _| read.contains_key(process));
        for (_, process) in read {
            self.one(process, now);
        }
        self.read_at = Some(began);
    }

    /// Takes what shall be of one process.
    pub(crate) fn one(&mut self, process: DesiredProcess, now: Tick) {
        let DesiredProcess {
            droplet,
            version,
            instances,
        } = process;
        let known = self.goals.get(&droplet);
        let since = known.filter(|goal| goal.version == version && goal.instances == instances);
        let goal = Goal {
            since: since.map_or(now, |goal| goal.since),
            version,
            instances,
        };
        self.goals.insert(droplet, goal);
    }

    /// Forgets a process that there is none of any more.
    pub(crate) fn none(&mut self, process: &str) {
        self.goals.remove(process);
    }

    /// When the last whole list was read.
    pub(crate) fn read_at(&self) -> Option<Tick> {
        self.read_at
    }

    pub(crate) fn goals(&self) -> &BTreeMap<String, Goal> {
        &self.goals
    }
}

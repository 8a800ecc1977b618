//! What runs, as heartbeats tell.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use component_core::tick::Tick;
use protocol::bus::dea::{Heartbeat, InstanceBeat, InstanceState};

/// Instances that one DEA may tell of. Those beyond are ignored.
const MOST_INSTANCES: usize = 20_000;
/// DEAs that are known. At one more, the heartbeat is ignored.
const MOST_DEAS: usize = 10_000;

/// An instance that was heard of.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) process: String,
    pub(crate) version: String,
    pub(crate) index: u32,
    pub(crate) state: InstanceState,
    /// Since when it is in that state, in seconds since 1970, by the clock of its DEA.
    pub(crate) since: f64,
    /// When it was heard of first.
    pub(crate) first: Tick,
}

impl Seen {
    /// Whether it serves, or is about to.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.state, InstanceState::Starting | InstanceState::Running)
    }
}

#[derive(Clone, Debug)]
struct Dea {
    last: Tick,
    instances: Vec<Seen>,
}

/// All that runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActualState {
    deas: BTreeMap<String, Dea>,
}

impl ActualState {
    /// Takes what a DEA says that it has: all of it.
    pub(crate) fn heard(&mut self, heartbeat: Heartbeat, now: Tick) {
        if self.deas.len() >= MOST_DEAS && !self.deas.contains_key(&heartbeat.dea) {
            return;
        }
        let before = self.deas.remove(&heartbeat.dea);
        let first: HashMap<&str, Tick> = before
            .iter()
            .flat_map(|dea| &dea.instances)
            .map(|seen| (seen.id.as_str(), seen.first))
            .collect();
        let beats = heartbeat.droplets.into_iter().take(MOST_INSTANCES);
        let seen = |beat: InstanceBeat| Seen {
            first: first.get(beat.instance.as_str()).copied().unwrap_or(now),
            id: beat.instance,
            process: beat.droplet,
            version: beat.version,
            index: beat.index,
            state: beat.state,
            since: beat.state_timestamp,
        };
        let instances = beats.map(seen).collect();
        let dea = Dea {
            last: now,
            instances,
        };
        self.deas.insert(heartbeat.dea, dea);
    }

    /// An instance has ended.
    pub(crate) fn ended(&mut self, id: &str) {
        for dea in self.deas.values_mut() {
            dea.instances.retain(|seen| seen.id != id);
        }
    }

    /// Forgets DEAs that were silent for `patience`, and with them what they ran.
    pub(crate) fn forget_silent(&mut self, patience: Duration, now: Tick) {
        self.deas.retain(|_, dea| now.since(dea.last) <= patience);
    }

    /// Everything that was heard, by process.
    pub(crate) fn by_process(&self) -> HashMap<&str, Vec<&Seen>> {
        let mut all: HashMap<&str, Vec<&Seen>> = HashMap::new();
        for seen in self.deas.values().flat_map(|dea| &dea.instances) {
            all.entry(&seen.process).or_default().push(seen);
        }
        all
    }
}

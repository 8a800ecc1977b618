//! The planner: what it was told, and what it makes of it.

use std::collections::BTreeMap;
use std::fmt;

use component_core::tick::Tick;
use protocol::bus::dea::{ExitReason, Exited, Heartbeat, InstanceState};
use protocol::bus::health::DesiredProcess;

use crate::actual::{ActualState, Seen};
use crate::crashes::Crashes;
use crate::desired::{DesiredState, Goal};
use crate::policy::Policy;
use crate::repair::Repair;

/// Why nothing is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The bus is away.
    NoBus,
    /// DEAs have not been listened to for long enough.
    Listening,
    /// No controller has said what shall run.
    DesiredUnknown,
    /// What a controller said is too old.
    DesiredStale,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBus => "the bus is away",
            Self::Listening => "DEAs have not been heard for long enough",
            Self::DesiredUnknown => "no controller has said what shall run",
            Self::DesiredStale => "no controller has said for too long what shall run",
        })
    }
}

/// Plans repairs.
#[derive(Clone, Debug)]
pub struct Planner {
    policy: Policy,
    desired: DesiredState,
    actual: ActualState,
    crashes: Crashes,
    /// Instances that were to be started, and when.
    starts: BTreeMap<(String, String, u32), Tick>,
    /// Instances that were to be stopped, by their ids, and when.
    stops: BTreeMap<String, Tick>,
    /// Processes that run and that the controller does not know, and since when.
    unknown: BTreeMap<String, Tick>,
    /// Since when the bus is there without a break.
    listening: Option<Tick>,
}

/// A repair of a process of which this part is missing.
type Ranked = (f64, Repair);

impl Planner {
    /// A planner that knows nothing yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            desired: DesiredState::default(),
            actual: ActualState::default(),
            crashes: Crashes::default(),
            starts: BTreeMap::new(),
            stops: BTreeMap::new(),
            unknown: BTreeMap::new(),
            listening: None,
        }
    }

    /// The bus is there.
    pub fn bus_back(&mut self, now: Tick) {
        self.listening = Some(now);
    }

    /// The bus is away, or messages were lost.
    pub fn bus_lost(&mut self) {
        self.listening = None;
    }

    /// A DEA says what it has.
    pub fn heard(&mut self, heartbeat: Heartbeat, now: Tick) {
        self.actual.heard(heartbeat, now);
    }

    /// An instance has ended.
    pub fn exited(&mut self, exited: &Exited, now: Tick) {
        self.actual.ended(&exited.instance);
        if exited.reason == ExitReason::Crashed {
            let Exited {
                droplet, version, ..
            } = exited;
            self.crashes.add(droplet, version, exited.index, now);
        }
        // What was on its way has come, and is gone.
        let key = (exited.droplet.clone(), exited.version.clone(), exited.index);
        self.starts.remove(&key);
    }

    /// A list of what shall run begins.
    pub fn begin_desired(&mut self) {
        self.desired.begin();
    }

    /// A part of the list.
    pub fn desired_part(&mut self, processes: Vec<DesiredProcess>) {
        self.desired.part(processes);
    }

    /// The list, which was begun at `began`, is whole.
    pub fn end_desired(&mut self, began: Tick, now: Tick) {
        self.desired.end(began, now);
    }

    /// What shall be of one process; none when there is no such process.
    pub fn desired_one(&mut self, process: &str, desired: Option<DesiredProcess>, now: Tick) {
        match desired {
            Some(desired) => self.desired.one(desired, now),
            None => self.desired.none(process),
        }
    }

    /// Returns whether enough is known to act on.
    ///
    /// # Errors
    /// What it waits for.
    pub fn ready(&self, now: Tick) -> Result<(), Wait> {
        let since = self.listening.ok_or(Wait::NoBus)?;
        // DEAs come back to the bus each in its time, and are then heard within a beat.
        if now.since(since) < self.policy.patience() * 2 {
            return Err(Wait::Listening);
        }
        let read_at = self.desired.read_at().ok_or(Wait::DesiredUnknown)?;
        if now.since(read_at) > self.policy.desired_lifetime {
            return Err(Wait::DesiredStale);
        }
        Ok(())
    }

    /// Returns what is to be repaired, what is missed most first. What it returns counts as on its way
    /// from now on.
    ///
    /// # Errors
    /// Why nothing is planned.
    pub fn plan(&mut self, now: Tick) -> Result<Vec<Repair>, Wait> {
        let policy = self.policy;
        self.actual.forget_silent(policy.patience(), now);
        self.crashes.forget(now);
        let is_fresh = |at: &Tick| now.since(*at) < policy.on_its_way;
        self.starts.retain(|_, at| is_fresh(at));
        self.stops.retain(|_, at| is_fresh(at));
        self.ready(now)?;
        let seen = self.actual.by_process();
        let mut ranked: Vec<Ranked> = Vec::new();
        for (process, goal) in self.desired.goals() {
            let seen = seen.get(process.as_str()).map_or(&[][..], Vec::as_slice);
            // Whoever changed it brings it about.
            if now.since(goal.since) >= policy.patience() && !is_well(goal, seen) {
                self.repair(process, goal, seen, now, &mut ranked);
            }
        }
        let goals = self.desired.goals();
        let strangers = seen.iter().filter(|(one, _)| !goals.contains_key(**one));
        // In their order, so that the same is planned from the same.
        let strangers: BTreeMap<_, _> = strangers.collect();
        let mut unknown = BTreeMap::new();
        for (process, seen) in strangers {
            let since = self.unknown.get(*process).copied().unwrap_or(now);
            unknown.insert((*process).to_owned(), since);
            if now.since(since) >= policy.gone {
                ranked.extend(self.stop(process, seen.iter().copied()));
            }
        }
        drop(seen);
        self.unknown = unknown;
        ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        ranked.truncate(policy.at_once);
        let repairs: Vec<Repair> = ranked.into_iter().map(|(_, repair)| repair).collect();
        repairs.iter().for_each(|repair| self.note(repair, now));
        Ok(repairs)
    }

    /// Adds what is to be repaired of one process.
    fn repair(
        &self,
        process: &str,
        goal: &Goal,
        seen: &[&Seen],
        now: Tick,
        ranked: &mut Vec<Ranked>,
    ) {
        let of_goal = |one: &&&Seen| one.version == goal.version && one.index < goal.instances;
        let mut alive: BTreeMap<u32, Vec<&Seen>> = BTreeMap::new();
        for one in seen.iter().filter(of_goal).filter(|one| one.is_alive()) {
            alive.entry(one.index).or_default().push(one);
        }
        let runs = |index: &u32| {
            let all = alive.get(index).into_iter().flatten();
            all.into_iter()
                .any(|one| one.state == InstanceState::Running)
        };
        let running = (0..goal.instances).filter(runs).count();
        let missing: Vec<u32> = (0..goal.instances)
            .filter(|index| !alive.contains_key(index))
            .collect();
        for index in &missing {
            if self.may_start(process, goal, *index, running > 0, now) {
                let share = missing.len() as f64 / f64::from(goal.instances);
                let start = Repair::Start {
                    process: process.to_owned(),
                    version: goal.version.clone(),
                    index: *index,
                };
                ranked.push((share, start));
            }
        }
        let is_whole = running == usize::try_from(goal.instances).unwrap_or(usize::MAX);
        let is_surplus = |one: &&&Seen| {
            if one.version != goal.version || one.index >= goal.instances {
                // Nothing that serves is stopped before what shall serve does.
                return is_whole;
            }
            one.state == InstanceState::Evacuating && runs(&one.index)
        };
        let surplus = seen.iter().filter(is_surplus).copied();
        let doubled = self.doubled(alive.values(), now);
        ranked.extend(self.stop(process, surplus.chain(doubled)));
    }

    /// Whether a missing instance is to be started now.
    fn may_start(
        &self,
        process: &str,
        goal: &Goal,
        index: u32,
        others_run: bool,
        now: Tick,
    ) -> bool {
        let key = (process.to_owned(), goal.version.clone(), index);
        if self.starts.contains_key(&key) {
            return false;
        }
        match self.crashes.due(process, &goal.version, index) {
            // Where everything crashes, one instance alone is tried.
            Some(due) => now >= due && (index == 0 || others_run),
            None => true,
        }
    }

    /// Of the instances with one index, one that is too many, once it is certain that there are two.
    fn doubled<'a>(
        &self,
        alive: impl Iterator<Item = &'a Vec<&'a Seen>>,
        now: Tick,
    ) -> Option<&'a Seen> {
        let patience = self.policy.patience();
        alive.into_iter().find_map(|same| {
            let certain = same.iter().filter(|one| now.since(one.first) >= patience);
            let certain: Vec<&&Seen> = certain.collect();
            let runs = |one: &Seen| one.state == InstanceState::Running;
            if certain.len() < 2 || !certain.iter().any(|one| runs(one)) {
                return None;
            }
            // One that starts goes before one that runs, the youngest before its elders.
            let rank = |one: &Seen| (runs(one), -one.since);
            certain
                .into_iter()
                .min_by(|one, other| {
                    rank(one)
                        .partial_cmp(&rank(other))
                        .unwrap_or(std::cmp::Ordering::Equal)
                })
                .copied()
        })
    }

    /// Stops those of `instances` that were not to be stopped already.
    fn stop<'a>(&self, process: &str, instances: impl Iterator<Item = &'a Seen>) -> Option<Ranked> {
        let instances: BTreeMap<String, String> = instances
            .filter(|one| one.state != InstanceState::Crashed)
            .filter(|one| !self.stops.contains_key(&one.id))
            .map(|one| (one.id.clone(), one.version.clone()))
            .collect();
        // What runs for nothing is less urgent than what is missing.
        (!instances.is_empty()).then(|| {
            let process = process.to_owned();
            (0.0, Repair::Stop { process, instances })
        })
    }

    fn note(&mut self, repair: &Repair, now: Tick) {
        match repair {
            Repair::Start {
                process,
                version,
                index,
            } => {
                let key = (process.clone(), version.clone(), *index);
                self.starts.insert(key, now);
            }
            Repair::Stop { instances, .. } => {
                let ids = instances.keys().cloned();
                self.stops.extend(ids.map(|id| (id, now)));
            }
        }
    }
}

/// Whether just what shall run does, as nearly always. Of large processes it is not known this quickly.
fn is_well(goal: &Goal, seen: &[&Seen]) -> bool {
    let mut indices = 0_u64;
    let are_right = seen.iter().all(|one| {
        let bit = 1_u64.checked_shl(one.index).unwrap_or(0);
        let is_new = bit != 0 && indices & bit == 0;
        indices |= bit;
        let runs = one.state == InstanceState::Running && one.version == goal.version;
        is_new && runs && one.index < goal.instances
    });
    are_right && u32::try_from(seen.len()).is_ok_and(|count| count == goal.instances)
}

#[cfg(test)]
mod tests;

//! From what shall run and what runs to what is to be started and stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use component_core::tick::Tick;
use protocol::bus::dea::{FoundInstance, Heartbeat, InstanceBeat, InstanceState, StopInstances};

/// How long an instance that was asked for counts as on its way while no heartbeat names it.
pub const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// How long a DEA counts on its last heartbeat.
pub const HEARTBEAT_LIFETIME: Duration = Duration::from_secs(30);

/// How long a DEA is believed to run what it said that it runs: three heartbeats.
pub const BELIEVED: Duration = Duration::from_secs(6);
/// How long ago an instance must have been heard of for another one to be stopped because of it: a stop
/// can wait for the next heartbeat.
pub const CERTAIN: Duration = Duration::from_secs(3);

/// How a process shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The process.
    pub process: String,
    /// Its version. Instances of another one are obsolete.
    pub version: String,
    /// How many instances shall run; 0 for a process that is stopped.
    pub instances: u32,
}

/// A process of which somebody else says that too much of it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surplus<'a> {
    /// The process.
    pub process: &'a str,
    /// Its version and how many instances shall run; None when none shall.
    pub goal: Option<(&'a str, u32)>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start the instance with that index of the process.
    Start {
        /// The process.
        process: String,
        /// Which of its instances.
        index: u32,
    },
    /// Stop instances.
    Stop(StopInstances),
}

/// What runs, as far as it has been heard, and what is on its way.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When each DEA was heard, and the processes that it has instances of.
    deas: BTreeMap<String, (Tick, BTreeSet<String>)>,
    /// By process, what each DEA said of it, and when.
    heard: BTreeMap<String, BTreeMap<String, (Tick, Vec<InstanceBeat>)>>,
    /// By process, what was asked for and when.
    asked: BTreeMap<String, BTreeMap<Instance, Tick>>,
}

/// Version and index.
type Instance = (String, u32);

impl Observed {
    /// Notes what a DEA says that it runs. It names all that it has. Returns whether it is new, or was
    /// away.
    pub fn heard(&mut self, heartbeat: &Heartbeat, now: Tick) -> bool {
        let mut told: BTreeMap<&str, Vec<InstanceBeat>> = BTreeMap::new();
        for beat in &heartbeat.droplets {
            // A crash may be one from before it was asked for again.
            if beat.state != InstanceState::Crashed
                && let Some(asked) = self.asked.get_mut(&beat.droplet)
            {
                asked.remove(&(beat.version.clone(), beat.index));
            }
            told.entry(&beat.droplet).or_default().push(beat.clone());
        }
        let known = self.deas.get(&heartbeat.dea);
        let was_here = known.is_some_and(|(at, _)| now.since(*at) < HEARTBEAT_LIFETIME);
        self.left(&heartbeat.dea);
        let processes = told.keys().map(|process| (*process).to_owned()).collect();
        self.deas.insert(heartbeat.dea.clone(), (now, processes));
        for (process, instances) in told {
            let deas = self.heard.entry(process.to_owned()).or_default();
            deas.insert(heartbeat.dea.clone(), (now, instances));
        }
        !was_here
    }

    /// Notes that a DEA has ended, and its instances with it.
    pub fn left(&mut self, dea: &str) {
        let (_, processes) = self.deas.remove(dea).unwrap_or_default();
        for process in processes {
            if let Some(deas) = self.heard.get_mut(&process) {
                deas.remove(dea);
                if deas.is_empty() {
                    self.heard.remove(&process);
                }
            }
        }
    }

    /// Notes that an instance could not be asked for, so that it counts as missing.
    pub fn not_placed(&mut self, process: &str, version: &str, index: u32) {
        if let Some(asked) = self.asked.get_mut(process) {
            asked.remove(&(version.to_owned(), index));
        }
    }

    /// Returns whether an instance may be started because somebody else misses it: it neither lives nor is
    /// on its way. It counts as on its way then.
    pub fn reserve(&mut self, process: &str, version: &str, index: u32, now: Tick) -> bool {
        let lives = self
            .living(process, BELIEVED, now)
            .any(|beat| beat.version == version && beat.index == index);
        let instance = (version.to_owned(), index);
        let asked = self.asked.entry(process.to_owned()).or_default();
        let is_coming = asked
            .get(&instance)
            .is_some_and(|at| now.since(*at) < ON_ITS_WAY);
        if !lives && !is_coming {
            asked.insert(instance, now);
        }
        !lives && !is_coming
    }

    /// Returns which of `instances` (ids, each with its version) may be stopped because somebody else says
    /// that they are too much: without them as many run as shall.
    #[must_use]
    pub fn surplus(
        &self,
        of: Surplus<'_>,
        instances: &BTreeMap<String, String>,
        now: Tick,
    ) -> Vec<String> {
        let Some((version, count)) = of.goal.filter(|(_, count)| *count > 0) else {
            return instances.keys().cloned().collect();
        };
        let runs =
            |beat: &&InstanceBeat| beat.version == version && beat.state == InstanceState::Running;
        let running = self.living(of.process, CERTAIN, now).filter(runs);
        let running: BTreeMap<&str, u32> = running
            .map(|beat| (beat.instance.as_str(), beat.index))
            .collect();
        let mut left = running.clone();
        let mut stopped = Vec::new();
        for id in instances.keys() {
            let taken = left.remove(id.as_str());
            let served: BTreeSet<u32> = left
                .values()
                .copied()
                .filter(|index| *index < count)
                .collect();
            if u32::try_from(served.len()).unwrap_or(u32::MAX) >= count {
                stopped.push(id.clone());
            } else if let (Some(index), Some((id, _))) = (taken, running.get_key_value(id.as_str()))
            {
                left.insert(id, index);
            }
        }
        stopped
    }

    /// Returns the DEAs whose heartbeats have stopped.
    #[must_use]
    pub fn silent(&self, now: Tick) -> Vec<String> {
        let silent = self.deas.iter();
        let silent = silent.filter(|(_, (at, _))| now.since(*at) > BELIEVED);
        silent.map(|(dea, _)| dea.clone()).collect()
    }

    /// Returns what DEAs that were heard `within` that time say of the instances of a process that serve or
    /// are about to.
    fn living(
        &self,
        process: &str,
        within: Duration,
        now: Tick,
    ) -> impl Iterator<Item = &InstanceBeat> {
        let deas = self.heard.get(process).into_iter().flatten();
        let fresh = deas.filter(move |(_, (at, _))| now.since(*at) <= within);
        let all = fresh.flat_map(|(_, (_, beats))| beats);
        all.filter(|beat| matches!(beat.state, InstanceState::Starting | InstanceState::Running))
    }

    /// Returns the instances of a version of a process as heartbeats tell of them: without what they
    /// use.
    #[must_use]
    pub fn instances(&self, process: &str, version: &str, now: Tick) -> Vec<FoundInstance> {
        let beats = self.beats(process, now);
        let beats = beats.filter(|(_, beat)| beat.version == version);
        let found = beats.map(|(dea, beat)| FoundInstance {
            dea: dea.to_owned(),
            droplet: beat.droplet.clone(),
            version: beat.version.clone(),
            instance: beat.instance.clone(),
            index: beat.index,
            state: beat.state,
            state_timestamp: beat.state_timestamp,
            stats: None,
        });
        found.collect()
    }

    /// Returns the processes of which an instance was asked for and never heard of: the message is lost.
    #[must_use]
    pub fn overdue(&self, now: Tick) -> Vec<String> {
        let is_late = |asked: &BTreeMap<Instance, Tick>| {
            asked.values().any(|at| now.since(*at) >= ON_ITS_WAY)
        };
        let late = self.asked.iter().filter(|(_, asked)| is_late(asked));
        late.map(|(process, _)| process.clone()).collect()
    }

    /// Returns the processes that anything runs of.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        self.heard.keys().cloned().collect()
    }

    /// Returns the processes that a DEA has instances of.
    #[must_use]
    pub fn of_dea(&self, dea: &str) -> Vec<String> {
        let known = self.deas.get(dea).into_iter();
        known
            .flat_map(|(_, processes)| processes)
            .cloned()
            .collect()
    }

    /// Returns what is to be done until the process is as desired: first what stops, then what
    /// starts. What starts counts as on its way from now on, so that asking again starts nothing
    /// twice. An instance that has crashed is there: to start it again is not for a plan.
    pub fn plan(&mut self, desired: &Desired, now: Tick) -> Vec<Step> {
        let mut there = BTreeSet::new();
        let mut extra = BTreeSet::new();
        let mut obsolete = BTreeSet::new();
        for (version, index) in self.known(&desired.process, now) {
            if version != desired.version {
                obsolete.insert(version);
            } else if index >= desired.instances {
                extra.insert(index);
            } else {
                there.insert(index);
            }
        }
        let mut steps = Vec::new();
        let stop = |version: Option<String>, indices| {
            Step::Stop(StopInstances {
                droplet: desired.process.clone(),
                version,
                indices,
                instances: None,
            })
        };
        if desired.instances == 0 && !(extra.is_empty() && obsolete.is_empty()) {
            steps.push(stop(None, None));
        } else {
            steps.extend(
                obsolete
                    .into_iter()
                    .map(|version| stop(Some(version), None)),
            );
            if !extra.is_empty() {
                let indices = extra.into_iter().collect();
                steps.push(stop(Some(desired.version.clone()), Some(indices)));
            }
        }
        // What is on its way and shall not come has just been told to stop.
        let wanted =
            |(version, index): &Instance| *version == desired.version && *index < desired.instances;
        let mut asked = self.asked.remove(&desired.process).unwrap_or_default();
        asked.retain(|instance, at| wanted(instance) && now.since(*at) < ON_ITS_WAY);
        for index in (0..desired.instances).filter(|index| !there.contains(index)) {
            asked.insert((desired.version.clone(), index), now);
            steps.push(Step::Start {
                process: desired.process.clone(),
                index,
            });
        }
        if !asked.is_empty() {
            self.asked.insert(desired.process.clone(), asked);
        }
        steps
    }

    /// Returns all that runs of a process or is on its way.
    fn known(&self, process: &str, now: Tick) -> BTreeSet<Instance> {
        let heard = self.beats(process, now);
        let heard = heard.map(|(_, beat)| (beat.version.clone(), beat.index));
        let asked = self.asked.get(process).into_iter().flatten();
        let asked = asked.filter(|(_, at)| now.since(**at) < ON_ITS_WAY);
        heard
            .chain(asked.map(|(instance, _)| instance.clone()))
            .collect()
    }

    /// Returns what DEAs said of a process that still counts, each with its DEA.
    fn beats(&self, process: &str, now: Tick) -> impl Iterator<Item = (&str, &InstanceBeat)> {
        let deas = self.heard.get(process).into_iter().flatten();
        let fresh = deas.filter(move |(_, (at, _))| now.since(*at) < HEARTBEAT_LIFETIME);
        fresh.flat_map(|(dea, (_, beats))| beats.iter().map(move |beat| (dea.as_str(), beat)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::bus::dea::InstanceState;

    use super::*;

    const NOW: Tick = Tick::from_millis(1_000_000);

    fn desired(version: &str, instances: u32) -> Desired {
        Desired {
            process: "p".to_owned(),
            version: version.to_owned(),
            instances,
        }
    }

    fn heartbeat(running: &[(&str, u32)]) -> Heartbeat {
        let beat = |(version, index): &(&str, u32)| InstanceBeat {
            droplet: "p".to_owned(),
            version: (*version).to_owned(),
            index: *index,
            instance: format!("{version}.{index}"),
            state: InstanceState::Running,
            ..InstanceBeat::default()
        };
        Heartbeat {
            dea: "d".to_owned(),
            droplets: running.iter().map(beat).collect(),
        }
    }

    fn observed(running: &[(&str, u32)]) -> Observed {
        let mut observed = Observed::default();
        assert!(observed.heard(&heartbeat(running), NOW));
        observed
    }

    fn told(steps: &[Step]) -> Vec<String> {
        let tell = |step: &Step| match step {
            Step::Start { index, .. } => format!("start {index}"),
            Step::Stop(stop) => {
                let version = stop.version.as_deref().unwrap_or("all");
                stop.indices.as_ref().map_or_else(
                    || format!("stop {version}"),
                    |indices| format!("stop {version} {indices:?}"),
                )
            }
        };
        steps.iter().map(tell).collect()
    }

    #[test]
    fn plans() {
        let check = |running: &[(&str, u32)], version, instances, expected: &[&str]| {
            let steps = observed(running).plan(&desired(version, instances), NOW);
            assert_eq!(told(&steps), expected, "{running:?} {version} {instances}");
        };
        check(&[], "1", 0, &[]);
        check(&[], "1", 2, &["start 0", "start 1"]);
        check(&[("1", 1)], "1", 2, &["start 0"]);
        check(&[("1", 0), ("1", 1), ("1", 2)], "1", 1, &["stop 1 [1, 2]"]);
        check(&[("1", 0)], "2", 1, &["stop 1", "start 0"]);
        check(
            &[("1", 0), ("2", 5)],
            "2",
            1,
            &["stop 1", "stop 2 [5]", "start 0"],
        );
        check(&[("1", 0)], "1", 0, &["stop all"]);
        check(&[("1", 0)], "2", 0, &["stop all"]);
    }

    #[test]
    fn what_is_on_its_way_is_not_started_again_but_is_stopped() {
        let mut observed = observed(&[]);
        let wanted = desired("1", 2);
        assert_eq!(told(&observed.plan(&wanted, NOW)), ["start 0", "start 1"]);
        assert_eq!(told(&observed.plan(&wanted, NOW)), [""; 0]);
        // A new version replaces what has not been heard yet.
        let restarted = desired("2", 1);
        assert_eq!(told(&observed.plan(&restarted, NOW)), ["stop 1", "start 0"]);
        observed.not_placed("p", "2", 0);
        assert_eq!(told(&observed.plan(&restarted, NOW)), ["start 0"]);
        let late = NOW.plus(ON_ITS_WAY);
        assert_eq!(
            (observed.overdue(NOW).len(), observed.overdue(late).len()),
            (0, 1)
        );
        assert_eq!(told(&observed.plan(&restarted, late)), ["start 0"]);
        assert_eq!(told(&observed.plan(&desired("2", 0), late)), ["stop all"]);
        assert_eq!(told(&observed.plan(&desired("2", 0), late)), [""; 0]);
    }

    #[test]
    fn instances_go_with_their_dea() {
        let wanted = desired("1", 1);
        let mut gone = observed(&[("1", 0)]);
        assert_eq!(
            (gone.of_dea("d"), gone.processes()),
            (vec!["p".to_owned()], vec!["p".to_owned()])
        );
        let count = |version| gone.instances("p", version, NOW).len();
        assert_eq!((count("1"), count("2")), (1, 0));
        gone.left("d");
        assert_eq!(told(&gone.plan(&wanted, NOW)), ["start 0"]);
        let mut silent = observed(&[("1", 0)]);
        assert!(!silent.heard(&heartbeat(&[("1", 0)]), NOW));
        let late = NOW.plus(HEARTBEAT_LIFETIME);
        assert!(silent.clone().heard(&heartbeat(&[]), late));
        assert_eq!(told(&silent.plan(&wanted, late)), ["start 0"]);
    }

    #[test]
    fn what_somebody_misses_is_started_unless_it_lives_or_is_on_its_way() {
        let mut observed = observed(&[("1", 0)]);
        assert!(!observed.reserve("p", "1", 0, NOW), "it lives");
        assert!(observed.reserve("p", "1", 1, NOW));
        assert!(!observed.reserve("p", "1", 1, NOW), "it is on its way");
        assert!(observed.reserve("p", "1", 1, NOW.plus(ON_ITS_WAY)));
        let late = NOW.plus(BELIEVED + Duration::from_millis(1));
        assert_eq!(observed.silent(NOW).len(), 0);
        assert_eq!(observed.silent(late), ["d"]);
        assert!(observed.reserve("p", "1", 0, late), "its DEA is silent");
    }

    #[test]
    fn what_is_too_much_is_stopped_unless_it_is_needed() {
        let check = |running: &[(&str, u32)], count, ids: &[&str], expected: &[&str]| {
            let observed = observed(running);
            let of = Surplus {
                process: "p",
                goal: Some(("1", count)),
            };
            let instances = ids.iter().map(|id| ((*id).to_owned(), String::new()));
            let stopped = observed.surplus(of, &instances.collect(), NOW);
            assert_eq!(stopped, expected, "{running:?} {count}");
        };
        check(&[("1", 0), ("1", 1)], 1, &["1.1"], &["1.1"]);
        check(&[("1", 0), ("1", 1)], 2, &["1.1"], &[]);
        check(&[("1", 0), ("2", 0)], 1, &["2.0"], &["2.0"]);
        check(&[("2", 0)], 1, &["2.0"], &[]);
        check(&[("1", 0), ("1", 1)], 0, &["1.0", "1.1"], &["1.0", "1.1"]);
        check(&[("1", 0), ("1", 1)], 1, &["1.0", "1.1"], &["1.1"]);
    }

    proptest! {
        #[test]
        fn a_plan_that_is_done_leaves_nothing_to_do(
            running in prop::collection::btree_set((0_u8..3, 0_u32..6), 0..10),
            version in 0_u8..3,
            instances in 0_u32..6,
        ) {
            let names = ["0", "1", "2"];
            let running: Vec<_> = running.iter().map(|(v, i)| (names[usize::from(*v)], *i)).collect();
            let mut observed = observed(&running);
            let version = names[usize::from(version)];
            let wanted = desired(version, instances);
            let mut after: BTreeSet<(&str, u32)> = running.iter().copied().collect();
            for step in observed.plan(&wanted, NOW) {
                match step {
                    Step::Start { index, .. } => prop_assert!(after.insert((version, index))),
                    Step::Stop(stop) => after.retain(|(of, index)| {
                        stop.version.as_deref().is_some_and(|version| version != *of)
                            || stop.indices.as_ref().is_some_and(|all| !all.contains(index))
                    }),
                }
            }
            let expected: BTreeSet<_> = (0..instances).map(|index| (version, index)).collect();
            prop_assert_eq!(&after, &expected);
            let after: Vec<_> = after.into_iter().collect();
            observed.heard(&heartbeat(&after), NOW);
            prop_assert_eq!(observed.plan(&wanted, NOW), vec![]);
        }
    }
}

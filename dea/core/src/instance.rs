//! One instance of a process, from the order to start it to its end.

use std::mem;
use std::net::IpAddr;

use protocol::bus::dea::{ExitReason, InstanceState, StartInstance};
use serde::{Deserialize, Serialize};

use crate::effect::{Effect, Report};
use crate::input::{Exit, Input};

/// One instance of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// The id that routers know it by, which nobody else is told: 64 hexadecimal digits.
    pub private_id: String,
    /// The order to start it, with the URIs and the version of the latest update.
    pub order: StartInstance,
    /// Its `$PORT`.
    pub port: u16,
    /// How far it has come.
    pub state: State,
    /// When its [public state](Self::public) began, in milliseconds since 1970.
    pub since_ms: u64,
}

/// How far an instance has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its droplet is on its way to this node.
    Fetching,
    /// Its container is being made, filled and started.
    Launching,
    /// It runs, but is not known to be well yet.
    Checking(Place),
    /// It serves.
    Running(Place),
    /// It serves until another one does: this node is being emptied.
    Evacuating(Place),
    /// It shall end.
    Stopping {
        /// What is awaited.
        step: StopStep,
        /// Why it shall end.
        reason: ExitReason,
    },
    /// Its container is being removed.
    Removing {
        /// The container.
        container: String,
        /// What it is after that.
        ending: Ending,
    },
    /// It has ended, and nothing of it is left.
    Ended(Ending),
}

/// The container of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The container's id.
    pub container: String,
    /// Its address.
    pub address: IpAddr,
}

/// What is awaited of an instance that shall end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopStep {
    /// The end of its launch.
    Launch,
    /// That the routers have noticed.
    Routers(String),
    /// That the process ends after a SIGTERM.
    Term(String),
    /// That the process ends after a SIGKILL.
    Kill(String),
}

/// How an instance has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was told to.
    Stopped,
    /// By itself, or because it could not start.
    Crashed,
}

impl Instance {
    /// Returns what the instance is doing, as far as others are told.
    #[must_use]
    pub fn public(&self) -> InstanceState {
        match &self.state {
            State::Fetching | State::Launching | State::Checking(_) => InstanceState::Starting,
            State::Running(_) => InstanceState::Running,
            State::Evacuating(_) => InstanceState::Evacuating,
            State::Stopping { .. } => InstanceState::Stopping,
            State::Removing { ending, .. } | State::Ended(ending) => match ending {
                Ending::Stopped if matches!(self.state, State::Removing { .. }) => {
                    InstanceState::Stopping
                }
                Ending::Stopped => InstanceState::Stopped,
                Ending::Crashed => InstanceState::Crashed,
            },
        }
    }

    /// Returns the container of an instance that serves or is about to.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match &self.state {
            State::Checking(place) | State::Running(place) | State::Evacuating(place) => {
                Some(place)
            }
            _ => None,
        }
    }

    /// Returns the id of its container, if it has one.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match &self.state {
            State::Checking(place) | State::Running(place) | State::Evacuating(place) => {
                Some(&place.container)
            }
            State::Stopping { step, .. } => match step {
                StopStep::Launch => None,
                StopStep::Routers(container)
                | StopStep::Term(container)
                | StopStep::Kill(container) => Some(container),
            },
            State::Removing { container, .. } => Some(container),
            State::Fetching | State::Launching | State::Ended(_) => None,
        }
    }

    /// Whether the routers are to know of it.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Running(_) | State::Evacuating(_))
    }

    /// Returns what has to be done first.
    #[must_use]
    pub fn begin(&self) -> Vec<Effect> {
        let index = self.order.index;
        vec![
            Effect::Remark(format!("Starting instance (index {index})")),
            Effect::Beat,
            Effect::Fetch,
        ]
    }

    /// Ends an instance that cannot be started here, for `reason`. It has no reservation.
    pub fn refuse(&mut self, reason: &str) -> Vec<Effect> {
        self.state = State::Ended(Ending::Crashed);
        self.crashed(Exit::unknown(), reason)
    }

    /// Takes note of what has happened at `now_ms`, and returns what has to be done about it, in this
    /// order. What comes too late, or is not awaited, changes nothing.
    pub fn step(&mut self, input: Input, now_ms: u64) -> Vec<Effect> {
        let before = self.public();
        let state = mem::replace(&mut self.state, State::Ended(Ending::Stopped));
        let (state, effects) = self.next(state, input);
        self.state = state;
        if self.public() != before {
            self.since_ms = now_ms;
        }
        effects
    }

    fn next(&self, state: State, input: Input) -> (State, Vec<Effect>) {
        match (state, input) {
            (State::Fetching, Input::Fetched { start_command }) => {
                (State::Launching, vec![Effect::Launch { start_command }])
            }
            (State::Fetching | State::Launching, Input::Failed(reason)) => {
                let mut effects = self.crashed(Exit::unknown(), &reason);
                effects.push(Effect::Release);
                (State::Ended(Ending::Crashed), effects)
            }
            (State::Launching, Input::Launched(place)) => {
                let effects = vec![
                    Effect::Watch(place.container.clone()),
                    Effect::Follow(place.container.clone()),
                    Effect::CheckHealth(place.address),
                ];
                (State::Checking(place), effects)
            }
            (State::Checking(place), Input::Healthy) => {
                let effects = vec![
                    Effect::Register(place.address),
                    Effect::Beat,
                    self.remark("is running"),
                ];
                (State::Running(place), effects)
            }
            (State::Checking(place), Input::Unhealthy) => {
                let why = "failed to start accepting connections";
                self.removed_after(place.container, self.crashed(Exit::unknown(), why))
            }
            (State::Checking(place), Input::Exited(exit)) => {
                self.removed_after(place.container, self.crashed(exit, exit.description()))
            }
            (State::Running(place) | State::Evacuating(place), Input::Exited(exit)) => {
                let mut effects = vec![Effect::Unregister];
                effects.extend(self.crashed(exit, exit.description()));
                self.removed_after(place.container, effects)
            }
            (State::Running(place), Input::Evacuate) => {
                let effects = vec![
                    Effect::Report(Report {
                        reason: ExitReason::DeaEvacuation,
                        status: -1,
                        description: "evacuating".to_owned(),
                    }),
                    Effect::Beat,
                ];
                (State::Evacuating(place), effects)
            }
            (state, Input::Stop) => self.stop(state, ExitReason::Stopped),
            (
                state @ (State::Fetching | State::Launching | State::Checking(_)),
                Input::Evacuate,
            ) => self.stop(state, ExitReason::DeaEvacuation),
            (State::Stopping { step, reason }, input) => self.ending(step, reason, input),
            (State::Removing { ending, .. }, Input::Removed) => {
                (State::Ended(ending), vec![Effect::Release])
            }
            (state, _) => (state, Vec::new()),
        }
    }

    fn stop(&self, state: State, reason: ExitReason) -> (State, Vec<Effect>) {
        let stopping = |step| State::Stopping { step, reason };
        let mut effects = vec![self.remark("is being stopped")];
        let state = match state {
            State::Fetching => {
                effects.extend([self.stopped(reason, -1), Effect::Release]);
                State::Ended(Ending::Stopped)
            }
            State::Launching => stopping(StopStep::Launch),
            State::Checking(Place { container, .. }) => {
                effects.push(Effect::Terminate(container.clone()));
                stopping(StopStep::Term(container))
            }
            State::Running(Place { container, .. })
            | State::Evacuating(Place { container, .. }) => {
                effects.extend([Effect::Unregister, Effect::AwaitRouters]);
                stopping(StopStep::Routers(container))
            }
            State::Ended(Ending::Crashed) => return (State::Ended(Ending::Stopped), Vec::new()),
            state => return (state, Vec::new()),
        };
        effects.push(Effect::Beat);
        (state, effects)
    }

    /// What becomes of an instance that shall end.
    fn ending(&self, step: StopStep, reason: ExitReason, input: Input) -> (State, Vec<Effect>) {
        let stopping = |step| State::Stopping { step, reason };
        match (step, input) {
            (StopStep::Launch, Input::Failed(_)) => {
                let effects = vec![self.stopped(reason, -1), Effect::Release];
                (State::Ended(Ending::Stopped), effects)
            }
            (StopStep::Launch, Input::Launched(Place { container, .. })) => {
                let effects = vec![self.stopped(reason, -1), Effect::Remove(container.clone())];
                let ending = Ending::Stopped;
                (State::Removing { container, ending }, effects)
            }
            (StopStep::Routers(container), Input::RoutersKnow) => {
                let effects = vec![Effect::Terminate(container.clone())];
                (stopping(StopStep::Term(container)), effects)
            }
            (StopStep::Term(container), Input::GraceOver) => {
                let effects = vec![Effect::Kill(container.clone())];
                (stopping(StopStep::Kill(container)), effects)
            }
            (
                StopStep::Routers(container)
                | StopStep::Term(container)
                | StopStep::Kill(container),
                Input::Exited(exit),
            ) => {
                let effects = vec![
                    self.stopped(reason, exit.status),
                    Effect::Remove(container.clone()),
                ];
                let ending = Ending::Stopped;
                (State::Removing { container, ending }, effects)
            }
            (step, _) => (stopping(step), Vec::new()),
        }
    }

    /// Goes on after a restart of this program, and returns what has to be done for it. Containers go
    /// on meanwhile; one of an instance that was being launched is to be removed before.
    pub fn resume(&mut self) -> Vec<Effect> {
        let attend = |container: &String| {
            let container = container.clone();
            [Effect::Watch(container.clone()), Effect::Follow(container)]
        };
        match &self.state {
            State::Fetching | State::Launching => {
                self.state = State::Fetching;
                vec![Effect::Fetch]
            }
            State::Checking(place) => {
                let mut effects = attend(&place.container).to_vec();
                effects.push(Effect::CheckHealth(place.address));
                effects
            }
            State::Running(place) | State::Evacuating(place) => {
                let mut effects = attend(&place.container).to_vec();
                effects.push(Effect::Register(place.address));
                effects
            }
            State::Stopping { step, reason } => match step {
                StopStep::Launch => {
                    let effects = vec![self.stopped(*reason, -1), Effect::Release];
                    self.state = State::Ended(Ending::Stopped);
                    effects
                }
                StopStep::Routers(container)
                | StopStep::Term(container)
                | StopStep::Kill(container) => {
                    let (container, reason) = (container.clone(), *reason);
                    let mut effects = attend(&container).to_vec();
                    effects.push(Effect::Terminate(container.clone()));
                    let step = StopStep::Term(container);
                    self.state = State::Stopping { step, reason };
                    effects
                }
            },
            State::Removing { container, .. } => {
                let [_, follow] = attend(container);
                vec![follow, Effect::Remove(container.clone())]
            }
            State::Ended(_) => Vec::new(),
        }
    }

    /// An instance that has crashed, after `effects` and once its container is gone.
    fn removed_after(&self, container: String, mut effects: Vec<Effect>) -> (State, Vec<Effect>) {
        effects.push(Effect::Remove(container.clone()));
        let ending = Ending::Crashed;
        (State::Removing { container, ending }, effects)
    }

    fn crashed(&self, exit: Exit, description: &str) -> Vec<Effect> {
        let status = match exit.status {
            -1 => String::new(),
            status => format!(" (status {status})"),
        };
        vec![
            self.remark(&format!("has crashed: {description}{status}")),
            Effect::Report(Report {
                reason: ExitReason::Crashed,
                status: exit.status,
                description: description.to_owned(),
            }),
            Effect::Beat,
        ]
    }

    fn stopped(&self, reason: ExitReason, status: i64) -> Effect {
        Effect::Report(Report {
            reason,
            status,
            description: "stopped".to_owned(),
        })
    }

    fn remark(&self, what: &str) -> Effect {
        Effect::Remark(format!("Instance (index {}) {what}", self.order.index))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn place() -> Place {
        Place {
            container: "c".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 2).into(),
        }
    }

    fn instance() -> Instance {
        Instance {
            id: "i".to_owned(),
            private_id: String::new(),
            order: StartInstance::default(),
            port: 61_001,
            state: State::Fetching,
            since_ms: 0,
        }
    }

    fn fetched() -> Input {
        Input::Fetched {
            start_command: None,
        }
    }

    fn exited(status: i64) -> Input {
        Input::Exited(Exit {
            status,
            out_of_memory: status == 137,
        })
    }

    /// The names of effects, and of reports the reason, status and description.
    fn names(effects: &[Effect]) -> String {
        let name = |effect: &Effect| match effect {
            Effect::Report(report) => format!(
                "{:?}:{}:{}",
                report.reason, report.status, report.description
            ),
            Effect::Remark(_) => "remark".to_owned(),
            effect => {
                let text = format!("{effect:?}");
                let end = text.find(|c: char| !c.is_alphanumeric());
                text[..end.unwrap_or(text.len())].to_owned()
            }
        };
        effects.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    /// Plays `inputs` and compares the effects of the last one, and the state after it.
    fn check(inputs: &[Input], expected: &str, state: InstanceState) -> Instance {
        let mut instance = instance();
        let mut effects = Vec::new();
        for (at, input) in inputs.iter().enumerate() {
            effects = instance.step(input.clone(), at as u64 + 1);
        }
        assert_eq!(names(&effects), expected, "{inputs:?}");
        assert_eq!(instance.public(), state, "{inputs:?}");
        instance
    }

    fn running() -> Vec<Input> {
        vec![fetched(), Input::Launched(place()), Input::Healthy]
    }

    fn and(mut inputs: Vec<Input>, more: &[Input]) -> Vec<Input> {
        inputs.extend_from_slice(more);
        inputs
    }

    #[test]
    fn an_instance_starts_step_by_step() {
        use InstanceState::{Running, Starting};
        assert_eq!(names(&instance().begin()), "remark Beat Fetch");
        check(&running()[..1], "Launch", Starting);
        check(&running()[..2], "Watch Follow CheckHealth", Starting);
        let running = check(&running(), "Register Beat remark", Running);
        assert_eq!(running.since_ms, 3);
        assert_eq!(running.place(), Some(&place()));
    }

    #[test]
    fn what_cannot_start_has_crashed() {
        use InstanceState::Crashed;
        let failed = || Input::Failed("no droplet".to_owned());
        check(
            &[failed()],
            "remark Crashed:-1:no droplet Beat Release",
            Crashed,
        );
        check(
            &[fetched(), failed()],
            "remark Crashed:-1:no droplet Beat Release",
            Crashed,
        );
        check(
            &and(running()[..2].to_vec(), &[Input::Unhealthy]),
            "remark Crashed:-1:failed to start accepting connections Beat Remove",
            Crashed,
        );
        let mut refused = instance();
        let effects = refused.refuse("Not enough memory resource available");
        let expected = "remark Crashed:-1:Not enough memory resource available Beat";
        assert_eq!(names(&effects), expected);
        assert_eq!(refused.public(), Crashed);
    }

    #[test]
    fn what_ends_by_itself_has_crashed() {
        use InstanceState::{Crashed, Stopped};
        let crash = and(running(), &[exited(3)]);
        check(
            &crash,
            "Unregister remark Crashed:3:app instance exited Beat Remove",
            Crashed,
        );
        check(
            &and(running(), &[exited(137)]),
            "Unregister remark Crashed:137:out of memory Beat Remove",
            Crashed,
        );
        check(
            &and(running()[..2].to_vec(), &[exited(0)]),
            "remark Crashed:0:app instance exited Beat Remove",
            Crashed,
        );
        check(&and(crash.clone(), &[Input::Stop]), "", Crashed);
        let gone = and(crash, &[Input::Removed]);
        check(&gone, "Release", Crashed);
        check(&and(gone, &[Input::Stop]), "", Stopped);
    }

    #[test]
    fn a_stop_is_graceful() {
        use InstanceState::{Stopped, Stopping};
        let stop = and(running(), &[Input::Stop]);
        check(&stop, "remark Unregister AwaitRouters Beat", Stopping);
        check(&and(stop.clone(), &[Input::Stop]), "", Stopping);
        check(&and(stop.clone(), &[Input::GraceOver]), "", Stopping);
        let term = and(stop.clone(), &[Input::RoutersKnow]);
        check(&term, "Terminate", Stopping);
        check(&and(term.clone(), &[Input::GraceOver]), "Kill", Stopping);
        let ended = and(term, &[exited(143)]);
        check(&ended, "Stopped:143:stopped Remove", Stopping);
        check(&and(ended, &[Input::Removed]), "Release", Stopped);
        check(
            &and(stop, &[exited(1)]),
            "Stopped:1:stopped Remove",
            Stopping,
        );
    }

    #[test]
    fn a_stop_before_it_runs_leaves_nothing() {
        use InstanceState::{Stopped, Stopping};
        check(
            &[Input::Stop],
            "remark Stopped:-1:stopped Release Beat",
            Stopped,
        );
        let launching = [fetched(), Input::Stop];
        check(&launching, "remark Beat", Stopping);
        check(
            &and(launching.to_vec(), &[Input::Failed(String::new())]),
            "Stopped:-1:stopped Release",
            Stopped,
        );
        check(
            &and(launching.to_vec(), &[Input::Launched(place())]),
            "Stopped:-1:stopped Remove",
            Stopping,
        );
        check(
            &and(running()[..2].to_vec(), &[Input::Stop]),
            "remark Terminate Beat",
            Stopping,
        );
    }

    #[test]
    fn a_node_is_emptied_without_a_gap() {
        use InstanceState::{Evacuating, Stopping};
        let evacuating = and(running(), &[Input::Evacuate]);
        check(&evacuating, "DeaEvacuation:-1:evacuating Beat", Evacuating);
        check(
            &and(evacuating, &[Input::Stop]),
            "remark Unregister AwaitRouters Beat",
            Stopping,
        );
        check(
            &and(running()[..2].to_vec(), &[Input::Evacuate]),
            "remark Terminate Beat",
            Stopping,
        );
    }

    #[test]
    fn after_a_restart_it_goes_on() {
        let check = |inputs: &[Input], expected: &str| {
            let mut instance = instance();
            for input in inputs {
                instance.step(input.clone(), 1);
            }
            assert_eq!(names(&instance.resume()), expected, "{inputs:?}");
        };
        check(&[], "Fetch");
        check(&[fetched()], "Fetch");
        check(&[fetched(), Input::Stop], "Stopped:-1:stopped Release");
        check(&running()[..2], "Watch Follow CheckHealth");
        check(&running(), "Watch Follow Register");
        check(&and(running(), &[Input::Evacuate]), "Watch Follow Register");
        check(&and(running(), &[Input::Stop]), "Watch Follow Terminate");
        check(&and(running(), &[exited(1)]), "Follow Remove");
        check(&and(running(), &[exited(1), Input::Removed]), "");
    }

    fn input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(fetched()),
            Just(Input::Launched(place())),
            Just(Input::Failed("f".to_owned())),
            Just(Input::Healthy),
            Just(Input::Unhealthy),
            (-1..200_i64).prop_map(exited),
            Just(Input::Stop),
            Just(Input::Evacuate),
            Just(Input::RoutersKnow),
            Just(Input::GraceOver),
            Just(Input::Removed),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_left_and_nothing_is_done_twice(
            inputs in prop::collection::vec((input(), any::<bool>()), 0..40),
        ) {
            let mut instance = instance();
            let (mut is_registered, mut removals, mut releases, mut crashes) = (false, 0, 0, 0);
            for (input, is_restarted) in inputs {
                let mut effects = instance.step(input, 1);
                if is_restarted {
                    effects.extend(instance.resume());
                }
                for effect in effects {
                    match effect {
                        Effect::Register(_) => is_registered = true,
                        Effect::Unregister => is_registered = false,
                        Effect::Terminate(_) | Effect::Kill(_) => prop_assert!(!is_registered),
                        Effect::Remove(_) => {
                            prop_assert!(!is_registered);
                            removals += usize::from(!is_restarted);
                        }
                        Effect::Release => releases += 1,
                        Effect::Report(report) if report.reason == ExitReason::Crashed => crashes += 1,
                        _ => {}
                    }
                }
                prop_assert_eq!(is_registered, instance.is_registered());
                let is_ended = matches!(instance.state, State::Ended(_));
                prop_assert_eq!(releases, usize::from(is_ended));
                prop_assert!(removals <= 1 && crashes <= 1);
            }
        }
    }
}

//! When a process is started, ready, started again, and stopped. No clock and no process: what happened
//! goes in with the time, and what is to be done comes out.

use std::time::Duration;

/// A process by its place in the order of starting.
pub type Index = usize;

/// What the rules need to know of a process.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Those that have to be ready before it starts, each with a lower index.
    pub depends_on: Vec<Index>,
    /// What follows its end.
    pub restart: Restart,
    /// How long it may take to become ready.
    pub ready_within: Duration,
    /// From the signal that stops it to SIGKILL.
    pub grace: Duration,
}

/// What follows the end of a process that nobody stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is started again.
    Always,
    /// It is started again unless its exit code was 0.
    OnFailure,
    /// It stays ended.
    Never,
}

/// How long to wait before a process is started again.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    /// After the first failure; it doubles with each that follows.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
    /// A process that was ready for so long has its failures forgiven.
    pub steady: Duration,
}

/// Where a process is. Times count from any one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run. It starts as soon as it is wanted and all that it depends on are ready.
    Stopped,
    /// It runs and is not ready.
    Starting {
        /// When it was started.
        since: Duration,
    },
    /// It runs and is ready.
    Running {
        /// When it became ready.
        since: Duration,
    },
    /// It was sent its signal.
    Stopping {
        /// When SIGKILL follows, or followed.
        kill_at: Duration,
        /// Whether it followed.
        killed: bool,
    },
    /// It does not run, and is started again later.
    BackingOff {
        /// When.
        until: Duration,
    },
    /// It ended and stays so until somebody starts it.
    Ended,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants it to run.
    Start(Index),
    /// Somebody wants it not to run.
    Stop(Index),
    /// Somebody wants it stopped and started.
    Restart(Index),
    /// It was found running, started by one of us before, and is wanted.
    Found(Index),
    /// It is ready.
    Ready(Index),
    /// It ended, or could not be started, which is no success.
    Ended {
        /// Which one.
        index: Index,
        /// Whether its exit code was 0.
        success: bool,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start it.
    Spawn(Index),
    /// Send it the signal that stops it.
    Terminate(Index),
    /// Send it SIGKILL.
    Kill(Index),
}

/// One process.
#[derive(Clone, Debug)]
struct Unit {
    plan: Plan,
    state: State,
    is_wanted: bool,
    /// Wanted again once it has stopped.
    returns: bool,
    /// Failures in a row.
    failures: u32,
    /// How often it was started again.
    restarts: u32,
}

/// The processes of a node.
#[derive(Clone, Debug)]
pub struct Supervisor {
    units: Vec<Unit>,
    back_off: BackOff,
}

impl State {
    /// Whether there is a process.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        matches!(
            self,
            Self::Starting { .. } | Self::Running { .. } | Self::Stopping { .. }
        )
    }
}

impl Supervisor {
    /// Nothing runs, and nothing is wanted.
    #[must_use]
    pub fn new(plans: Vec<Plan>, back_off: BackOff) -> Self {
        let unit = |plan| Unit {
            plan,
            state: State::Stopped,
            is_wanted: false,
            returns: false,
            failures: 0,
            restarts: 0,
        };
        Self {
            units: plans.into_iter().map(unit).collect(),
            back_off,
        }
    }

    /// Returns where a process is.
    #[must_use]
    pub fn state(&self, index: Index) -> State {
        self.units
            .get(index)
            .map_or(State::Stopped, |unit| unit.state)
    }

    /// Returns whether a process is wanted, now or once it has stopped.
    #[must_use]
    pub fn is_wanted(&self, index: Index) -> bool {
        let unit = self.units.get(index);
        unit.is_some_and(|unit| unit.is_wanted || unit.returns)
    }

    /// Returns whether a process runs and is to end, perhaps once others have ended.
    #[must_use]
    pub fn is_leaving(&self, index: Index) -> bool {
        let unit = self.units.get(index);
        unit.is_some_and(|unit| unit.state.is_alive() && !unit.is_wanted)
    }

    /// Returns how often a process was started again by itself.
    #[must_use]
    pub fn restarts(&self, index: Index) -> u32 {
        self.units.get(index).map_or(0, |unit| unit.restarts)
    }

    /// Returns whether no process runs.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.units.iter().all(|unit| !unit.state.is_alive())
    }

    /// Takes in what happened at `now`, and returns what is to be done, in that order. `now` never goes
    /// back.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        let back_off = self.back_off;
        let index = match input {
            Input::Start(index)
            | Input::Stop(index)
            | Input::Restart(index)
            | Input::Found(index)
            | Input::Ready(index)
            | Input::Ended { index, .. } => Some(index),
            Input::Tick => None,
        };
        if let Some(unit) = index.and_then(|index| self.units.get_mut(index)) {
            unit.take(now, input, back_off);
        }
        self.settle(now)
    }

    /// Does what has become possible or due.
    fn settle(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        // Those that others depend on come last when something is stopped.
        for index in (0..self.units.len()).rev() {
            let may_stop = self.may_stop(index);
            if let Some(unit) = self.units.get_mut(index) {
                effects.extend(unit.stop(now, may_stop).map(|signal| signal(index)));
            }
        }
        for index in 0..self.units.len() {
            let may_start = self.may_start(index);
            if let Some(unit) = self.units.get_mut(index)
                && unit.start(now, may_start)
            {
                effects.push(Effect::Spawn(index));
            }
        }
        effects
    }

    /// Whether nothing that depends on it is being stopped too.
    fn may_stop(&self, index: Index) -> bool {
        let is_in_the_way = |unit: &Unit| {
            unit.plan.depends_on.contains(&index) && !unit.is_wanted && unit.state.is_alive()
        };
        !self.units.iter().any(is_in_the_way)
    }

    /// Whether all that it depends on are ready and stay so.
    fn may_start(&self, index: Index) -> bool {
        let is_ready = |index: &Index| {
            let unit = self.units.get(*index);
            unit.is_some_and(|unit| unit.is_wanted && matches!(unit.state, State::Running { .. }))
        };
        let unit = self.units.get(index);
        unit.is_some_and(|unit| unit.plan.depends_on.iter().all(is_ready))
    }
}

impl Unit {
    fn take(&mut self, now: Duration, input: Input, back_off: BackOff) {
        match input {
            // Whoever is on the way through a restart starts anyway.
            Input::Start(_) if self.returns => {}
            Input::Start(_) => {
                let is_stopping = matches!(self.state, State::Stopping { .. });
                (self.is_wanted, self.returns) = (!is_stopping, is_stopping);
                self.forgive();
            }
            Input::Stop(_) => (self.is_wanted, self.returns) = (false, false),
            Input::Restart(_) => (self.is_wanted, self.returns) = (false, true),
            Input::Found(_) if !self.state.is_alive() => {
                self.is_wanted = true;
                self.state = State::Starting { since: now };
            }
            Input::Ready(_) if matches!(self.state, State::Starting { .. }) => {
                self.state = State::Running { since: now };
            }
            Input::Ended { success, .. } if self.state.is_alive() => {
                self.end(now, success, back_off);
            }
            Input::Found(_) | Input::Ready(_) | Input::Ended { .. } | Input::Tick => {}
        }
    }

    /// Somebody asked for it: it starts at once, whatever happened before.
    fn forgive(&mut self) {
        if !self.state.is_alive() {
            self.state = State::Stopped;
            self.failures = 0;
        }
    }

    fn end(&mut self, now: Duration, success: bool, back_off: BackOff) {
        let was_steady =
            matches!(self.state, State::Running { since } if now >= since + back_off.steady);
        if was_steady {
            self.failures = 0;
        }
        let comes_back = match self.plan.restart {
            Restart::Always => true,
            Restart::OnFailure => !success,
            Restart::Never => false,
        };
        self.state = if !self.is_wanted {
            State::Stopped
        } else if comes_back {
            let wait = back_off.first.saturating_mul(1 << self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            State::BackingOff {
                until: now + wait.min(back_off.most),
            }
        } else {
            self.is_wanted = false;
            State::Ended
        };
    }

    /// Stops it if it is to be stopped or late, and says how.
    fn stop(&mut self, now: Duration, may_stop: bool) -> Option<fn(Index) -> Effect> {
        let is_late = matches!(self.state, State::Starting { since } if now >= since + self.plan.ready_within);
        match self.state {
            State::Starting { .. } | State::Running { .. }
                if is_late || (!self.is_wanted && may_stop) =>
            {
                self.state = State::Stopping {
                    kill_at: now + self.plan.grace,
                    killed: false,
                };
                Some(Effect::Terminate)
            }
            State::Stopping {
                kill_at,
                killed: false,
            } if now >= kill_at => {
                self.state = State::Stopping {
                    kill_at,
                    killed: true,
                };
                Some(Effect::Kill)
            }
            State::BackingOff { .. } if !self.is_wanted => {
                self.state = State::Stopped;
                None
            }
            _ => None,
        }
    }

    /// Whether it starts now.
    fn start(&mut self, now: Duration, may_start: bool) -> bool {
        if self.returns && !self.state.is_alive() {
            (self.is_wanted, self.returns) = (true, false);
            self.forgive();
        }
        let is_due = match self.state {
            State::Stopped => true,
            State::BackingOff { until } => now >= until,
            _ => false,
        };
        let starts = is_due && self.is_wanted && may_start;
        if starts {
            self.restarts += u32::from(matches!(self.state, State::BackingOff { .. }));
            self.state = State::Starting { since: now };
        }
        starts
    }
}

#[cfg(test)]
mod tests;

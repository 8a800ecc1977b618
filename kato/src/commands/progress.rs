//! How far a start or a stop has come, told once for each process.

use std::io::{self, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::{CommandError, OWN_TIME};
use crate::config::Config;
use crate::control::{Phase, ProcessStatus};
use crate::supervise::Index;

/// So many starts that failed, of all together, are enough to give up.
const FAILURES: u32 = 5;

/// Where processes are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Ready.
    Up,
    /// Ended.
    Down,
}

/// Processes that are waited for.
#[derive(Debug)]
pub(super) struct Progress {
    goal: Goal,
    waited_for: Vec<Index>,
    began: Instant,
    limit: Duration,
    /// Restarts that there had been.
    restarts: Option<u32>,
}

impl Progress {
    pub(super) fn new(config: &Config, waited_for: Vec<Index>, goal: Goal) -> Self {
        let running = config.running();
        let times = waited_for.iter().filter_map(|index| running.get(*index));
        let times = times.map(|process| match goal {
            Goal::Up => process.ready.within + process.stop.grace,
            Goal::Down => process.stop.grace,
        });
        let own = if goal == Goal::Down {
            OWN_TIME
        } else {
            Duration::ZERO
        };
        Self {
            goal,
            limit: times.sum::<Duration>() + own,
            waited_for,
            began: Instant::now(),
            restarts: None,
        }
    }

    /// Tells which ones have arrived. Returns whether all have.
    pub(super) fn tell(&mut self, now: &[ProcessStatus], out: &mut impl Write) -> io::Result<bool> {
        let mut left = Vec::new();
        for index in std::mem::take(&mut self.waited_for) {
            let process = now.get(index);
            match process.and_then(|process| Some((process, self.arrival(process)?))) {
                Some((process, word)) => writeln!(out, "    {:<12} {word}", process.name)?,
                None => left.push(index),
            }
        }
        self.waited_for = left;
        Ok(self.waited_for.is_empty())
    }

    fn arrival(&self, process: &ProcessStatus) -> Option<String> {
        match (self.goal, process.phase) {
            (Goal::Up, Phase::Running) => {
                let after = process.ready_after.unwrap_or_default();
                let is_own = process.user.is_empty();
                let user = if is_own {
                    String::new()
                } else {
                    format!(", as {}", process.user)
                };
                Some(format!("ready after {after:.1} s{user}"))
            }
            // One that is to run once.
            (Goal::Up, Phase::Ended) => process.last_end.clone(),
            (Goal::Down, Phase::Stopped | Phase::Ended) => Some("stopped".to_owned()),
            _ => None,
        }
    }

    /// Names a process that took all the time there was, or failed too often.
    pub(super) fn check_time(
        &mut self,
        config: &Config,
        now: &[ProcessStatus],
    ) -> Result<(), CommandError> {
        let restarts = now.iter().map(|process| process.restarts).sum();
        let before = *self.restarts.get_or_insert(restarts);
        let is_over = self.began.elapsed() >= self.limit || restarts >= before + FAILURES;
        let left = self.waited_for.iter().filter_map(|index| now.get(*index));
        // One that fails is the reason why others wait.
        match left.max_by_key(|process| process.restarts) {
            Some(process) if is_over => Err(CommandError::Late {
                name: process.name.clone(),
                phase: process.phase,
                last_end: process.last_end.clone(),
                log: config.log_directory().join(format!("{}.log", process.name)),
            }),
            _ => Ok(()),
        }
    }
}

//! How far a start or a stop has come, told once for each process.

use std::io::{self, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::CommandError;
use crate::config::Config;
use crate::control::{Phase, ProcessStatus};
use crate::supervise::Index;

/// Processes that are waited for.
#[derive(Debug)]
pub(super) struct Progress {
    waited_for: Vec<Index>,
    began: Instant,
    limit: Duration,
}

impl Progress {
    pub(super) fn new(waited_for: Vec<Index>, limit: Duration) -> Self {
        Self {
            waited_for,
            began: Instant::now(),
            limit,
        }
    }

    /// Tells which ones have become ready. Returns whether all are.
    pub(super) fn up(&mut self, now: &[ProcessStatus], out: &mut impl Write) -> io::Result<bool> {
        self.told(
            now,
            |process| match process.phase {
                Phase::Running => {
                    let after = process.ready_after.unwrap_or_default();
                    let user = Some(process.user.as_str()).filter(|user| !user.is_empty());
                    let by = user.map_or_else(String::new, |user| format!(", as {user}"));
                    Some(format!("ready after {after:.1} s{by}"))
                }
                // One that is to run once.
                Phase::Ended => process.last_end.clone(),
                _ => None,
            },
            out,
        )
    }

    /// Tells which ones have ended. Returns whether all have.
    pub(super) fn down(&mut self, now: &[ProcessStatus], out: &mut impl Write) -> io::Result<bool> {
        let is_down = |phase| matches!(phase, Phase::Stopped | Phase::Ended);
        let word = |process: &ProcessStatus| is_down(process.phase).then(|| "stopped".to_owned());
        self.told(now, word, out)
    }

    fn told(
        &mut self,
        now: &[ProcessStatus],
        word: impl Fn(&ProcessStatus) -> Option<String>,
        out: &mut impl Write,
    ) -> io::Result<bool> {
        let mut left = Vec::new();
        for index in std::mem::take(&mut self.waited_for) {
            let process = now.get(index);
            match process.and_then(|process| Some((process, word(process)?))) {
                Some((process, word)) => writeln!(out, "    {:<12} {word}", process.name)?,
                None => left.push(index),
            }
        }
        self.waited_for = left;
        Ok(self.waited_for.is_empty())
    }

    /// Names the process that took the time, if there is none left.
    pub(super) fn check_time(
        &self,
        config: &Config,
        now: &[ProcessStatus],
        goal: Phase,
    ) -> Result<(), CommandError> {
        let late = self.waited_for.iter().filter_map(|index| now.get(*index));
        match late.into_iter().find(|process| process.phase != goal) {
            Some(process) if self.began.elapsed() >= self.limit => Err(CommandError::Late {
                name: process.name.clone(),
                phase: process.phase,
                last_end: process.last_end.clone(),
                log: config.log_directory().join(format!("{}.log", process.name)),
            }),
            _ => Ok(()),
        }
    }
}

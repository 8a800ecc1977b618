//! What the program tells while it runs: one line that rewrites itself on a terminal, whole lines
//! otherwise.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use crate::peer::Kind;

/// Writes to standard error; standard output is for results.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    began: Instant,
    scenarios: usize,
    at: usize,
    title: String,
}

impl Progress {
    /// For a run of that many scenarios.
    #[must_use]
    pub fn new(scenarios: usize) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            began: Instant::now(),
            scenarios,
            at: 0,
            title: String::new(),
        }
    }

    /// The next scenario begins.
    pub fn scenario(&mut self, title: &str) {
        self.at += 1;
        title.clone_into(&mut self.title);
        self.rewrite("starting");
    }

    /// A peer's turn in a round begins.
    pub fn turn(&mut self, round: usize, rounds: usize, peer: Kind) {
        let bar: String = (1..=rounds)
            .map(|at| if at <= round { '●' } else { '○' })
            .collect();
        self.rewrite(&format!("{bar} {peer}"));
    }

    /// A line that stays.
    pub fn line(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        writeln!(std::io::stderr(), "{clear}{text}").ok();
    }

    /// The scenario ended with this result.
    pub fn result(&mut self, text: &str) {
        let line = format!("{} {text}", self.head());
        self.line(&line);
    }

    fn rewrite(&self, text: &str) {
        if self.terminal {
            write!(std::io::stderr(), "\r\x1b[K{} {text}", self.head()).ok();
            std::io::stderr().flush().ok();
        }
    }

    fn head(&self) -> String {
        let seconds = self.began.elapsed().as_secs();
        format!(
            "{:2}:{:02} [{}/{}] {:<42}",
            seconds / 60,
            seconds % 60,
            self.at,
            self.scenarios,
            self.title
        )
    }
}

//! The router program as a process of its own.

use std::fmt::Write as _;
use std::ops::Deref;
use std::path::PathBuf;

pub use tests_kit::Process as RouterProcess;
use tests_kit::Program;

/// What its configuration is called.
const FILE: &str = "router.yml";

/// Keys that a test leaves open: ports that the system chooses, and two workers.
const DEFAULTS: &[(&str, &str)] = &[
    ("listeners:", "listeners: [{address: \"127.0.0.1:0\"}]"),
    ("workers:", "workers: 2"),
    ("status:", "status: {port: off, routes: {port: 0}}"),
];

/// The router program, and a directory of its own in which it runs.
#[derive(Debug)]
pub struct RouterProgram(Program);

impl RouterProgram {
    /// The program at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Program::new(path))
    }

    /// Lets it have so many descriptors and no more.
    #[must_use]
    pub fn with_descriptors(self, count: u64) -> Self {
        Self(self.0.with_descriptors(count))
    }

    /// Starts it with this configuration, in which ports may be left open, and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(&self, yaml: &str) -> RouterProcess {
        let mut whole = String::new();
        for (key, line) in DEFAULTS {
            if !yaml.lines().any(|line| line.starts_with(key)) {
                writeln!(whole, "{line}").expect("a string takes what is written to it");
            }
        }
        whole.push_str(yaml);
        self.0.spawn(FILE, &whole, &[])
    }

    /// Starts it with this configuration and nothing else, and with these variables in its
    /// environment, and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn_as_it_is(&self, yaml: &str, variables: &[(&str, &str)]) -> RouterProcess {
        self.0.spawn(FILE, yaml, variables)
    }

    /// As [`Self::spawn`], and waits until it has started.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(&self, yaml: &str) -> RouterProcess {
        let router = self.spawn(yaml);
        router.until_logged("gorouter.started");
        router
    }
}

impl Deref for RouterProgram {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.0
    }
}

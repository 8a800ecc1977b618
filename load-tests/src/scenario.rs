//! A load scenario: a file that says what is driven, what is measured and which limits hold.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::measure::Measure;
use crate::peer::Kind;

/// One file of `scenarios/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's stem.
    #[serde(skip)]
    pub name: String,
    /// One line for tables and plots.
    pub title: String,
    /// What is shown and why, for the report.
    pub about: String,
    /// The sets that run it.
    pub sets: Vec<Set>,
    /// Who is measured, in the order of the first round.
    pub peers: Vec<Kind>,
    /// Who is measured too in a full run, where it is installed.
    #[serde(default)]
    pub also: Vec<Kind>,
    /// How often each peer is driven.
    #[serde(default = "default_repeats")]
    pub repeats: usize,
    /// Whether each peer is driven for a second before it is measured.
    #[serde(skip, default = "default_warm_up")]
    pub warm_up: bool,
    /// What is done to each of them.
    pub load: Load,
    /// What is read off, the headline first.
    pub figures: Vec<WantedFigure>,
}

/// A figure of a scenario and the limit it is held to.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedFigure {
    /// The quantity.
    pub measure: Measure,
    /// Its limit, if it has one.
    pub goal: Option<Goal>,
}

/// The limit of the router's figure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The largest figure, or ratio when `to` is given, that meets the goal.
    pub at_most: f64,
    /// The peer whose figure the router's is divided by, pair by pair.
    pub to: Option<Kind>,
}

/// The sets of scenarios that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// Every part once, quickly: shows that the program works, measures nothing.
    Smoke,
    /// The headline figures in under five minutes.
    Short,
    /// Everything.
    Full,
}

impl Set {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Short => "short",
            Self::Full => "full",
        }
    }
}

/// What is done to a peer.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// wrk: each connection sends its next request when the last one is answered.
    Closed(Closed),
    /// oha: requests leave at a fixed rate, latency counts from the planned start.
    Open(Open),
    /// Connections that made one request and then wait.
    Idle {
        /// How many.
        connections: usize,
    },
    /// Routes registered over NATS and kept alive by heartbeats, then a crash and a restart.
    Routes(Routes),
    /// One route after another is registered and requested at once.
    Registration {
        /// How many routes.
        routes: usize,
    },
    /// Long connections of one app beside changes of other routes.
    Undisturbed(Undisturbed),
    /// Two routers behind HAProxy are drained in turn under load, with a wait and as often without.
    Drain {
        /// How often a router is drained in each manner.
        drains: usize,
        /// Milliseconds for which a router goes on after it has said that it drains.
        wait: u64,
    },
    /// Hostile peers, each beside well-behaved clients of the same router.
    Hostile {
        /// Seconds of each attack; the clients are measured as long before it.
        seconds: u32,
        /// How many peers, of the first.
        #[serde(default = "everyone")]
        peers: usize,
        /// How often a peer is met that is felt, at most: what a busy machine does to one row, it
        /// does not do to all.
        meetings: usize,
    },
}

/// Parameters of a closed loop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Client connections.
    pub connections: usize,
    /// Path at the backend.
    pub path: String,
    /// Seconds of one repeat.
    pub seconds: u32,
    /// Bytes of request body; the method is then POST.
    #[serde(default)]
    pub upload: usize,
    /// A new client connection for each request.
    #[serde(default)]
    pub close: bool,
    /// Every peer writes its access log to a file.
    #[serde(default)]
    pub access_log: bool,
}

/// Parameters of an open loop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Client connections.
    pub connections: usize,
    /// Requests per second.
    pub rate: u32,
    /// Path at the backend.
    pub path: String,
    /// Seconds of one repeat.
    pub seconds: u32,
}

/// Parameters of the route table's load.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// Routes registered.
    pub routes: usize,
    /// Registrations renewed per second.
    pub heartbeats: u32,
    /// Seconds for which they are.
    pub seconds: u32,
    /// Requests per second sent meanwhile, and as long without heartbeats, to compare latency.
    pub rate: u32,
}

/// Parameters of the changes beside long connections.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undisturbed {
    /// Idle WebSockets of the app.
    pub websockets: usize,
    /// Downloads from it that last until the end.
    pub downloads: usize,
    /// Additions, moves and removals of other routes.
    pub changes: usize,
}

fn default_repeats() -> usize {
    5
}

fn default_warm_up() -> bool {
    true
}

fn everyone() -> usize {
    usize::MAX
}

impl Scenario {
    /// All scenarios of a directory, in the order of their file names.
    ///
    /// # Errors
    /// When the directory or a file cannot be read or understood; the message names the file.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(directory)
            .with_context(|| format!("no scenarios in {}", directory.display()))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        // The number in front orders the files and is no part of the name.
        let name = stem.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        Self::parse(name, &text).with_context(|| path.display().to_string())
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let scenario = Self {
            name: name.to_owned(),
            ..toml::from_str(text)?
        };
        ensure!(!scenario.figures.is_empty(), "a scenario needs a figure");
        ensure!(!scenario.peers.is_empty(), "a scenario needs a peer");
        ensure!(scenario.repeats > 0, "a scenario needs a repeat");
        for figure in &scenario.figures {
            if let Some(Goal { to: Some(to), .. }) = figure.goal {
                ensure!(
                    scenario.peers.contains(&to),
                    "the goal is held against {to}, not a peer"
                );
            }
        }
        Ok(scenario)
    }

    /// The scenario cut down to show that its parts work: one round, few of everything.
    #[must_use]
    pub fn for_smoke(mut self) -> Self {
        self.repeats = 1;
        self.warm_up = false;
        match &mut self.load {
            Load::Closed(closed) => closed.seconds = 1,
            Load::Open(open) => open.seconds = 1,
            Load::Idle { connections } => *connections = (*connections / 10).max(1),
            Load::Routes(routes) => {
                routes.routes = (routes.routes / 10).max(1);
                routes.seconds = 1;
            }
            Load::Registration { routes } => *routes = (*routes / 10).max(1),
            Load::Undisturbed(load) => {
                load.websockets = (load.websockets / 10).max(1);
                load.downloads = (load.downloads / 10).max(1);
                load.changes = (load.changes / 10).max(1);
            }
            Load::Drain { drains, .. } => *drains = 2,
            Load::Hostile {
                seconds,
                peers,
                meetings,
            } => (*seconds, *peers, *meetings) = (2, 2, 1),
        }
        self
    }

    /// The scenario driven for longer, with all peers that `found` knows on this machine.
    #[must_use]
    pub fn for_full(mut self, found: impl Fn(Kind) -> bool) -> Self {
        self.peers
            .extend(self.also.iter().copied().filter(|kind| found(*kind)));
        match &mut self.load {
            Load::Closed(closed) => closed.seconds *= 3,
            Load::Open(open) => open.seconds *= 3,
            Load::Routes(routes) => routes.seconds *= 3,
            Load::Idle { .. }
            | Load::Registration { .. }
            | Load::Undisturbed(_)
            | Load::Drain { .. }
            | Load::Hostile { .. } => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

    #[test]
    fn every_file_is_understood_and_names_are_unique() {
        let scenarios = Scenario::read_all(Path::new(SCENARIOS)).unwrap();
        let mut names: Vec<&str> = scenarios.iter().map(|s| s.name.as_str()).collect();
        assert!(names.len() >= 10, "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scenarios.len());
        for scenario in &scenarios {
            assert!(
                scenario.sets.contains(&Set::Full),
                "{} is in no full run",
                scenario.name
            );
        }
    }

    #[test]
    fn mistakes_are_told() {
        let rows = [
            ("title = 1", "title"),
            ("nonsense", "nonsense"),
            (
                "title='t'\nabout='a'\nsets=['full']\npeers=['router']\nfigures=[]\n\
                 load={kind='idle',connections=1}",
                "needs a figure",
            ),
            (
                "title='t'\nabout='a'\nsets=['full']\npeers=['router']\n\
                 load={kind='idle',connections=1}\n\
                 figures=[{measure='p50',goal={at_most=1.0,to='nginx'}}]",
                "not a peer",
            ),
        ];
        for (text, want) in rows {
            let error = format!("{:#}", Scenario::parse("x", text).unwrap_err());
            assert!(error.contains(want), "{error}");
        }
    }
}

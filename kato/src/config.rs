//! What a node runs, as its file says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use component::config_file::{ConfigFile, Depth};
use component::size::ByteSize;
use component::yaml::{Item, Keys};
use rustix::process::Signal;

use crate::supervise::{BackOff, Index, Plan, Restart};
use crate::users;

/// The configuration of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its socket, its pid file and its records are.
    pub state: PathBuf,
    /// What becomes of the output of processes.
    pub logs: Logs,
    /// When what has ended is started again.
    pub back_off: BackOff,
    /// The processes that each role means.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The roles of this node.
    pub runs: Vec<String>,
    /// All processes that there are, in the order of starting.
    pub processes: Vec<Description>,
}

/// What becomes of the output of processes.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Bytes of a file; at more it becomes an older one.
    pub most: ByteSize,
    /// Older files of each process.
    pub older: u32,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Description {
    /// What it is called, a word.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables beside ours.
    pub environment: BTreeMap<String, String>,
    /// Who runs it; empty: who runs kato.
    pub user: String,
    /// Where it runs; empty: in the state directory.
    pub directory: PathBuf,
    /// Those that have to be ready before it starts.
    pub depends_on: Vec<String>,
    /// When it is ready.
    pub ready: Ready,
    /// What follows its end.
    pub restart: Restart,
    /// How it is stopped.
    pub stop: Stop,
}

/// When a process is ready: once all that is named here holds.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Something listens at this address.
    pub tcp: Option<SocketAddr>,
    /// A GET of `address/path` is answered with 2xx.
    pub http: Option<String>,
    /// Something listens on this unix socket.
    pub socket: Option<PathBuf>,
    /// This file is there.
    pub file: Option<PathBuf>,
    /// How long it may take.
    pub within: Duration,
}

/// How a process is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The signal.
    pub signal: Signal,
    /// From it to SIGKILL.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: "/var/lib/switchyard".into(),
            logs: Logs {
                most: ByteSize(8 << 20),
                older: 2,
            },
            back_off: BackOff {
                first: Duration::from_millis(200),
                most: Duration::from_secs(30),
                steady: Duration::from_secs(60),
            },
            roles: BTreeMap::new(),
            runs: Vec::new(),
            processes: Vec::new(),
        }
    }
}

impl Default for Description {
    fn default() -> Self {
        Self {
            name: String::new(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            user: String::new(),
            directory: PathBuf::new(),
            depends_on: Vec::new(),
            ready: Ready {
                tcp: None,
                http: None,
                socket: None,
                file: None,
                within: Duration::from_secs(30),
            },
            restart: Restart::Always,
            stop: Stop {
                signal: Signal::TERM,
                grace: Duration::from_secs(10),
            },
        }
    }
}

impl Item for Description {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("name", "", &mut self.name);
        keys.key("command", "", &mut self.command);
        keys.key("environment", "", &mut self.environment);
        keys.key("user", "", &mut self.user);
        keys.key("directory", "", &mut self.directory);
        keys.key("depends_on", "", &mut self.depends_on);
        let ready = &mut self.ready;
        keys.section("ready", "", |keys: &mut Keys<'_>| {
            keys.key("tcp", "", &mut ready.tcp);
            keys.key("http", "", &mut ready.http);
            keys.key("socket", "", &mut ready.socket);
            keys.key("file", "", &mut ready.file);
            keys.key("within", "", &mut ready.within);
        });
        let policies = [
            ("always", Restart::Always),
            ("on-failure", Restart::OnFailure),
            ("never", Restart::Never),
        ];
        keys.choice("restart", "", &mut self.restart, &policies);
        let stop = &mut self.stop;
        let signals = [
            ("TERM", Signal::TERM),
            ("INT", Signal::INT),
            ("QUIT", Signal::QUIT),
            ("USR1", Signal::USR1),
        ];
        keys.section("stop", "", |keys: &mut Keys<'_>| {
            keys.choice("signal", "", &mut stop.signal, &signals);
            keys.key("grace", "", &mut stop.grace);
        });
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str = "\
# What a node runs: every key with its default. Printed by `kato --print-example`.
#
# A process is described like this; only name and command are needed:
#   - name: router
#     command: [/usr/local/bin/router, -c, /etc/switchyard/router.yml]
#     environment: {RUST_BACKTRACE: \"1\"}
#     user: switchyard-router          # empty: who runs kato
#     directory: /var/lib/switchyard   # empty: the state directory
#     depends_on: [nats]               # ready before it starts; all stand above it
#     ready: {tcp: \"127.0.0.1:8080\", within: 30s}
#     #      http: \"127.0.0.1:8082/health\", socket: /run/x.sock, file: /run/x; what is named has to hold
#     restart: always                  # on-failure, never
#     stop: {signal: TERM, grace: 10s} # INT, QUIT, USR1
";

    fn keys(&mut self, keys: &mut Keys<'_>) {
        let doc = "Where the socket, the pid file and the records of kato are.";
        keys.key("state", doc, &mut self.state);
        let logs = &mut self.logs;
        let doc = "What becomes of the output of processes.";
        keys.section("logs", doc, |keys: &mut Keys<'_>| {
            let doc = "Bytes of a file; at more it becomes an older one.";
            keys.key("most", doc, &mut logs.most);
            keys.key("older", "Older files of each process.", &mut logs.older);
        });
        let back_off = &mut self.back_off;
        let doc = "When a process that has ended is started again.";
        keys.section("back_off", doc, |keys: &mut Keys<'_>| {
            let doc = "After its first failure; the wait doubles with each that follows.";
            keys.key("first", doc, &mut back_off.first);
            keys.key("most", "The longest wait.", &mut back_off.most);
            let doc = "What was ready for so long has its failures forgiven.";
            keys.key("steady", doc, &mut back_off.steady);
        });
        let doc = "The processes that each role means.";
        keys.key("roles", doc, &mut self.roles);
        let doc = "The roles of this node. Empty: all processes run.";
        keys.key("runs", doc, &mut self.runs);
        let doc = "All processes that there are, in the order of starting.";
        keys.list("processes", doc, &mut self.processes);
    }

    fn examine(&self, file: &str, _depth: Depth, faults: &mut Vec<String>) -> String {
        let mut fault = |reason: String| faults.push(format!("{file}: {reason}"));
        let mut known = BTreeSet::new();
        for process in &self.processes {
            process.examine(&known, &mut fault);
            if !known.insert(process.name.as_str()) {
                fault(format!("processes: two are called {}", process.name));
            }
        }
        for (role, names) in &self.roles {
            for name in names.iter().filter(|name| !known.contains(name.as_str())) {
                fault(format!("roles.{role}: there is no process {name}"));
            }
        }
        for role in self.runs.iter().filter(|r| !self.roles.contains_key(*r)) {
            fault(format!("runs: there is no role {role}"));
        }
        let running = self.running();
        let needed = running.iter().flat_map(|process| &process.depends_on);
        let lost = needed.filter(|name| running.iter().all(|process| process.name != **name));
        for name in lost.collect::<BTreeSet<_>>() {
            fault(format!("runs: {name}, which others depend on, is left out"));
        }
        format!("{} processes", running.len())
    }
}

impl Description {
    fn examine(&self, above: &BTreeSet<&str>, fault: &mut impl FnMut(String)) {
        let name = &self.name;
        let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if name.is_empty() || !name.bytes().all(is_word) {
            fault(format!(
                "processes: {name:?} is no name: letters, digits, - and _"
            ));
        }
        if self.command.is_empty() {
            fault(format!("processes: {name} has no command"));
        }
        for other in self
            .depends_on
            .iter()
            .filter(|on| !above.contains(on.as_str()))
        {
            fault(format!(
                "processes: {name} depends on {other}, which does not stand above it"
            ));
        }
        if let Some(Err(error)) = self.user().map(users::look_up) {
            fault(format!("processes: {name}: {error}"));
        }
    }

    /// Returns who runs it, if that is another one than who runs kato.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        Some(self.user.as_str()).filter(|user| !user.is_empty())
    }
}

impl Config {
    /// Returns the processes of this node in the order of starting.
    #[must_use]
    pub fn running(&self) -> Vec<&Description> {
        let is_ours = |process: &&Description| {
            let names = |role: &String| {
                self.roles
                    .get(role)
                    .is_some_and(|r| r.contains(&process.name))
            };
            self.runs.is_empty() || self.runs.iter().any(names)
        };
        self.processes.iter().filter(is_ours).collect()
    }

    /// Returns what the rules need to know of [`running`](Self::running).
    #[must_use]
    pub fn plans(&self) -> Vec<Plan> {
        let running = self.running();
        let index = |name: &String| running.iter().position(|process| process.name == *name);
        let plan = |process: &&Description| Plan {
            depends_on: process.depends_on.iter().filter_map(index).collect(),
            restart: process.restart,
            ready_within: process.ready.within,
            grace: process.stop.grace,
        };
        running.iter().map(plan).collect()
    }

    /// Returns those of [`running`](Self::running) that `names` mean; all of them without names. A name is
    /// that of a process, or else that of a role.
    ///
    /// # Errors
    /// The name that means nothing here.
    pub fn named(&self, names: &[String]) -> Result<Vec<Index>, String> {
        let running = self.running();
        let mut indices = BTreeSet::new();
        for name in names {
            let alone = std::slice::from_ref(name);
            let is_process = running.iter().any(|process| process.name == *name);
            let role = self.roles.get(name).map_or(alone, Vec::as_slice);
            let meant = if is_process { alone } else { role };
            let found = (0..running.len()).filter(|index| meant.contains(&running[*index].name));
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err(name.clone());
            }
            indices.extend(found);
        }
        if names.is_empty() {
            indices.extend(0..running.len());
        }
        Ok(indices.into_iter().collect())
    }

    /// Returns where the log files are.
    #[must_use]
    pub fn log_directory(&self) -> PathBuf {
        self.state.join("log")
    }

    /// Returns where commands are heard.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("kato.sock")
    }
}

#[cfg(test)]
mod tests {
    use component::config_file;

    use super::*;

    const FILE: &str = "\
roles: {all: [bus, app], bus: [bus, app]}
runs: [all]
processes:
  - {name: bus, command: [bus]}
  - {name: app, command: [app, -x], depends_on: [bus], ready: {tcp: '127.0.0.1:1'}, restart: never}
  - {name: other, command: [other]}
";

    fn config() -> Config {
        config_file::parse::<Config>(&"kato.yml", FILE)
            .unwrap()
            .config
    }

    #[test]
    fn roles_say_what_runs_and_what_is_meant() {
        let config = config();
        let names: Vec<_> = config.running().iter().map(|p| p.name.clone()).collect();
        assert_eq!(names, ["bus", "app"]);
        assert_eq!(config.plans()[1].depends_on, [0]);
        for (names, expected) in [
            (&[][..], Ok(vec![0, 1])),
            (&["app"][..], Ok(vec![1])),
            // A process goes before a role of the same name.
            (&["bus"][..], Ok(vec![0])),
            (&["bus", "all"][..], Ok(vec![0, 1])),
            (&["other"][..], Err("other".to_owned())),
        ] {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(config.named(&names), expected, "{names:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, expected) in [
            ("name: bus", "name: app", "two are called app"),
            ("name: other", "name: ''", "\"\" is no name"),
            ("runs: [all]", "runs: [none]", "no role none"),
            ("bus: [bus, app]", "bus: [bis]", "no process bis"),
            (
                "all: [bus, app]",
                "all: [app]",
                "bus, which others depend on",
            ),
            (
                "depends_on: [bus]",
                "depends_on: [other]",
                "not stand above it",
            ),
            ("command: [bus]", "command: []", "bus has no command"),
            (
                "command: [bus]",
                "command: [bus], user: no-such-user",
                "no user",
            ),
        ] {
            let text = FILE.replace(from, to);
            let config = config_file::parse::<Config>(&"kato.yml", &text)
                .unwrap()
                .config;
            let mut faults = Vec::new();
            config.examine("kato.yml", Depth::Start, &mut faults);
            let is_named = faults.iter().any(|fault| fault.contains(expected));
            assert!(is_named, "{to}: {faults:?}");
        }
        let mut faults = Vec::new();
        assert_eq!(
            config().examine("f", Depth::All, &mut faults),
            "2 processes"
        );
        assert_eq!(faults, Vec::<String>::new());
    }
}

//! Real nats-servers, started and mistreated.

mod client;
mod fake;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

pub use client::{Message, NatsClient};
pub use fake::{Behaviour, FakeNats};

use crate::eventually::eventually;
use crate::temp_dir::TempDir;

/// A nats-server program that was found on this machine.
#[derive(Clone, Debug)]
pub struct NatsProgram {
    path: PathBuf,
    version: String,
}

impl NatsProgram {
    /// The programs to test with, one of each version.
    ///
    /// Those that `SWITCHYARD_NATS_SERVER` names (a list as in `PATH`) when it is set; else what is
    /// installed below `.tools/` of this repository, in `PATH` and in `/usr/sbin`.
    pub fn all() -> Vec<Self> {
        let mut found = BTreeMap::new();
        for path in candidates() {
            if let Some(version) = version(&path) {
                found.entry(version).or_insert(path);
            }
        }
        let program = |(version, path)| Self { path, version };
        found.into_iter().map(program).collect()
    }

    /// As [`Self::all`], and says so when there is none: `what` is then not tested.
    pub fn all_for(what: &str) -> Vec<Self> {
        let all = Self::all();
        if all.is_empty() {
            eprintln!(
                "SKIPPED: {what}: no nats-server found (SWITCHYARD_NATS_SERVER, .tools/, PATH)"
            );
        }
        all
    }

    /// Its version, without a leading `v`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn candidates() -> Vec<PathBuf> {
    const NAME: &str = "nats-server";
    if let Some(named) = std::env::var_os("SWITCHYARD_NATS_SERVER") {
        return std::env::split_paths(&named).collect();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let mut directories = vec![tools.join("bin")];
    directories.extend(
        fs::read_dir(&tools)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin")),
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    directories.extend(std::env::split_paths(&path));
    directories.push("/usr/sbin".into());
    directories.iter().map(|place| place.join(NAME)).collect()
}

/// `nats-server: v2.9.10` or `nats-server: 2.15.1`.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.trim().strip_prefix("nats-server:")?.trim();
    Some(version.trim_start_matches('v').to_owned())
}

/// A server of our own on a port of its own. It ends with this value.
#[derive(Debug)]
pub struct NatsServer {
    program: NatsProgram,
    directory: TempDir,
    configuration: Option<PathBuf>,
    port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts `program` with its defaults.
    ///
    /// # Panics
    /// When it does not listen in time.
    #[must_use]
    pub fn start(program: &NatsProgram) -> Self {
        Self::start_in(program, TempDir::new(), None)
    }

    /// Starts `program` with the configuration file `nats.conf` in `directory`, which must not name
    /// a port. Paths in it are relative to `directory`.
    ///
    /// # Panics
    /// When it does not listen in time.
    #[must_use]
    pub fn configured(program: &NatsProgram, directory: TempDir) -> Self {
        let configuration = directory.path().join("nats.conf");
        Self::start_in(program, directory, Some(configuration))
    }

    fn start_in(program: &NatsProgram, directory: TempDir, configuration: Option<PathBuf>) -> Self {
        let mut server = Self {
            program: program.clone(),
            directory,
            configuration,
            port: 0,
            child: None,
        };
        server.port = server.spawn("-1");
        server
    }

    /// Its port on 127.0.0.1, the same for the life of this value.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that is gone already.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts it again on the same port; ends it first when it runs.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        self.spawn(&port);
    }

    /// Stops it from doing anything while its connections stay open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().map(Pid::from_child);
        if let Some(pid) = pid {
            kill_process(pid, signal).expect("the server is our child");
        }
    }

    /// Starts the process and waits until it has told its port.
    fn spawn(&mut self, port: &str) -> u16 {
        let log = self.directory.path().join("log");
        let mut command = Command::new(&self.program.path);
        command
            .args(["-a", "127.0.0.1", "-p", port])
            .arg("--ports_file_dir")
            .arg(self.directory.path())
            .arg("-l")
            .arg(&log)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(configuration) = &self.configuration {
            command.arg("-c").arg(configuration);
        }
        let child = command.spawn().expect("nats-server can be started");
        let ports = format!("nats-server_{}.ports", child.id());
        let ports = self.directory.path().join(ports);
        self.child = Some(child);
        let mut port = None;
        let told = eventually(crate::PATIENCE, || {
            port = read_port(&ports);
            port.is_some()
        });
        let log = || fs::read_to_string(&log).unwrap_or_default();
        assert!(told, "nats-server does not listen: {}", log());
        port.expect("it was told")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The port in a file like `{"nats":["nats://127.0.0.1:43210"]}`; none while it is being written.
fn read_port(file: &Path) -> Option<u16> {
    let text = fs::read_to_string(file).ok()?;
    let ports: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).ok()?;
    let url = ports.get("nats")?.first()?;
    url.rsplit_once(':')?.1.parse().ok()
}

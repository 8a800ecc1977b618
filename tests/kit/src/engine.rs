//! A container engine of a test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, TempDir, eventually, installed};

/// A container engine with a bridge of its own. Both end with it, and so do its containers.
#[derive(Debug)]
pub struct Engine {
    directory: TempDir,
    bridge: String,
    subnet: String,
    child: Option<Child>,
}

impl Engine {
    /// Starts an engine; says so loudly and returns none where none can run. `what` is what cannot be
    /// tested then.
    ///
    /// # Panics
    /// When it should run and does not.
    #[must_use]
    pub fn start(what: &str) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        if let Some(reason) = missing() {
            eprintln!("SKIPPED: {what}: {reason}");
            return None;
        }
        let (process, count) = (std::process::id(), STARTED.fetch_add(1, Relaxed));
        let mut engine = Self {
            directory: TempDir::new(),
            bridge: format!("swyk{process}.{count}"),
            subnet: format!("172.30.{}.1/24", (process * 3 + count) % 200),
            child: None,
        };
        engine.spawn();
        Some(engine)
    }

    fn spawn(&mut self) {
        // Two engines that start at a time take each other's rules for their own.
        let lock = File::create(std::env::temp_dir().join("switchyard-engine.lock"));
        let lock = lock.expect("a lock file");
        lock.lock().expect("the lock");
        let log = File::create(self.path("log")).expect("a log");
        let child = self
            .script("run.sh")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the script starts"));
        if !eventually(3 * PATIENCE, || self.docker(&["version"]).is_some()) {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            std::panic::panic_any(format!("the engine does not start:\n{log}"));
        }
    }

    /// Ends the engine, as a crash would, and starts it again. Containers go on.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn crash_and_restart(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
        self.spawn();
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("run/docker.sock")
    }

    /// The name of its bridge.
    #[must_use]
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Where the disks of its containers shall be.
    #[must_use]
    pub fn disks(&self) -> PathBuf {
        self.path("disks")
    }

    /// What its command line prints; none when it fails.
    ///
    /// # Panics
    /// When there is no command line.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("docker")
            .args(["-H", &format!("unix://{}", self.socket().display())])
            .args(arguments)
            .output()
            .expect("docker runs");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The ids of all containers.
    ///
    /// # Panics
    /// When the engine does not answer.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        let ids = self.docker(&["ps", "-aq", "--no-trunc"]);
        let ids = ids.expect("the engine answers");
        ids.lines().map(str::to_owned).collect()
    }

    /// The image that apps run on, made once for all tests of this machine.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn stack(&self) -> String {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| root().join("target"));
        let output = Command::new(root().join("dea/stack/build.sh"))
            .args([self.socket(), target.join("stack")])
            .output()
            .expect("the script runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(root().join("dea/engine").join(name));
        command
            .env("ENGINE_STATE", self.path("state"))
            .env("ENGINE_RUN", self.path("run"))
            .env("ENGINE_BRIDGE", &self.bridge)
            .env("ENGINE_SUBNET", &self.subnet)
            .env("ENGINE_DISKS", self.disks());
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(ids) = self.docker(&["ps", "-aq"]) {
            for id in ids.lines() {
                drop(self.docker(&["rm", "-f", id]));
            }
        }
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).ok();
            child.wait().ok();
        }
        self.script("clean.sh").arg("--data").status().ok();
    }
}

/// Why no engine can run here.
fn missing() -> Option<String> {
    let programs = ["dockerd", "docker", "ip", "nft", "mkfs.ext4"];
    let missing = programs.into_iter().find(|name| installed(name).is_none());
    if let Some(name) = missing {
        return Some(format!("{name} is not installed"));
    }
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| "only root can start an engine".to_owned())
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

//! A container engine of the tests' own, with an image that has a shell.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tests_kit::{PATIENCE, TempDir, eventually};

/// The image.
pub(crate) const IMAGE: &str = "switchyard-test/busybox:1";

/// The label of what a DEA makes, which is what it may remove.
pub(crate) const OUR_LABEL: &str = "switchyard.kind=running";

/// A container engine with its bridge. Both end with it, and so do its containers.
#[derive(Debug)]
pub(crate) struct Engine {
    directory: TempDir,
    variables: Variables,
    child: Child,
}

impl Engine {
    /// Starts an engine; says so and returns none where none can run.
    pub(crate) fn start() -> Option<Self> {
        let missing = ["dockerd", "docker", "ip", "busybox"]
            .into_iter()
            .find(|name| found(name).is_none());
        if let Some(missing) = missing {
            eprintln!("SKIPPED: instances in containers: {missing} is not installed");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: instances in containers: only root can start an engine");
            return None;
        }
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), STARTED.fetch_add(1, Relaxed));
        let directory = TempDir::new();
        let variables = Variables {
            state: directory.path().join("state"),
            run: directory.path().join("run"),
            bridge: format!("swyt{process}.{count}"),
            subnet: format!("172.31.{}.1/24", (process * 3 + count) % 200),
        };
        // Two engines that start at a time take each other's rules for their own.
        let lock = fs::File::create(std::env::temp_dir().join("switchyard-engine.lock")).unwrap();
        lock.lock().unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = variables
            .run("engine/run.sh")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Self {
            directory,
            variables,
            child,
        };
        if !eventually(3 * PATIENCE, || engine.docker(&["version"]).is_some()) {
            let log = fs::read_to_string(engine.path("log")).unwrap_or_default();
            panic!("the engine does not start:\n{log}");
        }
        drop(lock);
        engine.import();
        Some(engine)
    }

    /// Its socket.
    fn socket(&self) -> PathBuf {
        self.variables.run.join("docker.sock")
    }

    /// What a DEA has to know of it, as YAML.
    pub(crate) fn yaml(&self) -> String {
        format!(
            "engine: {{socket: '{}', bridge: {}, disks: '{}'}}",
            self.socket().display(),
            self.variables.bridge,
            self.path("disks").display()
        )
    }

    /// What its command line prints; none when it fails.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Option<String> {
        let socket = format!("unix://{}", self.socket().display());
        let output = Command::new("docker")
            .args(["-H", &socket])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The ids of all containers.
    pub(crate) fn containers(&self) -> Vec<String> {
        let ids = self.docker(&["ps", "-aq", "--no-trunc"]).unwrap();
        ids.lines().map(str::to_owned).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes the image: one static program, and a `bash` that is its shell.
    fn import(&self) {
        let root = self.path("root");
        let bin = root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for directory in ["home/vcap", "tmp", "etc", "dev", "proc", "sys"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::copy(found("busybox").unwrap(), bin.join("busybox")).unwrap();
        for name in ["sh", "cat", "sleep", "httpd", "env", "kill", "true", "ls"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let bash = bin.join("bash");
        fs::write(&bash, "#!/bin/sh\nexec /bin/sh \"$@\"\n").unwrap();
        fs::set_permissions(&bash, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(
            root.join("etc/passwd"),
            "vcap:x:2000:2000::/home/vcap:/bin/sh\n",
        )
        .unwrap();
        fs::write(root.join("etc/group"), "vcap:x:2000:\n").unwrap();
        let archive = self.path("root.tar");
        let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
        tar.follow_symlinks(false);
        tar.append_dir_all(".", &root).unwrap();
        tar.into_inner().unwrap().flush().unwrap();
        self.docker(&["import", archive.to_str().unwrap(), IMAGE])
            .unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(ids) = self.docker(&["ps", "-aq"]) {
            for id in ids.lines() {
                self.docker(&["rm", "-f", id]);
            }
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        self.child.wait().ok();
        self.variables
            .run("engine/clean.sh")
            .arg("--data")
            .status()
            .ok();
    }
}

/// What the scripts of the engine are told.
#[derive(Debug)]
struct Variables {
    state: PathBuf,
    run: PathBuf,
    bridge: String,
    subnet: String,
}

impl Variables {
    fn run(&self, script: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = Command::new(script);
        command
            .env("ENGINE_STATE", &self.state)
            .env("ENGINE_RUN", &self.run)
            .env("ENGINE_BRIDGE", &self.bridge)
            .env("ENGINE_SUBNET", &self.subnet)
            .env("ENGINE_DISKS", self.state.with_file_name("disks"));
        command
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let files = places.into_iter().map(|place| place.join(program));
    files.into_iter().find(|file| file.is_file())
}

//! A program of ours as a process of its own: started, signalled, killed, asked.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Client, TempDir, eventually};

/// A program, and a directory of its own in which it runs.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    directory: TempDir,
    descriptors: Option<u64>,
}

/// A running program. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// The program at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            // It runs in another directory.
            path: std::path::absolute(&path).unwrap_or(path),
            directory: TempDir::new(),
            descriptors: None,
        }
    }

    /// Lets it have so many descriptors and no more.
    #[must_use]
    pub const fn with_descriptors(mut self, count: u64) -> Self {
        self.descriptors = Some(count);
        self
    }

    /// The directory that it runs in; paths in its configuration begin there.
    #[must_use]
    pub const fn directory(&self) -> &TempDir {
        &self.directory
    }

    /// The path of a file in that directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs it with these arguments to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command()
            .args(arguments)
            .output()
            .expect("the program can be started")
    }

    /// Starts it with this configuration in a file called `name`, and with these variables in its environment, and does not
    /// wait.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(&self, name: &str, yaml: &str, variables: &[(&str, &str)]) -> Process {
        let file = self.directory.file(name, yaml);
        let mut child = self
            .command()
            .arg("-c")
            .arg(file)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stderr = child.stderr.take().expect("it was piped");
        let stdout = child.stdout.take().expect("it was piped");
        let (log, output) = (Arc::default(), Arc::default());
        let readers = vec![
            reader(stderr, vec![Arc::clone(&log)]),
            reader(stdout, vec![Arc::clone(&log), Arc::clone(&output)]),
        ];
        Process {
            child,
            log,
            output,
            readers,
        }
    }

    fn command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(&self.path),
            Some(count) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -n \"$0\"; exec \"$@\"", &count.to_string()]);
                shell.arg(&self.path);
                shell
            }
        };
        command
            .current_dir(self.directory.path())
            // To name the places of a backtrace costs more memory than anything that is measured.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

impl Process {
    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its first listener is.
    ///
    /// # Panics
    /// When it has not said so.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.told_address("listening")
    }

    /// Where its admin listener is.
    ///
    /// # Panics
    /// When it has not said so.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.told_address("admin-listening")
    }

    fn told_address(&self, message: &str) -> SocketAddr {
        let event = self.event(message);
        let address = event.as_ref().and_then(|data| data["address"].as_str());
        let address = address.and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| self.fail(message))
    }

    /// A new connection to its first listener.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// The body of a 200 to a GET at its admin listener.
    ///
    /// # Panics
    /// When the answer is another.
    #[must_use]
    pub fn ask(&self, target: &str) -> String {
        let response = Client::connect(self.admin()).get("localhost", target);
        assert_eq!(response.status(), 200, "{target}: {}", response.text());
        response.text()
    }

    /// As [`Self::ask`], read as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn ask_json(&self, target: &str) -> Value {
        serde_json::from_str(&self.ask(target)).expect("JSON")
    }

    /// The status of its health check.
    #[must_use]
    pub fn health(&self) -> u16 {
        Client::connect(self.admin())
            .get("localhost", "/health")
            .status()
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        lock(&self.output).clone()
    }

    /// Its log so far: what it has written to standard error and standard output.
    #[must_use]
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// The data of the first event with that message in its log so far.
    #[must_use]
    pub fn event(&self, message: &str) -> Option<Value> {
        let log = lock(&self.log);
        log.lines().find_map(|line| {
            let mut event: Value = serde_json::from_str(line).ok()?;
            (event["message"] == message).then(|| event["data"].take())
        })
    }

    /// Waits until its log has an event with that message.
    ///
    /// # Panics
    /// When it does not come.
    pub fn until_logged(&self, message: &str) {
        let wait = crate::PATIENCE * 3;
        let logged = eventually(wait, || {
            self.event(message).is_some() || self.reader_ended()
        });
        if !logged || self.event(message).is_none() {
            self.fail(message);
        }
    }

    fn reader_ended(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }

    fn fail(&self, wanted: &str) -> ! {
        std::panic::panic_any(format!(
            "the log does not tell of {wanted}:\n{}",
            self.log()
        ))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // Both fail only for a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// How it ended, if it does so within `limit`.
    ///
    /// # Panics
    /// When it is not our child.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        let ended = eventually(limit, || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        if ended {
            // Its log is whole then.
            for reader in self.readers.drain(..) {
                reader.join().expect("the reader of the log does not panic");
            }
        }
        status
    }

    /// Its share of the machine's memory in KiB: pages of others count in part.
    ///
    /// # Panics
    /// When the system does not tell.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        let file = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(Path::new(&file)).expect("the memory of a child can be read");
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix("kB"));
        kib.and_then(|kib| kib.trim().parse().ok())
            .expect("a line Pss: N kB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
    }
}

/// Adds the lines that come from `pipe` to each of `logs`, on a thread of its own.
fn reader(pipe: impl Read + Send + 'static, logs: Vec<Arc<Mutex<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            for log in &logs {
                let mut log = lock(log);
                log.push_str(&line);
                log.push('\n');
            }
        }
    })
}

fn lock(log: &Mutex<String>) -> MutexGuard<'_, String> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

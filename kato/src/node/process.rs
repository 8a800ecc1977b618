//! One process of the node.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{Happening, News};
use crate::config::{Description, Ready};
use crate::control::{Phase, ProcessStatus};
use crate::identity::{Hold, Identity};
use crate::log_file::LogFile;
use crate::readiness;
use crate::supervise::{Index, State, Supervisor};
use crate::users;

/// A process: what is known of it, and the hold on it while it runs.
#[derive(Debug)]
pub(super) struct Process {
    description: Description,
    log: LogFile,
    /// Counts starts, so that news of an earlier one are told apart.
    start: u64,
    running: Option<Running>,
    phase: Phase,
    phase_since: Duration,
    started_at: Duration,
    ready_after: Option<Duration>,
    last_end: Option<String>,
}

#[derive(Debug)]
struct Running {
    pid: u32,
    hold: Arc<Hold>,
}

/// Waits for what becomes of a process.
#[derive(Debug)]
pub(super) struct Watch {
    hold: Arc<Hold>,
    /// None if it is no child of ours: then nobody learns its exit code.
    child: Option<Child>,
    ready: Ready,
    start: u64,
}

impl Process {
    pub(super) fn new(description: Description, log: LogFile) -> Self {
        Self {
            description,
            log,
            start: 0,
            running: None,
            phase: Phase::Stopped,
            phase_since: Duration::ZERO,
            started_at: Duration::ZERO,
            ready_after: None,
            last_end: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.description.name
    }

    pub(super) const fn log(&self) -> &LogFile {
        &self.log
    }

    /// Which of its starts this is.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Starts it.
    pub(super) fn spawn(&mut self, state: &Path, now: Duration) -> io::Result<(Identity, Watch)> {
        let mut child = self.command(state)?.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("no process"))?;
        // It is ours until it is waited for, so its number is its own.
        let held = Hold::of(pid).and_then(|hold| Ok((hold, Identity::of_child(pid)?)));
        let (hold, identity) = match held {
            Ok(held) => held,
            Err(error) => {
                child.start_kill()?;
                return Err(error);
            }
        };
        let mut watch = self.adopt(pid, hold, now);
        watch.child = Some(child);
        Ok((identity, watch))
    }

    /// Takes a process that runs.
    pub(super) fn adopt(&mut self, pid: u32, hold: Hold, now: Duration) -> Watch {
        let hold = Arc::new(hold);
        self.start += 1;
        (self.started_at, self.ready_after) = (now, None);
        self.running = Some(Running {
            pid,
            hold: Arc::clone(&hold),
        });
        Watch {
            hold,
            child: None,
            ready: self.description.ready.clone(),
            start: self.start,
        }
    }

    fn command(&self, state: &Path) -> io::Result<Command> {
        let description = &self.description;
        let (program, arguments) = description
            .command
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let output = self.log.open()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(&description.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // What a terminal sends to kato is not for it.
            .process_group(0);
        let is_directory_given = !description.directory.as_os_str().is_empty();
        command.current_dir(if is_directory_given {
            &description.directory
        } else {
            state
        });
        if let Some(name) = description.user() {
            let user = users::look_up(name).map_err(io::Error::other)?;
            command.uid(user.uid).gid(user.gid);
        }
        Ok(command)
    }

    pub(super) fn terminate(&self) {
        self.signal(self.description.stop.signal);
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running
            && let Err(error) = running.hold.signal(signal)
        {
            tracing::error!(process = self.name(), %error, "process-not-signalled");
        }
    }

    /// Keeps how it ended.
    pub(super) fn ended(&mut self, how: String) {
        (self.running, self.last_end) = (None, Some(how));
    }

    /// Keeps since when it is where it is.
    pub(super) fn note_phase(&mut self, supervisor: &Supervisor, index: Index, now: Duration) {
        let phase = phase(supervisor, index);
        if phase == self.phase {
            return;
        }
        if phase == Phase::Running {
            self.ready_after = Some(now.saturating_sub(self.started_at));
        }
        (self.phase, self.phase_since) = (phase, now);
    }

    pub(super) fn status(
        &self,
        supervisor: &Supervisor,
        index: Index,
        now: Duration,
    ) -> ProcessStatus {
        ProcessStatus {
            name: self.name().to_owned(),
            phase: self.phase,
            wanted: supervisor.is_wanted(index),
            pid: self.running.as_ref().map(|running| running.pid),
            user: self.description.user.clone(),
            seconds: now.saturating_sub(self.phase_since).as_secs_f64(),
            ready_after: self.ready_after.map(|after| after.as_secs_f64()),
            restarts: supervisor.restarts(index),
            last_end: self.last_end.clone(),
        }
    }
}

fn phase(supervisor: &Supervisor, index: Index) -> Phase {
    match supervisor.state(index) {
        _ if supervisor.is_leaving(index) => Phase::Stopping,
        State::Stopped if supervisor.is_wanted(index) => Phase::Waiting,
        State::Stopped => Phase::Stopped,
        State::Starting { .. } => Phase::Starting,
        State::Running { .. } => Phase::Running,
        State::Stopping { .. } => Phase::Stopping,
        State::BackingOff { .. } => Phase::BackingOff,
        State::Ended => Phase::Ended,
    }
}

impl Watch {
    /// Tells `news` when the process is ready and when it ends.
    pub(super) async fn run(mut self, index: Index, news: mpsc::Sender<News>) {
        let ready = self.ready.clone();
        let start = self.start;
        let tell = async |what| {
            let told = news.send(News { index, start, what }).await;
            // Nobody listens when kato ends.
            told.map_err(drop).unwrap_or_default();
        };
        let early = tokio::select! {
            biased;
            ended = self.ended() => Some(ended),
            () = readiness::until(&ready) => None,
        };
        let ended = match early {
            Some(ended) => ended,
            None => {
                tell(Happening::Ready).await;
                self.ended().await
            }
        };
        tell(ended).await;
    }

    async fn ended(&mut self) -> Happening {
        let Some(child) = &mut self.child else {
            self.hold.ended().await;
            return Happening::Ended {
                success: false,
                how: "ended".to_owned(),
            };
        };
        match child.wait().await {
            Ok(status) => Happening::Ended {
                success: status.success(),
                how: status_text(status),
            },
            Err(error) => Happening::Ended {
                success: false,
                how: error.to_string(),
            },
        }
    }
}

fn status_text(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

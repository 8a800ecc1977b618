//! A server that this program started, and therefore may stop.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::cores::Core;
use crate::usage;

/// How long a server may take to accept its first connection.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a server may take to end after SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(1);

/// A running child process. Dropping it kills it, so that nothing outlives a failed or cancelled
/// run.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: tokio::process::Child,
    pid: Pid,
    started: Instant,
}

impl Server {
    /// Starts `command` on `core` with its output in `log`; does not wait until it serves.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn spawn(name: &str, mut command: Command, core: Core, log: &Path) -> Result<Self> {
        let output = std::fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let started = Instant::now();
        let child = core
            .run(|| command.spawn())
            .with_context(|| format!("{name} cannot be started"))?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .with_context(|| format!("{name} ended at once"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            pid,
            started,
        })
    }

    /// Waits until something accepts connections on `address`.
    ///
    /// # Errors
    /// When the process ends or the limit passes; the end of its log is part of the message.
    pub async fn accepts(&mut self, address: SocketAddr, log: &Path) -> Result<()> {
        while self.started.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}): {}",
                    self.name,
                    last_lines(log)
                );
            }
            if timeout(POLL * 100, TcpStream::connect(address))
                .await
                .is_ok_and(|r| r.is_ok())
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!(
            "{} does not listen on {address}: {}",
            self.name,
            last_lines(log)
        )
    }

    /// When the process was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        usage::cpu(self.pid.as_raw_nonzero().get().cast_unsigned())
            .with_context(|| self.name.clone())
    }

    /// Proportional set size in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> Result<u64> {
        usage::memory(self.pid.as_raw_nonzero().get().cast_unsigned())
            .with_context(|| self.name.clone())
    }

    /// SIGTERM, then SIGKILL when it takes too long.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn stop(mut self) -> Result<()> {
        kill_process(self.pid, Signal::TERM).ok();
        if timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// SIGKILL, as a crash.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| self.name.clone())
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    if lines.is_empty() {
        return "its log is empty".to_owned();
    }
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

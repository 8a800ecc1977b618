//! Commands to a kato that runs: one line of JSON over its unix socket, and one as the answer.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use component::tasks::Tasks;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Bytes of a line.
const LONGEST: u64 = 64 << 10;
/// Commands at once; more wait to be accepted.
const MOST: usize = 16;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What somebody asks for. Names are of processes or roles; none: all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// They shall run.
    Start(Vec<String>),
    /// They shall not run.
    Stop(Vec<String>),
    /// They shall stop and start.
    Restart(Vec<String>),
    /// Nothing; the answer is all that is wanted.
    Status,
    /// All shall stop, and kato with them.
    Shutdown,
}

/// What is answered, once the command was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How things stand, in the order of starting.
    Status(Vec<ProcessStatus>),
    /// Why nothing was done.
    Refused(String),
}

/// How one process stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub phase: Phase,
    /// Whether it is wanted.
    pub wanted: bool,
    /// Its number while it runs.
    pub pid: Option<u32>,
    /// Who runs it; empty: who runs kato.
    pub user: String,
    /// Since when it is there, in seconds.
    pub seconds: f64,
    /// From its last start to its being ready, in seconds.
    pub ready_after: Option<f64>,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// How it ended last, or why it could not be started.
    pub last_end: Option<String>,
}

/// Where a process is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It does not run.
    Stopped,
    /// It waits for what it depends on.
    Waiting,
    /// It runs and is not ready.
    Starting,
    /// It runs and is ready.
    Running,
    /// It was told to end.
    Stopping,
    /// It failed, and is started again later.
    BackingOff,
    /// It ended, and stays so.
    Ended,
}

impl Phase {
    /// Returns its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing off",
            Self::Ended => "ended",
        }
    }
}

/// A command and the way back.
pub type Call = (Command, oneshot::Sender<Answer>);

/// Opens the socket, for its owner alone. One that an earlier kato left is replaced.
///
/// # Errors
/// It cannot be made.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Hears commands and answers them with what comes back from `calls`, for ever.
pub async fn serve(listener: UnixListener, calls: mpsc::Sender<Call>) {
    let mut tasks = Tasks::new();
    loop {
        tokio::select! {
            Some(_) = tasks.next(), if !tasks.is_empty() => {}
            accepted = listener.accept(), if tasks.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    let calls = calls.clone();
                    tasks.spawn("command", async move {
                        if let Ok(Err(error)) = timeout(LIMIT, hear(stream, calls)).await {
                            tracing::debug!(%error, "command-broken");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "command-not-accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn hear(mut stream: UnixStream, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new((&mut stream).take(LONGEST));
    reader.read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(command) => {
            let (sender, answer) = oneshot::channel();
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            calls.send((command, sender)).await.map_err(|_| gone(()))?;
            answer.await.map_err(|_| gone(()))?
        }
        Err(error) => Answer::Refused(error.to_string()),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Gives a command to the kato of this socket.
///
/// # Errors
/// None listens there ([`io::ErrorKind::NotFound`] or [`io::ErrorKind::ConnectionRefused`]), or it went
/// away.
pub async fn ask(path: &Path, command: &Command) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path).await?;
    let mut text = serde_json::to_vec(command)?;
    text.push(b'\n');
    let answered = async {
        stream.write_all(&text).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        serde_json::from_str(&line).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    };
    timeout(LIMIT, answered)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use tests_kit::TempDir;

    use super::*;

    #[tokio::test]
    async fn what_is_no_command_is_refused_and_what_is_one_answered() {
        let directory = TempDir::new();
        let path = directory.path().join("kato.sock");
        let (sender, mut calls) = mpsc::channel::<Call>(1);
        let mut tasks = Tasks::new();
        tasks.spawn("control", serve(listen(&path).unwrap(), sender));
        tasks.spawn("node", async move {
            while let Some((command, answer)) = calls.recv().await {
                answer
                    .send(Answer::Refused(format!("{command:?}")))
                    .unwrap();
            }
        });
        let asked = ask(&path, &Command::Stop(vec!["a".to_owned()])).await;
        assert!(matches!(asked, Ok(Answer::Refused(text)) if text == "Stop([\"a\"])"));
        for line in ["{}\n", "no\n", "\n", ""] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(line.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("{\"refused\":"), "{line}: {answer}");
        }
    }
}

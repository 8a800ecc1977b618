//! What an operator asks of the kato that runs.

mod logs;
mod progress;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode, Stdio};
use std::time::Duration;

use clap::Subcommand;
use component::config_file::{self, Depth};
use component::text_table::{TextTable, span};
use tokio::time::{Instant, sleep};

use self::progress::{Goal, Progress};
use crate::config::Config;
use crate::control::{Answer, Command, Phase, ProcessStatus, ask};
use crate::init::{self, Layout};
use crate::node;

/// Between two looks at how things stand.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a kato may take to hear its first command, and to be gone after its last process.
const OWN_TIME: Duration = Duration::from_secs(15);

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Starts processes, and a kato in the background if none runs, and waits until they are ready.
    Start {
        /// Processes or roles; none: all.
        names: Vec<String>,
    },
    /// Stops processes. Without names: all of them, and kato.
    Stop {
        /// Processes or roles.
        names: Vec<String>,
    },
    /// Stops processes and starts them.
    Restart {
        /// Processes or roles; none: all.
        names: Vec<String>,
    },
    /// Shows how things stand. The exit code is 3 if no kato runs.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows what processes wrote.
    Log {
        /// Goes on with what they write.
        #[arg(short, long)]
        follow: bool,
        /// So many lines of each.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Processes or roles; `kato` is its own; none: all.
        names: Vec<String>,
    },
    /// Writes the configuration of a node that runs the whole cloud. What was changed by hand is kept.
    Init(Box<Layout>),
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no configuration.
    #[error("name the configuration: -c FILE")]
    NoFile,
    /// No kato runs.
    #[error("no kato runs with {}", .0.display())]
    NotRunning(PathBuf),
    /// The kato that was started ended again.
    #[error("kato ended; its log is {}", .0.display())]
    Died(PathBuf),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// A process is not where it should be, and is given no more time.
    #[error("{name} is {}{}; its log is {}", .phase.word(), reason(.last_end.as_ref()), .log.display())]
    Late {
        /// The process.
        name: String,
        /// Where it is.
        phase: Phase,
        /// How it ended last.
        last_end: Option<String>,
        /// Where its log is.
        log: PathBuf,
    },
    /// Kato itself does not end.
    #[error("kato does not end")]
    Stays,
}

fn reason(last_end: Option<&String>) -> String {
    last_end.map_or_else(String::new, |how| format!(" ({how})"))
}

/// Does it, with the configuration in `file`.
///
/// # Errors
/// Why it could not be done.
pub fn run(verb: &Verb, file: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    if let Verb::Init(layout) = verb {
        init::run(layout, &mut io::stdout())?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = file.ok_or(CommandError::NoFile)?;
    let config = config_file::check::<Config>(file, Depth::Start)?.config;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match verb {
            Verb::Start { names } => {
                launch(file, &config).await?;
                let command = Command::Start(names.clone());
                bring(&config, &command, names, Goal::Up).await?;
            }
            Verb::Restart { names } => {
                let command = Command::Restart(names.clone());
                bring(&config, &command, names, Goal::Up).await?;
            }
            Verb::Stop { names } if names.is_empty() => shut_down(&config).await?,
            Verb::Stop { names } => {
                let command = Command::Stop(names.clone());
                bring(&config, &command, names, Goal::Down).await?;
            }
            Verb::Status { json } => return show(&config, *json).await,
            Verb::Log {
                follow,
                lines,
                names,
            } => logs::show(&config, names, *lines, *follow).await?,
            Verb::Init(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn tell(config: &Config, command: &Command) -> Result<Vec<ProcessStatus>, Box<dyn Error>> {
    match ask(&config.socket(), command).await {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(Answer::Refused(reason)) => Err(CommandError::Refused(reason).into()),
        Err(error) if is_nobody(&error) => {
            Err(CommandError::NotRunning(config.state.clone()).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Starts a kato in the background unless one runs, and waits until it hears.
async fn launch(file: &Path, config: &Config) -> Result<(), Box<dyn Error>> {
    if ask(&config.socket(), &Command::Status).await.is_ok() {
        return Ok(());
    }
    let log = config.log_directory().join("kato.log");
    std::fs::create_dir_all(config.log_directory())?;
    let output = OpenOptions::new().append(true).create(true).open(&log)?;
    let mut child = Program::new(std::env::current_exe()?)
        .arg("--config")
        .arg(std::path::absolute(file)?)
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let deadline = Instant::now() + OWN_TIME;
    while ask(&config.socket(), &Command::Status).await.is_err() {
        if child.try_wait()?.is_some() || Instant::now() >= deadline {
            return Err(CommandError::Died(log).into());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Gives a command, and waits until all that are meant are where it leads to.
async fn bring(
    config: &Config,
    command: &Command,
    names: &[String],
    goal: Goal,
) -> Result<(), Box<dyn Error>> {
    let mut status = tell(config, command).await?;
    let mut progress = Progress::new(config, meant(config, names)?, goal);
    while !progress.tell(&status, &mut io::stdout())? {
        progress.check_time(config, &status)?;
        sleep(PAUSE).await;
        status = match ask(&config.socket(), &Command::Status).await {
            Ok(Answer::Status(status)) => status,
            // It goes once the last one has ended.
            Err(_) if goal == Goal::Down => {
                status
                    .iter_mut()
                    .for_each(|process| process.phase = Phase::Stopped);
                status
            }
            Err(error) => return Err(error.into()),
            Ok(Answer::Refused(reason)) => return Err(CommandError::Refused(reason).into()),
        };
    }
    Ok(())
}

/// Stops all and kato, and waits until it is gone.
async fn shut_down(config: &Config) -> Result<(), Box<dyn Error>> {
    if let Err(error) = bring(config, &Command::Shutdown, &[], Goal::Down).await {
        let is_quiet = matches!(error.downcast_ref(), Some(CommandError::NotRunning(_)));
        return if is_quiet {
            Ok(writeln!(io::stdout(), "nothing of ours was running")?)
        } else {
            Err(error)
        };
    }
    let deadline = Instant::now() + OWN_TIME;
    while node::lock(&config.state).is_err() {
        if Instant::now() >= deadline {
            return Err(CommandError::Stays.into());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn meant(config: &Config, names: &[String]) -> Result<Vec<usize>, CommandError> {
    let unknown = |name| CommandError::Refused(format!("this node runs no {name}"));
    config.named(names).map_err(unknown)
}

async fn show(config: &Config, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let status = match tell(config, &Command::Status).await {
        Err(error) if error.is::<CommandError>() => {
            writeln!(io::stderr(), "{error}")?;
            return Ok(ExitCode::from(3));
        }
        told => told?,
    };
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = TextTable::new(&[
        "PROCESS",
        "STATE",
        "SINCE>",
        "READY AFTER>",
        "PID>",
        "USER",
        "RESTARTS>",
        "LAST END",
    ]);
    for process in status {
        table.row([
            process.name,
            process.phase.word().to_owned(),
            span(process.seconds),
            process.ready_after.map_or_else(String::new, span),
            process.pid.map_or_else(String::new, |pid| pid.to_string()),
            process.user,
            process.restarts.to_string(),
            process.last_end.unwrap_or_default(),
        ]);
    }
    table.write(&mut out)?;
    Ok(ExitCode::SUCCESS)
}

//! The processes of one node: what [`crate::supervise`] decides is done here.

mod process;

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use component::orders::{Order, Orders};
use component::pid_file::PidFile;
use component::tasks::Tasks;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::process::Process;
use crate::config::Config;
use crate::control::{self, Answer, Call, Command};
use crate::log_file::LogFile;
use crate::records::Records;
use crate::supervise::{Effect, Index, Input, Supervisor};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(50);
/// Looks between two at the length of log files.
const TICKS_OF_LOGS: u32 = 20;
/// News and commands that wait; more wait where they come from.
const WAITING: usize = 64;
/// How long the tasks may take to end.
const END: Duration = Duration::from_secs(1);

/// Why a node cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another kato runs with this state directory.
    #[error("another kato runs with {0}")]
    Taken(String),
}

/// What became of a process.
#[derive(Debug)]
pub struct News {
    /// Which one.
    index: Index,
    /// Which of its starts.
    start: u64,
    what: Happening,
}

/// What happens to a process.
#[derive(Debug)]
pub enum Happening {
    /// It is ready.
    Ready,
    /// It ended.
    Ended {
        /// Whether its exit code was 0.
        success: bool,
        /// How, for people.
        how: String,
    },
}

/// A node that runs.
#[derive(Debug)]
struct Node {
    config: Config,
    supervisor: Supervisor,
    processes: Vec<Process>,
    records: Records,
    tasks: Tasks,
    news: mpsc::Sender<News>,
    began: Instant,
    is_ending: bool,
    own_log: LogFile,
}

/// Takes the state directory for this process, until the file is closed.
///
/// # Errors
/// [`NodeError::Taken`], or the directory cannot be used.
pub fn lock(state: &Path) -> Result<File, Box<dyn Error>> {
    fs::create_dir_all(state)?;
    let path = state.join("kato.lock");
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(NodeError::Taken(state.display().to_string()).into())
        }
        Err(error) => Err(io::Error::from(error).into()),
        Ok(()) => Ok(file),
    }
}

/// Runs what the configuration says until it is ordered to end; then all that it started has ended. What
/// an earlier kato left running is taken over.
///
/// # Errors
/// Another kato runs with this state directory, or the directory cannot be used.
pub async fn run(config: Config, orders: Orders) -> Result<(), Box<dyn Error>> {
    let _lock = lock(&config.state)?;
    let listener = control::listen(&config.socket())?;
    let _pid_file = PidFile::write(config.state.join("kato.pid"));
    let (news, happened) = mpsc::channel(WAITING);
    let (calls, called) = mpsc::channel(WAITING);
    let mut control = Tasks::new();
    control.spawn("control", control::serve(listener, calls));
    let socket = config.socket();
    let mut node = Node::new(config, news);
    node.take_over();
    for index in 0..node.processes.len() {
        node.take(Input::Start(index));
    }
    node.serve(orders, happened, called).await;
    fs::remove_file(socket)?;
    control.shutdown(Duration::ZERO).await;
    node.tasks.shutdown(END).await;
    tracing::info!("stopped");
    Ok(())
}

impl Node {
    fn new(config: Config, news: mpsc::Sender<News>) -> Self {
        let directory = config.log_directory();
        let (most, older) = (config.logs.most.0, config.logs.older);
        let log = |name: &str| LogFile::new(&directory, name, most, older);
        let running = config.running();
        let process = |description: &&crate::config::Description| {
            Process::new((*description).clone(), log(&description.name))
        };
        Self {
            supervisor: Supervisor::new(config.plans(), config.back_off),
            processes: running.iter().map(process).collect(),
            records: Records::open(&config.state),
            tasks: Tasks::new(),
            news,
            began: Instant::now(),
            is_ending: false,
            own_log: log("kato"),
            config,
        }
    }

    /// Takes over what still runs, and ends what this node no longer has.
    fn take_over(&mut self) {
        for index in 0..self.processes.len() {
            let name = self.processes[index].name().to_owned();
            let Some(identity) = self.records.get(&name).cloned() else {
                continue;
            };
            if let Ok(hold) = identity.hold() {
                tracing::info!(process = name, pid = identity.pid, "process-taken-over");
                let now = self.began.elapsed();
                let watch = self.processes[index].adopt(identity.pid, hold, now);
                let watch = watch.run(index, self.news.clone());
                self.tasks.spawn(name, watch);
                self.take(Input::Found(index));
            } else {
                self.record(index, None);
            }
        }
        for (name, identity) in self.records.all() {
            if self.processes.iter().any(|process| process.name() == name) {
                continue;
            }
            if let Ok(hold) = identity.hold() {
                tracing::info!(process = name, pid = identity.pid, "process-left-over");
                hold.signal(Signal::TERM).unwrap_or_default();
            }
            self.records.set(&name, None).unwrap_or_default();
        }
    }

    async fn serve(
        &mut self,
        mut orders: Orders,
        mut happened: mpsc::Receiver<News>,
        mut called: mpsc::Receiver<Call>,
    ) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_logs = 0;
        while !(self.is_ending && self.supervisor.is_quiet()) {
            tokio::select! {
                Some(news) = happened.recv() => self.hear(news),
                Some((command, answer)) = called.recv() => {
                    // Whoever asked may be gone.
                    answer.send(self.obey(&command)).map_err(drop).unwrap_or_default();
                }
                _ = orders.at_least(Order::Drain), if !self.is_ending => self.end(),
                _ = ticks.tick() => {
                    self.take(Input::Tick);
                    until_logs = if until_logs == 0 { TICKS_OF_LOGS } else { until_logs - 1 };
                    if until_logs == 0 {
                        self.rotate();
                    }
                }
                Some(_) = self.tasks.next(), if !self.tasks.is_empty() => {}
            }
        }
    }

    fn hear(&mut self, news: News) {
        let News { index, start, what } = news;
        if self.processes.get(index).map(Process::start) != Some(start) {
            return;
        }
        let name = self.processes[index].name();
        match what {
            Happening::Ready => {
                tracing::info!(process = name, "process-ready");
                self.take(Input::Ready(index));
            }
            Happening::Ended { success, how } => {
                tracing::info!(process = name, how, "process-ended");
                self.processes[index].ended(how);
                self.record(index, None);
                self.take(Input::Ended { index, success });
            }
        }
    }

    fn obey(&mut self, command: &Command) -> Answer {
        type Make = fn(Index) -> Input;
        let (names, make): (&[String], Make) = match command {
            Command::Start(names) => (names, Input::Start),
            Command::Stop(names) => (names, Input::Stop),
            Command::Restart(names) => (names, Input::Restart),
            Command::Status => return self.status(),
            Command::Shutdown => {
                self.end();
                return self.status();
            }
        };
        if self.is_ending {
            return Answer::Refused("kato is about to end".to_owned());
        }
        match self.config.named(names) {
            // Dependents first, so that a stop takes them first.
            Ok(indices) => indices
                .iter()
                .rev()
                .for_each(|index| self.take(make(*index))),
            Err(name) => return Answer::Refused(format!("this node runs no {name}")),
        }
        self.status()
    }

    /// Begins to stop everything.
    fn end(&mut self) {
        tracing::info!("stopping");
        self.is_ending = true;
        for index in (0..self.processes.len()).rev() {
            self.take(Input::Stop(index));
        }
    }

    /// Takes an input in, and does what follows.
    fn take(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.began.elapsed();
            for effect in self.supervisor.step(now, input) {
                inputs.extend(self.apply(effect, now));
            }
        }
        self.note_phases();
    }

    /// Does it. Returns what came of it at once.
    fn apply(&mut self, effect: Effect, now: Duration) -> Option<Input> {
        let (Effect::Spawn(index) | Effect::Terminate(index) | Effect::Kill(index)) = effect;
        let process = self.processes.get_mut(index)?;
        let name = process.name().to_owned();
        match effect {
            Effect::Spawn(_) => match process.spawn(&self.config.state, now) {
                Ok((identity, watch)) => {
                    tracing::info!(process = name, pid = identity.pid, "process-started");
                    self.record(index, Some(identity));
                    self.tasks.spawn(name, watch.run(index, self.news.clone()));
                }
                Err(error) => {
                    tracing::error!(process = name, %error, "process-not-started");
                    process.ended(error.to_string());
                    return Some(Input::Ended {
                        index,
                        success: false,
                    });
                }
            },
            Effect::Terminate(_) => {
                tracing::info!(process = name, "process-stopping");
                process.terminate();
            }
            Effect::Kill(_) => {
                tracing::warn!(process = name, "process-killed");
                process.signal(Signal::KILL);
            }
        }
        None
    }

    fn record(&mut self, index: Index, identity: Option<crate::identity::Identity>) {
        let name = self.processes[index].name();
        if let Err(error) = self.records.set(name, identity) {
            tracing::error!(process = name, %error, "record-not-written");
        }
    }

    fn rotate(&self) {
        let logs = self.processes.iter().map(Process::log);
        for log in logs.chain([&self.own_log]) {
            if let Err(error) = log.rotate() {
                tracing::warn!(file = %log.path().display(), %error, "log-not-rotated");
            }
        }
    }

    fn note_phases(&mut self) {
        let now = self.began.elapsed();
        for (index, process) in self.processes.iter_mut().enumerate() {
            process.note_phase(&self.supervisor, index, now);
        }
    }

    fn status(&self) -> Answer {
        let now = self.began.elapsed();
        let processes = self.processes.iter().enumerate();
        let status = processes.map(|(index, process)| process.status(&self.supervisor, index, now));
        Answer::Status(status.collect())
    }
}

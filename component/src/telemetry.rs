//! The process's own log: one subscriber, a level that can be changed while it runs, and a thread
//! that writes.
//!
//! An event is an object with a name: the message is the name (`program.started`), everything else
//! is a field, and so are the fields of the spans that it happens in: a task's name, say. Spans are of
//! level error, so that no level of the log loses them. Whoever logs formats a line and leaves it in a
//! queue; only the thread waits for the pipe or terminal at the other end.

mod line;
mod sink;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use self::line::Lined;
use self::sink::Sink;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Only what ended badly.
    Error,
    /// Also what may end badly.
    Warn,
    /// Also what an operator wants to know afterwards.
    #[default]
    Info,
    /// Also what a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// All levels, the quietest first.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the level is one of error, warn, info, debug, trace")]
pub struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Reads a level's name; `fatal`, which other programs know, is `error`.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let name = if text.eq_ignore_ascii_case("fatal") {
            "error"
        } else {
            text
        };
        let mut all = Self::ALL.into_iter();
        all.find(|level| level.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownLevel)
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// One JSON object a line, with the members that the programs of Cloud Foundry write.
    #[default]
    Json,
    /// For people.
    Text,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamp {
    /// Seconds since 1970 with nine decimals.
    #[default]
    UnixEpoch,
    /// `2006-01-02T15:04:05.000000000Z`.
    Rfc3339,
}

/// Where lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output. A line is written in one piece, under the lock that [`io::stdout`] has, so
    /// that what others write there under it does not come to stand within.
    Stdout,
}

/// What the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Least important level that is written.
    pub level: Level,
    /// Where its lines go.
    pub output: LogOutput,
    /// Its lines.
    pub lines: Lines,
    /// Its times.
    pub timestamp: Timestamp,
    /// What lines name as their source.
    pub source: &'static str,
    /// Libraries, by the beginning of their targets, whose news of level info counts as debug: they
    /// tell what their user tells better.
    pub talkative: &'static [&'static str],
}

/// The level in force. Clones change the same one.
#[derive(Clone, Debug)]
pub struct LogLevel {
    current: Arc<AtomicU8>,
    filter: Option<reload::Handle<LevelFilter, Registry>>,
}

impl LogLevel {
    /// A level that no subscriber follows, for parts that run without a process of their own.
    pub fn detached(level: Level) -> Self {
        Self {
            current: Arc::new(AtomicU8::new(level as u8)),
            filter: None,
        }
    }

    /// The level now.
    pub fn get(&self) -> Level {
        let index = usize::from(self.current.load(Relaxed));
        Level::ALL.get(index).copied().unwrap_or_default()
    }

    /// Whether an event is left out although its level would be written.
    fn hushes(&self, event: &Metadata<'_>, talkative: &[&str]) -> bool {
        *event.level() == tracing::Level::INFO
            && self.get() < Level::Debug
            && talkative
                .iter()
                .any(|library| event.target().starts_with(library))
    }

    /// Changes it for the whole process, at once.
    pub fn set(&self, level: Level) {
        self.current.store(level as u8, Relaxed);
        if let Some(filter) = &self.filter {
            // It fails only when the subscriber is gone, and its lines with it.
            filter.reload(level.filter()).unwrap_or_default();
        }
    }
}

/// The log of this process. Keep it to the end: dropping it waits up to a second for lines that
/// are not written yet.
#[derive(Debug)]
pub struct Log {
    /// Its level.
    pub level: LogLevel,
    sink: Arc<Sink>,
}

const LAST_LINES: Duration = Duration::from_secs(1);

impl Log {
    /// Lines that found the queue full, so far. They are missing from the log, which says so once
    /// there is room again.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.sink.dropped()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.sink.flush(LAST_LINES);
    }
}

/// Sends the events of this process to its output from now on. Call it once.
///
/// # Errors
///
/// When the process has a subscriber already, or the system gives no thread.
pub fn init(settings: Settings) -> io::Result<Log> {
    let sink = Arc::new(match settings.output {
        LogOutput::Stderr => Sink::start(io::stderr())?,
        LogOutput::Stdout => Sink::start(io::stdout())?,
    });
    let (filter, handle) = reload::Layer::new(settings.level.filter());
    let level = LogLevel {
        filter: Some(handle),
        ..LogLevel::detached(settings.level)
    };
    let lined = Lined {
        settings,
        level: level.clone(),
        sink: Arc::clone(&sink),
        now: line::since_1970,
    };
    Registry::default()
        .with(filter)
        .with(lined)
        .try_init()
        .map_err(io::Error::other)?;
    Ok(Log { level, sink })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(level.name().to_uppercase().parse(), Ok(level));
        }
        assert_eq!("fatal".parse(), Ok(Level::Error));
        assert_eq!("loud".parse::<Level>(), Err(UnknownLevel));
    }

    #[test]
    fn talkative_libraries_are_heard_when_somebody_debugs() {
        struct Hushed(LogLevel, std::sync::Mutex<Vec<bool>>);
        impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for &'static Hushed {
            fn on_event(
                &self,
                event: &tracing::Event<'_>,
                _: tracing_subscriber::layer::Context<'_, S>,
            ) {
                let hushed = self.0.hushes(event.metadata(), &["chatter"]);
                self.1.lock().unwrap().push(hushed);
            }
        }
        let layer = Box::leak(Box::new(Hushed(
            LogLevel::detached(Level::Info),
            Default::default(),
        )));
        let layer: &'static Hushed = layer;
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(target: "chatter::client", "connected");
            tracing::warn!(target: "chatter::client", "lost");
            tracing::info!(target: "program", "started");
            layer.0.set(Level::Debug);
            tracing::info!(target: "chatter::client", "connected");
        });
        assert_eq!(*layer.1.lock().unwrap(), [true, false, false, false]);
    }

    #[test]
    fn a_change_is_seen_by_all() {
        let level = LogLevel::detached(Level::Warn);
        level.clone().set(Level::Debug);
        assert_eq!(level.get(), Level::Debug);
    }
}

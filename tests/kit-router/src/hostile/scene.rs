//! What a hostile peer needs and meets.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::watch::Usage;
use crate::RouterProcess;

/// An attack: it goes on until the scene is over, and returns how it ended.
type Attack = Box<dyn FnOnce(&Scene) -> Ended + Send>;

/// What must outlast the attack, until the router was measured. What came last goes first.
#[derive(Default)]
pub(super) struct Kept(Vec<Box<dyn Any + Send>>);

impl Drop for Kept {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// What a hostile peer needs.
pub struct Setup {
    keys: String,
    routes: Vec<(&'static str, SocketAddr)>,
    health: Vec<SocketAddr>,
    never_well: bool,
    kept: Kept,
    attack: Attack,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Setup {
    pub(super) fn new(attack: impl FnOnce(&Scene) -> Ended + Send + 'static) -> Self {
        Self {
            keys: String::new(),
            routes: Vec::new(),
            health: Vec::new(),
            never_well: false,
            kept: Kept::default(),
            attack: Box::new(attack),
        }
    }

    /// Adds lines of configuration.
    pub(super) fn keys(mut self, lines: &str) -> Self {
        self.keys.push_str(lines);
        self.keys.push('\n');
        self
    }

    /// Adds a route.
    pub(super) fn route(mut self, host: &'static str, to: SocketAddr) -> Self {
        self.routes.push((host, to));
        self
    }

    /// Adds a listener whose health checks must not fail.
    pub(super) fn checked(mut self, listener: SocketAddr) -> Self {
        self.health.push(listener);
        self
    }

    /// A router of which nobody expects that it calls itself well.
    pub(super) fn never_well(mut self) -> Self {
        self.never_well = true;
        self
    }

    /// Keeps something until the router was measured.
    pub(super) fn keep(mut self, what: impl Any + Send) -> Self {
        self.kept.0.push(Box::new(what));
        self
    }

    /// The configuration of the router, with a route to the well-behaved app.
    pub(super) fn yaml(&self, good: SocketAddr) -> String {
        let mut yaml = self.keys.clone();
        yaml.push_str("routes:\n");
        for (host, to) in [("good.test", good)].iter().chain(&self.routes) {
            yaml.push_str(&format!("  - {{uris: [{host}], backends: ['{to}']}}\n"));
        }
        yaml
    }

    /// Where health is asked for.
    pub(super) fn health(&self, admin: SocketAddr) -> Vec<SocketAddr> {
        if self.never_well {
            return Vec::new();
        }
        [&[admin], self.health.as_slice()].concat()
    }

    pub(super) fn into_parts(self) -> (Attack, Kept) {
        (self.attack, self.kept)
    }
}

/// What a hostile peer meets.
#[derive(Debug)]
pub struct Scene {
    /// Where the router serves.
    pub router: SocketAddr,
    /// Its admin listener.
    pub admin: SocketAddr,
    /// What the router uses.
    pub(super) usage: Usage,
    over: Instant,
}

impl Scene {
    /// An attack on `router` that begins now.
    pub(super) fn new(router: &RouterProcess, time: Duration) -> Self {
        Self {
            router: router.address(),
            admin: router.admin(),
            usage: Usage::of(router.pid()),
            over: Instant::now() + time,
        }
    }

    /// Whether the attack is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.over
    }

    /// Pauses, no longer than the attack goes on; whether it goes on.
    #[must_use]
    pub fn goes_on(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let until = self.over.min(now + pause);
        super::pause(until.saturating_duration_since(now));
        !self.is_over()
    }
}

/// How an attack ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// After which time the router had ended the last of its connections; none if it has not.
    pub cut_off: Option<Duration>,
    /// What else is worth telling.
    pub note: String,
    /// What the router did wrong first.
    pub fault: Option<String>,
}

impl Ended {
    pub(super) fn noted(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..Self::default()
        }
    }

    /// Of an attack that panicked.
    pub(super) fn broken_off() -> Self {
        Self::default().demand(false, "the attack broke off: see its panic")
    }

    pub(super) fn cut(cut_off: Option<Duration>, note: impl Into<String>) -> Self {
        Self {
            cut_off,
            ..Self::noted(note)
        }
    }

    /// Adds what is wrong unless `holds`.
    pub(super) fn demand(mut self, holds: bool, fault: &str) -> Self {
        if !holds {
            self.fault.get_or_insert_with(|| fault.to_owned());
        }
        self
    }
}

/// Lets this thread, and those it starts, go behind everybody else.
pub(super) fn lower_priority() {
    // Linux has a nice value for each thread, and without a process means the calling one.
    rustix::process::setpriority_process(None, 10).ok();
}

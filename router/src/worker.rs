//! One worker: a thread with its own event loop, connections, idle backends and counters.
//!
//! Workers share the route table and the endpoints' counts, nothing else that a request touches.

pub(crate) mod client;
pub mod connections;
pub(crate) mod reused_tasks;
pub mod shared;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use component::address::ListenAddress;
use component::shutdown::{Phase, Shutdown};
use component::tick::Tick;
use router_core::edits::Edits;
use router_core::http1::response::ResponseParser;
use tokio::sync::watch;

use crate::config::settings::Settings;
use crate::io::buffers::Buffers;
use crate::io::clock::{Clock, DateLine, Moment};
use crate::io::deadlines::Deadlines;
use crate::io::free_list::FreeList;
use crate::io::relay::Tools;
use crate::io::relay::splice::Pipes;
use crate::observe::access_log::LogHandle;
use crate::observe::metrics::WorkerMetrics;
use crate::upstream::IdleConnections;
use crate::upstream::resolver::Resolver;
use crate::worker::connections::Roster;
use crate::worker::shared::Shared;

/// Drafts and parsers that are kept for the next message.
const KEPT_DRAFTS: usize = 16;

/// How often idle backend connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// How often the free lists are looked through.
const TIDY: Duration = Duration::from_secs(1);

/// Idle connections that make way at once when descriptors run out.
const SHED: usize = 32;

/// How long ago something is lately: for what is used, for the lack of descriptors, and for the last
/// line about it.
const LATELY: Duration = Duration::from_secs(1);

/// A draft that has grown beyond this is not kept.
const LONGEST_DRAFT: usize = 64 << 10;

/// What belongs to one worker and never leaves its thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// What all workers share.
    pub shared: Shared,
    /// The settings in force.
    settings: RefCell<Rc<Settings>>,
    /// Addresses of backends by name.
    pub resolver: Arc<Resolver>,
    /// The clock.
    pub clock: Clock,
    /// What [`now`](Self::now) last said.
    recent: Cell<Tick>,
    /// Deadlines of its tasks.
    pub deadlines: Rc<Deadlines>,
    /// Buffers and pipes.
    pub tools: Tools,
    /// Idle connections to backends.
    pub idle: Rc<IdleConnections>,
    /// Its counters.
    pub metrics: Arc<WorkerMetrics>,
    /// Its end of the access log.
    pub log: RefCell<LogHandle>,
    /// Its connections, for those who ask.
    pub roster: Roster,
    /// Edits of the head that is being written.
    pub edits: RefCell<Edits>,
    /// The Date field.
    pub date: DateLine,
    /// The phase, as last seen on this thread.
    pub phase: Cell<Phase>,
    /// Its connections, as the acceptors compare them.
    pub load: Arc<AtomicUsize>,
    /// Parsers of responses.
    pub parsers: FreeList<Box<ResponseParser>>,
    drafts: FreeList<Vec<u8>>,
    random: RefCell<fastrand::Rng>,
    starvation: RefCell<Starvation>,
}

/// The lack of descriptors: when it was seen and told, and what happened since it was told.
#[derive(Debug, Default)]
struct Starvation {
    seen: Option<Tick>,
    told: Option<Tick>,
    times: u32,
    shed: usize,
}

/// What a worker is made of; the rest it makes itself, on its own thread.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Its number.
    pub index: usize,
    /// What all workers share.
    pub shared: Shared,
    /// The settings.
    pub settings: Arc<Settings>,
    /// Addresses of backends by name.
    pub resolver: Arc<Resolver>,
    /// Its end of the access log.
    pub log: LogHandle,
    /// Its connections, as the acceptors compare them.
    pub load: Arc<AtomicUsize>,
}

impl Worker {
    /// Makes a worker on the thread that will run it.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let Parts {
            index,
            shared,
            settings,
            resolver,
            log,
            load,
        } = parts;
        let clock = shared.clock.clone();
        let metrics = shared.metrics.worker(index);
        Rc::new(Self {
            recent: Cell::new(clock.now()),
            deadlines: Deadlines::new(clock.clone()),
            clock,
            tools: Tools {
                buffers: Buffers::new(settings.heads.memory),
                pipes: Pipes::default(),
            },
            idle: IdleConnections::new(settings.idle_backends),
            metrics,
            log: RefCell::new(log),
            roster: Roster::default(),
            edits: RefCell::default(),
            date: DateLine::default(),
            phase: Cell::new(Phase::Running),
            load,
            random: RefCell::new(fastrand::Rng::new()),
            starvation: RefCell::default(),
            parsers: FreeList::new(KEPT_DRAFTS),
            drafts: FreeList::new(KEPT_DRAFTS),
            shared,
            settings: RefCell::new(Rc::new(Settings::clone(&settings))),
            resolver,
        })
    }

    /// Returns the settings in force. Who begins something keeps them to its end.
    #[inline]
    pub(crate) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Goes by `settings` from now on, until others come; ends with the edge.
    pub(crate) async fn follow_settings(
        self: Rc<Self>,
        mut settings: watch::Receiver<Arc<Settings>>,
    ) {
        while settings.changed().await.is_ok() {
            let next = Settings::clone(&settings.borrow_and_update());
            self.settings.replace(Rc::new(next));
        }
    }

    /// Reads the clock.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        let now = self.clock.read();
        self.recent.set(now.tick());
        now
    }

    /// The time as last read: within the work of one wake-up, near enough for deadlines of seconds.
    #[inline]
    pub(crate) fn recent(&self) -> Tick {
        self.recent.get()
    }

    /// A random number: spread, not secret.
    #[inline]
    #[must_use]
    pub(crate) fn entropy(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Empty room to put a message together in; given back by [`keep_draft`](Self::keep_draft).
    #[inline]
    #[must_use]
    pub(crate) fn draft(&self) -> Vec<u8> {
        let mut draft = self.drafts.take().unwrap_or_default();
        draft.clear();
        draft
    }

    /// Keeps a draft for the next message.
    #[inline]
    pub(crate) fn keep_draft(&self, draft: Vec<u8>) {
        if draft.capacity() <= LONGEST_DRAFT {
            self.drafts.keep(draft);
        }
    }

    /// A connection's peer is counted here as long as it is served.
    pub(crate) fn opened(&self) {
        self.metrics.connection_opened();
    }

    /// The counterpart of [`opened`](Self::opened) and of the acceptor's count.
    pub(crate) fn closed(&self) {
        self.metrics.connection_closed();
        self.load.fetch_sub(1, Relaxed);
    }

    /// What the worker does beside its connections, until the phase says stop. `sweep_more` is called
    /// whenever what is of no use goes.
    pub(crate) async fn housekeeping(self: Rc<Self>, mut phase: Shutdown, sweep_more: impl Fn()) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut tidy = tokio::time::interval(TIDY);
        let logs = self.log.borrow().wanted();
        let mut flush = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = sweep.tick() => self.idle.sweep(self.clock.now()),
                _ = tidy.tick() => {
                    self.tools.buffers.sweep();
                    self.tools.pipes.sweep();
                    self.parsers.sweep();
                    self.drafts.sweep();
                    sweep_more();
                }
                _ = flush.tick(), if logs => self.log.borrow_mut().flush(),
                () = phase.reached(Phase::Stopping) => break,
            }
        }
        self.log.borrow_mut().flush();
    }

    /// Goes on to `phase`, and wakes every connection to see it. Nothing happens when it is there.
    pub(crate) fn turn(&self, phase: Phase) {
        if self.phase.replace(phase) != phase {
            self.deadlines.wake_all();
        }
    }

    /// Ends connections because the process has no descriptor left for another: the clients' that
    /// have been idle the longest, and the backends' that nobody has used lately. Returns how many
    /// clients that are; their tasks close them when they have their turn.
    pub(crate) fn make_room(&self) -> usize {
        let shed = self.roster.longest_idle(SHED);
        for &deadline in &shed {
            self.deadlines.expire(deadline);
        }
        let now = self.clock.now();
        self.idle.close_idle_for(LATELY, now);
        self.starvation.borrow_mut().seen = Some(now);
        shed.len()
    }

    /// A connection could not be accepted: others make room. Said at most once a second.
    pub(crate) fn starved(&self, error: &io::Error, listener: &ListenAddress) {
        let shed = self.make_room();
        let now = self.clock.now();
        let starvation = &mut *self.starvation.borrow_mut();
        starvation.times += 1;
        starvation.shed += shed;
        if starvation.told.is_some_and(|told| now.since(told) < LATELY) {
            return;
        }
        let Starvation { times, shed, .. } = *starvation;
        tracing::warn!(%error, %listener, times, shed, "accept-failed");
        starvation.told = Some(now);
        (starvation.times, starvation.shed) = (0, 0);
    }

    /// Whether descriptors are so scarce that none is kept open out of courtesy.
    pub(crate) fn is_starved(&self) -> bool {
        let seen = self.starvation.borrow().seen;
        seen.is_some_and(|seen| self.recent().since(seen) < LATELY)
    }
}

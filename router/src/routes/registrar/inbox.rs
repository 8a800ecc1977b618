//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router_core::coalesce::{Batch, Notice, Offered, Queue};
use router_core::endpoint::{Endpoint, Origin};
use router_core::registration::Registration;
use router_core::route::RouteKey;
use tokio::sync::Notify;

/// Claims that wait for the writer. While there are as many, the reader waits: further messages
/// stay in its subscription and with the server.
const CLAIMS: usize = 65_536;

/// Reports of wrong identities that wait for the writer. One more is dropped.
const IMPOSTORS: usize = 1024;

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    work: Condvar,
    room: Notify,
    emptied: Notify,
    /// Odd while the writer is at work on the table.
    epoch: AtomicU64,
    /// Batches that the reader has offered, and how many of them are in the published table.
    offered: AtomicU64,
    applied: AtomicU64,
}

/// A moment in which the writer had nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm(u64);

#[derive(Debug)]
struct State {
    notices: Queue,
    bus: BusNews,
    files: Vec<(Origin, Vec<Registration>)>,
    impostors: Vec<(RouteKey, Arc<Endpoint>)>,
    stopping: bool,
    /// The writer sleeps, and must be woken.
    sleeping: bool,
    /// The reader waits for room.
    crowded: bool,
}

/// What happened to the bus since the writer looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BusNews {
    /// It was lost, or what it said was.
    pub(super) lost: bool,
    /// It was heard after that.
    pub(super) back: bool,
}

/// What the writer has to do.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) notices: Batch,
    pub(super) bus: BusNews,
    pub(super) files: Vec<(Origin, Vec<Registration>)>,
    pub(super) impostors: Vec<(RouteKey, Arc<Endpoint>)>,
    pub(super) stopping: bool,
    /// To be handed back to [`Inbox::end`].
    pub(super) offered: u64,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                notices: Queue::new(CLAIMS),
                bus: BusNews::default(),
                files: Vec::new(),
                impostors: Vec::new(),
                stopping: false,
                sleeping: false,
                crowded: false,
            }),
            work: Condvar::new(),
            room: Notify::new(),
            emptied: Notify::new(),
            epoch: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            applied: AtomicU64::new(0),
        }
    }
}

impl Inbox {
    /// Takes all of `notices`, in order, as soon as there is room.
    pub(super) async fn offer(&self, notices: &mut VecDeque<Notice>) {
        while !self.try_offer(notices) {
            self.room.notified().await;
        }
    }

    /// Takes notices if there is room, and says whether it took them all. Those of one message are
    /// not taken apart, unless they are more than there is room for at all.
    fn try_offer(&self, notices: &mut VecDeque<Notice>) -> bool {
        if notices.is_empty() {
            return true;
        }
        let mut state = self.lock();
        if state.notices.len() + notices.len() > CLAIMS && !state.notices.is_empty() {
            state.crowded = true;
            self.wake(state);
            return false;
        }
        self.offered.fetch_add(1, SeqCst);
        while let Some(notice) = notices.pop_front() {
            // Before it comes to dropping registrations, which would be missing until their next
            // heartbeat, the reader waits.
            let refused = if state.notices.len() < CLAIMS {
                match state.notices.offer(notice) {
                    Offered::Full(notice) => Some(notice),
                    Offered::Queued | Offered::Replaced | Offered::Dropped => None,
                }
            } else {
                Some(notice)
            };
            if let Some(notice) = refused {
                notices.push_front(notice);
                state.crowded = true;
                break;
            }
        }
        self.wake(state);
        notices.is_empty()
    }

    /// The bus, or something that it said, is lost.
    pub(super) fn bus_lost(&self) {
        let mut state = self.lock();
        state.bus = BusNews {
            lost: true,
            back: false,
        };
        self.wake(state);
    }

    /// The bus is heard, from now on.
    pub(super) fn bus_back(&self) {
        let mut state = self.lock();
        state.bus.back = true;
        self.wake(state);
    }

    pub(super) fn replace(&self, origin: Origin, routes: Vec<Registration>) {
        let mut state = self.lock();
        state.files.retain(|(other, _)| *other != origin);
        state.files.push((origin, routes));
        self.wake(state);
    }

    pub(super) fn wrong_identity(&self, route: RouteKey, endpoint: Arc<Endpoint>) {
        let mut state = self.lock();
        if state.impostors.len() < IMPOSTORS {
            state.impostors.push((route, endpoint));
            self.wake(state);
        }
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        self.wake(state);
    }

    /// Waits until there is something to do, until `deadline` at most, and takes it all.
    pub(super) fn wait(&self, deadline: Instant) -> Work {
        let mut state = self.lock();
        while state.is_idle() {
            let patience = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                break;
            }
            state.sleeping = true;
            let woken = self.work.wait_timeout(state, patience);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
        let work = Work {
            notices: state.notices.take(),
            bus: std::mem::take(&mut state.bus),
            files: std::mem::take(&mut state.files),
            impostors: std::mem::take(&mut state.impostors),
            stopping: state.stopping,
            offered: self.offered.load(SeqCst),
        };
        if std::mem::take(&mut state.crowded) {
            self.room.notify_one();
        }
        work
    }

    /// Whether the published table is all that there is to know: nothing waits for the writer, and
    /// the writer does nothing. For the reader, who alone offers notices.
    ///
    /// What the reader does to an endpoint of that table counts if it is [`Self::still`] that
    /// moment afterwards: then the writer had not begun, and will see it. Otherwise the writer may
    /// have looked at the endpoint before, and the reader has to offer a notice.
    pub(super) fn calm(&self) -> Option<Calm> {
        let epoch = self.epoch.load(SeqCst);
        let idle =
            epoch.is_multiple_of(2) && self.offered.load(SeqCst) == self.applied.load(SeqCst);
        idle.then_some(Calm(epoch))
    }

    /// Whether the writer has not begun anything since.
    pub(super) fn still(&self, calm: Calm) -> bool {
        // Ours was stored before the epoch is loaded here; the writer's epoch was stored before it
        // loads ours. One of the two sees the other.
        fence(SeqCst);
        self.epoch.load(SeqCst) == calm.0
    }

    /// The writer begins to look at the table and to change it.
    pub(super) fn begin(&self) {
        self.epoch.fetch_add(1, SeqCst);
        fence(SeqCst);
    }

    /// The writer has published all that came of the work with that [`Work::offered`].
    pub(super) fn end(&self, offered: u64) {
        self.applied.store(offered, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
    }

    /// The writer is lost with all that it was handed, in whatever it did: what the bus had said is
    /// as unknown as if it had not been heard. Another writer may begin.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.bus = BusNews {
            lost: true,
            back: false,
        };
        self.applied.store(self.offered.load(SeqCst), SeqCst);
        if !self.epoch.load(SeqCst).is_multiple_of(2) {
            self.epoch.fetch_add(1, SeqCst);
        }
        drop(state);
        self.emptied.notify_one();
    }

    /// Waits until a writer is lost.
    pub(super) async fn emptied(&self) {
        self.emptied.notified().await;
    }

    /// Waits for a while, and says whether it is time to stop.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            if state.stopping || patience.is_zero() {
                return state.stopping;
            }
            state.sleeping = true;
            let woken = self.work.wait_timeout(state, patience);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
    }

    /// Wakes the writer if it sleeps. A system call, so not for nothing.
    fn wake(&self, state: MutexGuard<'_, State>) {
        let sleeping = state.sleeping && !state.is_idle();
        drop(state);
        if sleeping {
            self.work.notify_one();
        }
    }

    /// Every statement leaves the state whole, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.notices.is_empty()
            && !(self.bus.lost || self.bus.back)
            && self.files.is_empty()
            && self.impostors.is_empty()
            && !self.stopping
    }
}

//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router_core::coalesce::{Batch, Notice, Queue};
use router_core::endpoint::{Endpoint, Origin};
use router_core::registration::Registration;
use router_core::route::RouteKey;
use tokio::sync::Notify;

use super::writer_epoch::WriterEpoch;

/// Claims that wait for the writer. While there are as many, the reader waits: further messages
/// stay in its subscription and with the server.
const CLAIMS: usize = 65_536;

/// Reports of wrong identities that wait for the writer. One more is dropped.
const WRONG_IDENTITIES: usize = 1024;

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    work: Condvar,
    room: Notify,
    writer_lost: Notify,
    /// Whether the writer is idle.
    pub(super) epoch: WriterEpoch,
}

#[derive(Debug)]
struct State {
    notices: Queue,
    bus: BusNews,
    operator_routes: Vec<(Origin, Vec<Registration>)>,
    wrong_identities: Vec<(RouteKey, Arc<Endpoint>)>,
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
    pub(super) operator_routes: Vec<(Origin, Vec<Registration>)>,
    pub(super) wrong_identities: Vec<(RouteKey, Arc<Endpoint>)>,
    pub(super) stopping: bool,
    /// To be handed back to [`WriterEpoch::end`].
    pub(super) offered: u64,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                notices: Queue::default(),
                bus: BusNews::default(),
                operator_routes: Vec::new(),
                wrong_identities: Vec::new(),
                stopping: false,
                sleeping: false,
                crowded: false,
            }),
            work: Condvar::new(),
            room: Notify::new(),
            writer_lost: Notify::new(),
            epoch: WriterEpoch::default(),
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

    /// Takes notices if there is room, and returns whether it took them all. Those of one message are
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
        self.epoch.offer();
        while let Some(notice) = notices.pop_front() {
            if state.notices.len() == CLAIMS {
                // Nothing is dropped: the reader waits.
                notices.push_front(notice);
                state.crowded = true;
                break;
            }
            state.notices.put(notice);
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
        state.operator_routes.retain(|(other, _)| *other != origin);
        state.operator_routes.push((origin, routes));
        self.wake(state);
    }

    pub(super) fn wrong_identity(&self, route: RouteKey, endpoint: Arc<Endpoint>) {
        let mut state = self.lock();
        if state.wrong_identities.len() < WRONG_IDENTITIES {
            state.wrong_identities.push((route, endpoint));
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
            operator_routes: std::mem::take(&mut state.operator_routes),
            wrong_identities: std::mem::take(&mut state.wrong_identities),
            stopping: state.stopping,
            offered: self.epoch.offered(),
        };
        if std::mem::take(&mut state.crowded) {
            self.room.notify_one();
        }
        work
    }

    /// The writer is lost with all that it was handed, in whatever it did: what the bus had said is
    /// as unknown as if it had not been heard. Another writer may begin.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.bus = BusNews {
            lost: true,
            back: false,
        };
        self.epoch.abandon();
        drop(state);
        self.writer_lost.notify_one();
    }

    /// Waits until a writer is lost.
    pub(super) async fn writer_lost(&self) {
        self.writer_lost.notified().await;
    }

    /// Waits for a while, and returns whether it is time to stop.
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
            && self.operator_routes.is_empty()
            && self.wrong_identities.is_empty()
            && !self.stopping
    }
}

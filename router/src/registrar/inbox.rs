//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
}

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

    /// Takes notices while there is room, and says whether it took them all.
    fn try_offer(&self, notices: &mut VecDeque<Notice>) -> bool {
        let mut state = self.lock();
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
        };
        if std::mem::take(&mut state.crowded) {
            self.room.notify_one();
        }
        work
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

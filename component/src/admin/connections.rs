//! The connections of a listener: how long each may last, and which one ends when another comes.
//!
//! Anybody may connect, and nobody is known before a whole head was read. What a caller does decides
//! how long it stays: who is silent goes first, the oldest of them before the others, and who leaves
//! bytes untaken goes as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Connections of one listener. When there are as many, a new one ends another.
pub(super) const MOST_CONNECTIONS: usize = 128;
/// With as many, connections are scarce.
const SCARCE: usize = MOST_CONNECTIONS / 2;
/// For a whole head, and between requests.
const HEAD: Duration = Duration::from_secs(10);
/// The same while connections are scarce.
const SHORT_HEAD: Duration = Duration::from_secs(1);
/// Nobody has to leave for another sooner than so long after having come: a caller that was just
/// accepted may still be about to send its head.
const GRACE: Duration = Duration::from_millis(100);
/// For a caller to take [`PORTION`] of the bytes that wait for it.
const STALLED: Duration = Duration::from_secs(30);
/// See [`STALLED`].
const PORTION: usize = 16 << 10;

/// One connection, and what it has been doing.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    state: Mutex<State>,
    leave: Notify,
}

/// What a caller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not sent a whole head since it came or was last answered.
    Silent,
    /// Its health check is being answered.
    Check,
    /// Something else is being answered, which has been given room.
    Answer,
}

#[derive(Clone, Copy, Debug)]
struct State {
    stage: Stage,
    /// When it came, was answered, or had last taken a portion of what waits for it.
    since: Instant,
    /// Bytes wait that it does not take.
    waits: bool,
    /// Bytes taken of the next portion.
    taken: usize,
    /// It was answered before.
    served: bool,
}

impl State {
    const fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Silent,
            since: now,
            waits: false,
            taken: 0,
            served: false,
        }
    }

    /// For how long it may go on as it does; nothing while it is our turn.
    const fn limit(&self, scarce: bool) -> Option<Duration> {
        match self.stage {
            Stage::Answer if self.waits => Some(STALLED),
            Stage::Answer => None,
            Stage::Check if !self.waits => None,
            Stage::Silent | Stage::Check if scarce => Some(SHORT_HEAD),
            Stage::Silent if !self.waits => Some(HEAD),
            Stage::Silent | Stage::Check => Some(STALLED),
        }
    }

    fn is_over(&self, scarce: bool, now: Instant) -> bool {
        self.limit(scarce)
            .is_some_and(|limit| now.saturating_duration_since(self.since) > limit)
    }

    /// Where it stands in the row of those who leave for another; nothing if it need not.
    fn turn(&self) -> Option<(u8, Instant)> {
        let rank = match self.stage {
            Stage::Silent if !self.served => 0,
            Stage::Silent => 1,
            Stage::Check => 2,
            Stage::Answer => return None,
        };
        Some((rank, self.since))
    }
}

impl Connection {
    /// The socket.
    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits until it has to leave.
    pub(super) async fn has_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Its request begins to be answered, which counts as an answer unless it is a health check.
    pub(super) fn begins(&self, is_check: bool) {
        let mut state = self.state();
        state.stage = if is_check {
            Stage::Check
        } else {
            Stage::Answer
        };
        state.since = Instant::now();
    }

    /// All of the answer was handed over to be sent.
    pub(super) fn ends(&self) {
        let mut state = self.state();
        state.stage = Stage::Silent;
        state.since = Instant::now();
        state.served = true;
    }

    /// It does not take what is there for it.
    pub(super) fn keeps_waiting(&self) {
        let mut state = self.state();
        if !state.waits {
            state.waits = true;
            state.since = Instant::now();
            state.taken = 0;
        }
    }

    /// It took `count` bytes. Less than a portion does not count: a connection could be held by reading
    /// a byte now and then.
    pub(super) fn took(&self, count: usize) {
        let mut state = self.state();
        state.taken = state.taken.saturating_add(count);
        if state.waits && state.taken >= PORTION {
            state.waits = false;
            state.since = Instant::now();
        }
    }

    /// Nothing waits for it any more.
    pub(super) fn has_taken_all(&self) {
        self.state().waits = false;
    }

    /// Whether bytes have come that were not read yet: then it is not silent, we are late; unless
    /// they are not read because it takes no answers.
    fn has_spoken(&self) -> bool {
        if self.state().waits {
            return false;
        }
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(rustix::net::recv(&self.stream, &mut byte, flags), Ok((_, count)) if count > 0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Weak<Connection>>);

impl Connections {
    /// Keeps a connection; there must be [room](Self::make_room).
    pub(super) fn keep(&mut self, stream: TcpStream) -> Arc<Connection> {
        let connection = Arc::new(Connection {
            stream,
            state: Mutex::new(State::new(Instant::now())),
            leave: Notify::new(),
        });
        self.0.push(Arc::downgrade(&connection));
        connection
    }

    /// Sends away whoever has been silent or idle for too long.
    pub(super) fn sweep(&mut self) {
        self.forget_ended();
        let (scarce, now) = (self.0.len() >= SCARCE, Instant::now());
        self.0.retain(|connection| {
            let Some(connection) = connection.upgrade() else {
                return false;
            };
            let over = connection.state().is_over(scarce, now) && !connection.has_spoken();
            if over {
                connection.leave.notify_one();
            }
            !over
        });
    }

    /// Whether there is a connection for one more. If not, who has been silent for longest is sent away
    /// for it. While everybody has only just come, it returns `false`, and should be asked again soon.
    pub(super) fn make_room(&mut self) -> bool {
        self.forget_ended();
        self.0.len() < MOST_CONNECTIONS || self.send_one_away()
    }

    /// Sends away who has been silent for longest, if anybody is.
    pub(super) fn send_one_away(&mut self) -> bool {
        let now = Instant::now();
        let mut row: Vec<_> = self
            .0
            .iter()
            .enumerate()
            .filter_map(|(index, connection)| {
                let connection = connection.upgrade()?;
                let turn = connection.state().turn()?;
                Some((turn, index, connection))
            })
            .filter(|((_, since), ..)| now.saturating_duration_since(*since) >= GRACE)
            .collect();
        row.sort_unstable_by_key(|(turn, index, _)| (*turn, *index));
        let Some((_, index, connection)) = row
            .into_iter()
            .find(|(.., connection)| !connection.has_spoken())
        else {
            return false;
        };
        connection.leave.notify_one();
        self.0.swap_remove(index);
        true
    }

    fn forget_ended(&mut self) {
        self.0.retain(|connection| connection.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(stage: Stage, waits: bool, served: bool, since: Instant) -> State {
        State {
            stage,
            waits,
            served,
            ..State::new(since)
        }
    }

    #[test]
    fn how_long_one_may_go_on() {
        let now = Instant::now();
        let check = |stage, waits, plenty, scarce| {
            let state = state(stage, waits, false, now);
            let limits = (state.limit(false), state.limit(true));
            assert_eq!(limits, (plenty, scarce), "{stage:?} {waits}");
        };
        check(Stage::Silent, false, Some(HEAD), Some(SHORT_HEAD));
        check(Stage::Silent, true, Some(STALLED), Some(SHORT_HEAD));
        check(Stage::Check, false, None, None);
        check(Stage::Check, true, Some(STALLED), Some(SHORT_HEAD));
        check(Stage::Answer, false, None, None);
        check(Stage::Answer, true, Some(STALLED), Some(STALLED));
        let silent = state(Stage::Silent, false, false, now);
        assert!(!silent.is_over(true, now + SHORT_HEAD));
        assert!(silent.is_over(true, now + SHORT_HEAD * 2));
        assert!(!silent.is_over(false, now + SHORT_HEAD * 2));
    }

    #[test]
    fn who_leaves_first() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut row = [
            ("answered", state(Stage::Answer, false, true, at(0))),
            ("checking", state(Stage::Check, false, false, at(1))),
            ("idle", state(Stage::Silent, false, true, at(2))),
            ("new", state(Stage::Silent, false, false, at(4))),
            ("old", state(Stage::Silent, false, false, at(3))),
        ]
        .into_iter()
        .filter_map(|(name, state)| Some((state.turn()?, name)))
        .collect::<Vec<_>>();
        row.sort_unstable();
        let names: Vec<_> = row.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["old", "new", "idle", "checking"]);
    }
}

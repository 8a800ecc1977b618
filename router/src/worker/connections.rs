//! The client connections that each worker holds, listed when somebody asks.
//!
//! A worker keeps its own roster without a lock. A list is a question sent to the worker's own
//! thread and answered there, so that the data path shares nothing for it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use component::tick::Tick;
use protocol::router::{Connection, ConnectionState};
use tokio::sync::{mpsc, oneshot};

/// How long a list waits for a busy worker before it goes on without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a host that are kept for the list.
const HOST: usize = 62;

/// The connections of all workers, from outside.
#[derive(Debug)]
pub struct Connections {
    workers: Vec<mpsc::Sender<Ask>>,
}

/// A question to one worker, for its [`Roster::answer`].
#[derive(Debug)]
pub struct Ask {
    limit: usize,
    reply: oneshot::Sender<Vec<Connection>>,
}

impl Connections {
    /// The outside, and each worker's end in the order of the workers.
    pub fn new(workers: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Ask>>) {
        // A worker that already has four questions before it is too busy for a fifth.
        let (senders, receivers) = (0..workers).map(|_| mpsc::channel(4)).unzip();
        (Arc::new(Self { workers: senders }), receivers)
    }

    /// At most `limit` connections of each worker, and how many workers did not answer in time.
    pub async fn list(&self, limit: usize) -> (Vec<Connection>, usize) {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            answers.push(worker.try_send(Ask { limit, reply }).ok().map(|()| answer));
        }
        let (mut views, mut silent) = (Vec::new(), 0);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for (worker, answer) in answers.into_iter().enumerate() {
            let Some(answer) = answer else {
                silent += 1;
                continue;
            };
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(list)) => {
                    views.extend(list.into_iter().map(|view| Connection { worker, ..view }));
                }
                Ok(Err(_)) | Err(_) => silent += 1,
            }
        }
        (views, silent)
    }
}

/// One worker's connections. It stays on the worker's thread; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Roster(Rc<RefCell<Places>>);

#[derive(Debug, Default)]
struct Places {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    peer: Option<SocketAddr>,
    opened: Tick,
    doing: ConnectionState,
    /// When it began to wait for a request, if it does.
    idle_since: Tick,
    /// The slot of its deadline.
    deadline: u32,
    requests: u32,
    host: [u8; HOST],
    host_len: u8,
}

impl Roster {
    /// Enters a connection whose deadline is in that slot. It leaves when the seat is dropped.
    pub fn enter(&self, peer: Option<SocketAddr>, deadline: u32, now: Tick) -> Seat {
        let place = Place {
            peer,
            opened: now,
            doing: ConnectionState::Idle,
            idle_since: now,
            deadline,
            requests: 0,
            host: [0; HOST],
            host_len: 0,
        };
        let mut all = self.0.borrow_mut();
        let index = match all.free.pop() {
            Some(index) => index,
            None => {
                all.places.push(None);
                all.places.len() - 1
            }
        };
        all.places[index] = Some(place);
        Seat {
            roster: self.clone(),
            index,
        }
    }

    /// The connections that are open.
    pub fn len(&self) -> usize {
        let all = self.0.borrow();
        all.places.len() - all.free.len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The deadlines of at most `most` connections that wait for a request: first those that never
    /// sent one, then those that have waited the longest.
    pub fn longest_idle(&self, most: usize) -> Vec<u32> {
        let all = self.0.borrow();
        let idle = |place: &&Place| place.doing == ConnectionState::Idle;
        let mut waiting: Vec<_> = (all.places.iter().flatten().filter(idle))
            .map(|place| (place.requests > 0, place.idle_since, place.deadline))
            .collect();
        if waiting.len() > most {
            waiting.select_nth_unstable(most);
            waiting.truncate(most);
        }
        waiting
            .into_iter()
            .map(|(_, _, deadline)| deadline)
            .collect()
    }

    /// Answers questions until nobody can ask any more. Run it on the worker's own thread.
    pub async fn answer(self, mut asked: mpsc::Receiver<Ask>, now: impl Fn() -> Tick) {
        while let Some(Ask { limit, reply }) = asked.recv().await {
            // Who asked may have given up.
            reply.send(self.list(limit, now())).unwrap_or_default();
        }
    }

    fn list(&self, limit: usize, now: Tick) -> Vec<Connection> {
        let all = self.0.borrow();
        let open = all.places.iter().flatten();
        open.take(limit)
            .map(|place| Connection {
                worker: 0,
                peer: place.peer,
                state: place.doing,
                age_ms: now.as_millis().saturating_sub(place.opened.as_millis()),
                requests: place.requests,
                host: String::from_utf8_lossy(&place.host[..usize::from(place.host_len)]).into(),
            })
            .collect()
    }
}

/// A connection's place in the roster of its worker.
#[derive(Debug)]
pub struct Seat {
    roster: Roster,
    index: usize,
}

impl Seat {
    /// A request for that host began.
    pub fn exchange(&self, host: &[u8]) {
        self.change(|place| {
            place.doing = ConnectionState::Exchange;
            place.requests = place.requests.saturating_add(1);
            let kept = &host[..host.len().min(HOST)];
            place.host[..kept.len()].copy_from_slice(kept);
            place.host_len = u8::try_from(kept.len()).unwrap_or(0);
        });
    }

    /// The first bytes of a request have come.
    pub fn asks(&self) {
        self.change(|place| place.doing = ConnectionState::Exchange);
    }

    /// When the connection was accepted.
    #[must_use]
    pub fn opened(&self) -> Tick {
        let all = self.roster.0.borrow();
        let place = all.places[self.index].as_ref();
        place.map_or(Tick::default(), |place| place.opened)
    }

    /// Whether the connection has had a request.
    #[must_use]
    pub fn has_served(&self) -> bool {
        let all = self.roster.0.borrow();
        let place = all.places[self.index].as_ref();
        place.is_some_and(|place| place.requests > 0)
    }

    /// The connection became a tunnel.
    pub fn tunnel(&self) {
        self.change(|place| place.doing = ConnectionState::Tunnel);
    }

    /// The exchange is over and the connection is kept.
    pub fn idle(&self, now: Tick) {
        self.change(|place| {
            place.doing = ConnectionState::Idle;
            place.idle_since = now;
        });
    }

    #[inline]
    fn change(&self, change: impl FnOnce(&mut Place)) {
        if let Some(place) = &mut self.roster.0.borrow_mut().places[self.index] {
            change(place);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.roster.0.borrow_mut();
        all.places[self.index] = None;
        all.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    #[test]
    fn a_seat_shows_what_its_connection_does() {
        let roster = Roster::default();
        let peer = "10.0.0.1:5000".parse().ok();
        let seat = roster.enter(peer, 0, at(100));
        let other = roster.enter(None, 1, at(150));
        seat.exchange(b"a.example.com");
        other.tunnel();
        let list = roster.list(10, at(400));
        assert_eq!(
            (list[0].peer, list[0].age_ms, list[0].requests),
            (peer, 300, 1)
        );
        assert_eq!(
            (list[0].state, list[0].host.as_str()),
            (ConnectionState::Exchange, "a.example.com")
        );
        assert_eq!(
            (list[1].state, list[1].peer),
            (ConnectionState::Tunnel, None)
        );
        seat.idle(at(300));
        assert_eq!(roster.list(1, at(400)).len(), 1);
        drop(seat);
        assert_eq!(roster.len(), 1);
        let again = roster.enter(None, 2, at(500));
        assert_eq!((roster.len(), again.index), (2, 0));
    }

    #[test]
    fn those_go_first_that_never_asked_and_then_those_that_wait_the_longest() {
        let roster = Roster::default();
        let seats: Vec<Seat> = (0..6)
            .map(|deadline| roster.enter(None, deadline, at(10)))
            .collect();
        for (seat, since) in [(0, 70), (1, 50), (3, 60)] {
            seats[seat].exchange(b"a.test");
            seats[seat].idle(at(since));
        }
        seats[4].exchange(b"a.test");
        let sorted = |most| {
            let mut slots = roster.longest_idle(most);
            slots.sort_unstable();
            slots
        };
        assert_eq!(sorted(0), [] as [u32; 0]);
        assert_eq!(sorted(2), [2, 5]);
        assert_eq!(sorted(3), [1, 2, 5]);
        assert_eq!(sorted(4), [1, 2, 3, 5]);
        assert_eq!(sorted(9), [0, 1, 2, 3, 5]);
    }

    #[test]
    fn long_hosts_are_cut() {
        let roster = Roster::default();
        let seat = roster.enter(None, 0, at(0));
        seat.exchange(&[b'x'; 300]);
        seat.exchange(&[b'y'; HOST]);
        assert_eq!(roster.list(1, at(0))[0].host, "y".repeat(HOST));
    }

    #[tokio::test]
    async fn every_worker_is_asked_and_a_dead_one_is_counted() {
        let (connections, mut asks) = Connections::new(3);
        drop(asks.pop());
        let local = tokio::task::LocalSet::new();
        let mut seats = Vec::new();
        for asked in asks {
            let roster = Roster::default();
            seats.push(roster.enter(None, 0, at(0)));
            local.spawn_local(roster.answer(asked, || at(5)));
        }
        let (list, silent) = local.run_until(connections.list(100)).await;
        assert_eq!(
            list.iter().map(|view| view.worker).collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!((list[0].age_ms, silent), (5, 1));
    }
}

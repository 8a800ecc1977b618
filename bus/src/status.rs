//! The state of the connection, and what happened to it.

use std::sync::Arc;

use tokio::sync::watch;

/// The state of the connection at one moment. The counters only grow, so that a late reader can
/// tell what it missed from two of them.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// A server is connected.
    pub connected: bool,
    /// The server that was connected last, as `host:port`.
    pub server: Option<Arc<str>>,
    /// How often a connection was made.
    pub connects: u64,
    /// How often a connection was lost.
    pub disconnects: u64,
    /// Deliveries dropped because a subscription was full.
    pub dropped: u64,
    /// Attempts to connect that failed.
    pub refusals: u64,
    /// Why the last of them did.
    pub refusal: Option<Arc<str>>,
    /// Why the connection was lost the last time.
    pub loss: Option<Arc<str>>,
    /// Errors that the server told us of and that left the connection as it was.
    pub complaints: u64,
    /// The last of them, in its words.
    pub complaint: Option<Arc<str>>,
    /// The longest payload that the server takes, in bytes.
    pub max_payload: usize,
}

/// Something that happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A server is connected and all subscriptions are in place there.
    Connected {
        /// The server, as `host:port`.
        server: Arc<str>,
        /// Not the first connection: what was published in between did not reach us.
        again: bool,
    },
    /// The connection is lost. Another one is being tried for.
    Disconnected {
        /// Why: what the server did, or did not.
        reason: Arc<str>,
    },
    /// An attempt to connect failed. The next one follows.
    Refused {
        /// Why it failed.
        reason: Arc<str>,
    },
    /// Deliveries were dropped because a reader was too slow. What they said is unknown now.
    SlowConsumer {
        /// How many since the last such event.
        dropped: u64,
    },
    /// The server does not allow something, or has another reason to complain.
    Complaint {
        /// In its words.
        reason: Arc<str>,
    },
}

/// The events of one connection, in the order in which they happened.
///
/// Nothing is queued: the next event is the difference between the status now and the status that
/// the reader knows. However late the reader is, no loss of connection and no dropped delivery is
/// kept from it; several of a kind become one.
#[derive(Debug)]
pub struct Events {
    status: watch::Receiver<Status>,
    known: Status,
}

impl Events {
    pub(crate) fn new(status: watch::Receiver<Status>) -> Self {
        Self {
            status,
            known: Status::default(),
        }
    }

    /// Waits for the next event; none when what keeps the connection has ended.
    ///
    /// Cancel-safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let now = self.status.borrow_and_update().clone();
            if let Some(event) = self.difference(&now) {
                return Some(event);
            }
            self.status.changed().await.ok()?;
        }
    }

    fn difference(&mut self, now: &Status) -> Option<Event> {
        // The last of several ups and downs is the one that counts, so it is told last.
        if now.connected {
            self.disconnection(now).or_else(|| self.connection(now))
        } else {
            self.connection(now).or_else(|| self.disconnection(now))
        }
        .or_else(|| self.dropped(now))
        .or_else(|| self.refusal(now))
        .or_else(|| self.complaint(now))
    }

    fn connection(&mut self, now: &Status) -> Option<Event> {
        let before = std::mem::replace(&mut self.known.connects, now.connects);
        (now.connects > before).then(|| Event::Connected {
            server: now.server.clone().unwrap_or_default(),
            again: before > 0 || now.disconnects > 0,
        })
    }

    fn disconnection(&mut self, now: &Status) -> Option<Event> {
        let before = std::mem::replace(&mut self.known.disconnects, now.disconnects);
        (now.disconnects > before).then(|| Event::Disconnected {
            reason: now.loss.clone().unwrap_or_default(),
        })
    }

    fn dropped(&mut self, now: &Status) -> Option<Event> {
        let before = std::mem::replace(&mut self.known.dropped, now.dropped);
        (now.dropped > before).then(|| Event::SlowConsumer {
            dropped: now.dropped - before,
        })
    }

    fn refusal(&mut self, now: &Status) -> Option<Event> {
        let before = std::mem::replace(&mut self.known.refusals, now.refusals);
        (now.refusals > before).then(|| Event::Refused {
            reason: now.refusal.clone().unwrap_or_default(),
        })
    }

    fn complaint(&mut self, now: &Status) -> Option<Event> {
        let before = std::mem::replace(&mut self.known.complaints, now.complaints);
        (now.complaints > before).then(|| Event::Complaint {
            reason: now.complaint.clone().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every event between a reader's last look and `now`.
    fn events(known: &Status, now: &Status) -> Vec<Event> {
        let (_, status) = watch::channel(now.clone());
        let mut events = Events::new(status);
        events.known = known.clone();
        std::iter::from_fn(|| events.difference(now)).collect()
    }

    fn status(connected: bool, connects: u64, disconnects: u64, dropped: u64) -> Status {
        Status {
            connected,
            connects,
            disconnects,
            dropped,
            server: Some("a:1".into()),
            ..Status::default()
        }
    }

    fn disconnected() -> Event {
        let reason = "".into();
        Event::Disconnected { reason }
    }

    fn connected(again: bool) -> Event {
        let server = "a:1".into();
        Event::Connected { server, again }
    }

    #[test]
    fn events_are_the_difference_of_two_states() {
        let check = |known: &Status, now: &Status, expected: &[Event]| {
            assert_eq!(events(known, now), expected, "{known:?} -> {now:?}");
        };
        let new = Status::default();
        let up = status(true, 1, 0, 0);
        check(&new, &new, &[]);
        check(&new, &up, &[connected(false)]);
        check(&up, &status(false, 1, 1, 0), &[disconnected()]);
        // Lost and found again between two looks.
        let back = status(true, 2, 1, 0);
        check(&up, &back, &[disconnected(), connected(true)]);
        // Found and lost again.
        let lost = status(false, 2, 2, 0);
        check(
            &status(false, 1, 1, 0),
            &lost,
            &[connected(true), disconnected()],
        );
        // A first look that comes after an outage.
        check(&new, &back, &[disconnected(), connected(true)]);
        check(
            &up,
            &status(true, 1, 0, 7),
            &[Event::SlowConsumer { dropped: 7 }],
        );
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_bus() {
        let (sender, status) = watch::channel(Status::default());
        let mut events = Events::new(status);
        sender.send_modify(|status| {
            status.refusals = 1;
            status.refusal = Some("no".into());
        });
        let reason = "no".into();
        assert_eq!(events.next().await, Some(Event::Refused { reason }));
        drop(sender);
        assert_eq!(events.next().await, None);
    }
}

//! The bus within one process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::Address;
use crate::arrival::Arrival;
use crate::error::BusError;
use crate::pattern;
use crate::status::Status;

/// The longest payload, that of a server with its default settings, in bytes.
const PAYLOAD_MAX: usize = 1024 * 1024;

/// What a server is for connections over the network: all that connect to one hub hear each other.
///
/// It delivers what a server delivers, in the same order, with the same limits, and can be stopped
/// and started again like one, so that a test does not need the network.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    entries: Vec<Subscribed>,
    connections: Vec<watch::Sender<Status>>,
    /// Messages that went to groups: they go round the members of each.
    shared: usize,
}

/// One subscription.
#[derive(Debug)]
struct Subscribed {
    pattern: Address,
    group: Option<Address>,
    sender: mpsc::Sender<Arrival>,
    status: watch::Sender<Status>,
}

impl Hub {
    /// A hub that is running and that nobody has connected to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Disconnects everybody. What is published from now on is lost.
    pub fn stop(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.stopped, true) {
            for connection in &state.connections {
                disconnect(connection);
            }
        }
    }

    /// Connects everybody again. Subscriptions are still in place.
    pub fn start(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.stopped, false) {
            for connection in &state.connections {
                connect(connection);
            }
        }
    }

    pub(crate) fn connect(&self, capacity: usize) -> MemoryConnection {
        let (status, _) = watch::channel(Status::default());
        let mut state = self.lock();
        if !state.stopped {
            connect(&status);
        }
        state.connections.retain(|other| other.receiver_count() > 0);
        state.connections.push(status.clone());
        MemoryConnection {
            hub: self.clone(),
            capacity,
            status,
        }
    }

    /// The state is valid after every statement that changes it, also when one of them panicked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(connection: &watch::Sender<Status>) {
    connection.send_modify(|status| {
        status.connected = true;
        status.connects += 1;
        status.server = Some("memory".into());
    });
}

fn disconnect(connection: &watch::Sender<Status>) {
    connection.send_modify(|status| {
        status.connected = false;
        status.disconnects += 1;
        status.loss = Some("the hub was stopped".into());
    });
}

/// One client of a hub.
#[derive(Clone, Debug)]
pub(crate) struct MemoryConnection {
    hub: Hub,
    capacity: usize,
    status: watch::Sender<Status>,
}

/// The reading end of one subscription. The hub forgets the writing end when this one is gone.
#[derive(Debug)]
pub(crate) struct MemorySubscriber {
    receiver: mpsc::Receiver<Arrival>,
}

impl MemorySubscriber {
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.receiver.recv().await
    }
}

impl MemoryConnection {
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.hub.lock().stopped
    }

    /// Hands the message to every subscription that it is for, and to one of each group. A request that
    /// is for nobody is answered at once that nobody is there, as a server does.
    pub(crate) fn publish(
        &self,
        subject: Address,
        reply: Option<Address>,
        payload: Bytes,
    ) -> Result<(), BusError> {
        if payload.len() > PAYLOAD_MAX {
            return Err(BusError::TooLong);
        }
        let state = &mut *self.hub.lock();
        if state.stopped {
            return Err(BusError::NotConnected);
        }
        state.entries.retain(|entry| !entry.sender.is_closed());
        let arrival = Arrival {
            subject,
            reply,
            payload,
            no_responders: false,
        };
        if state.deliver(&arrival) == 0
            && let Some(inbox) = arrival.reply
        {
            state.deliver(&Arrival {
                subject: inbox,
                reply: None,
                payload: Bytes::new(),
                no_responders: true,
            });
        }
        Ok(())
    }

    pub(crate) fn subscribe(&self, pattern: Address, group: Option<Address>) -> MemorySubscriber {
        let (sender, receiver) = mpsc::channel(self.capacity);
        self.hub.lock().entries.push(Subscribed {
            pattern,
            group,
            sender,
            status: self.status.clone(),
        });
        MemorySubscriber { receiver }
    }
}

impl State {
    /// Returns how many subscriptions and groups the message is for.
    fn deliver(&mut self, arrival: &Arrival) -> usize {
        let wanting = |entry: &&Subscribed| pattern::selects(&entry.pattern, &arrival.subject);
        let mut alone = Vec::new();
        let mut groups = BTreeMap::<&str, Vec<&Subscribed>>::new();
        for entry in self.entries.iter().filter(wanting) {
            match &entry.group {
                Some(group) => groups.entry(group).or_default().push(entry),
                None => alone.push(entry),
            }
        }
        self.shared += usize::from(!groups.is_empty());
        let chosen = groups
            .values()
            .map(|members| members[self.shared % members.len()]);
        let receivers = alone.into_iter().chain(chosen);
        receivers
            .inspect(|entry| {
                if entry.sender.try_send(arrival.clone()).is_err() {
                    entry.status.send_modify(|status| status.dropped += 1);
                }
            })
            .count()
    }
}

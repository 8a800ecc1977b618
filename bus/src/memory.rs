//! The bus within one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::Address;
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
    inboxes: u64,
}

/// One subscription.
#[derive(Debug)]
struct Subscribed {
    pattern: Address,
    sender: mpsc::Sender<Message>,
    status: watch::Sender<Status>,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) subject: Address,
    pub(crate) payload: Bytes,
    pub(crate) reply: Option<Address>,
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
    receiver: mpsc::Receiver<Message>,
}

impl MemorySubscriber {
    pub(crate) async fn next(&mut self) -> Option<Message> {
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

    pub(crate) fn publish(&self, subject: Address, payload: Bytes) -> Result<(), BusError> {
        let message = Message {
            subject,
            payload,
            reply: None,
        };
        self.send(&message).map(drop)
    }

    /// Hands the message to every subscription that it is for, and returns how many there are.
    fn send(&self, message: &Message) -> Result<usize, BusError> {
        if !pattern::is_subject(&message.subject) {
            let subject = message.subject.to_string();
            return Err(BusError::Subject { subject });
        }
        if message.payload.len() > PAYLOAD_MAX {
            return Err(BusError::TooLong);
        }
        let mut state = self.hub.lock();
        if state.stopped {
            return Err(BusError::NotConnected);
        }
        state.entries.retain(|entry| !entry.sender.is_closed());
        let wanting = |entry: &&Subscribed| pattern::selects(&entry.pattern, &message.subject);
        let mut receivers = 0;
        for entry in state.entries.iter().filter(wanting) {
            receivers += 1;
            if entry.sender.try_send(message.clone()).is_err() {
                entry.status.send_modify(|status| status.dropped += 1);
            }
        }
        Ok(receivers)
    }

    pub(crate) fn subscribe(&self, pattern: Address) -> Result<MemorySubscriber, BusError> {
        if !pattern::is_pattern(&pattern) {
            let subject = pattern.to_string();
            return Err(BusError::Subject { subject });
        }
        let (sender, receiver) = mpsc::channel(self.capacity);
        self.hub.lock().entries.push(Subscribed {
            pattern,
            sender,
            status: self.status.clone(),
        });
        Ok(MemorySubscriber { receiver })
    }

    pub(crate) async fn request(
        &self,
        subject: Address,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Bytes, BusError> {
        let inbox: Address = {
            let mut state = self.hub.lock();
            state.inboxes += 1;
            format!("_INBOX.{}", state.inboxes).into()
        };
        let mut answers = self.subscribe(Arc::clone(&inbox))?;
        let question = Message {
            subject,
            payload,
            reply: Some(inbox),
        };
        let subject = question.subject.to_string();
        if self.send(&question)? == 0 {
            return Err(BusError::NoResponder { subject });
        }
        match tokio::time::timeout(limit, answers.next()).await {
            Ok(Some(answer)) => Ok(answer.payload),
            Ok(None) | Err(_) => Err(BusError::TimedOut { subject }),
        }
    }
}

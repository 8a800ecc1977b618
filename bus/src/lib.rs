//! Typed messaging over NATS, with an in-memory twin.
//!
//! A [`Bus`] is a cheap handle on one connection. It publishes and requests while a server is
//! connected and says so when none is; subscriptions outlive the loss of a server. What happens to
//! the connection is told by [`Events`]. A message is encoded and decoded by the type that its
//! [`Subject`] carries, and a [`Delivery`] keeps its bytes, so that a bad message can be shown.

mod delivery;
mod error;
mod memory;
mod nats;
mod options;
mod pattern;
mod status;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::bus::{Message, Subject};

pub use delivery::{Delivery, Raw};
pub use error::BusError;
pub use memory::Hub;
pub use options::{Identity, Login, Options, Server, Tls};
pub use status::{Event, Events, Status};
pub use subscription::Subscription;

use subscription::Source;

/// The name of a subject, or a pattern.
type Address = Arc<str>;

/// A handle on one connection to the bus. The connection is closed with the last of its handles
/// and subscriptions.
#[derive(Clone, Debug)]
pub struct Bus {
    connection: Transport,
}

#[derive(Clone, Debug)]
enum Transport {
    Nats(nats::NatsConnection),
    Memory(memory::MemoryConnection),
}

impl Bus {
    /// Starts to connect and returns at once. It tries forever, in a task on the runtime of the
    /// caller. Should that task ever end, events and subscriptions end with it.
    ///
    /// # Errors
    /// [`BusError::Options`]. That no server is there is not an error.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn connect(options: &Options) -> Result<Self, BusError> {
        let connection = nats::NatsConnection::open(options)?;
        Ok(Self {
            connection: Transport::Nats(connection),
        })
    }

    /// Whether a connection can be tried with `options`: servers and certificates are understood.
    /// Opens none.
    ///
    /// # Errors
    /// [`BusError::Options`].
    pub fn check(options: &Options) -> Result<(), BusError> {
        nats::check(options)
    }

    /// Connects to a hub in this process; `capacity` is that of each subscription, at least one.
    pub fn in_memory(hub: &Hub, capacity: usize) -> Self {
        Self {
            connection: Transport::Memory(hub.connect(capacity)),
        }
    }

    /// What happens to the connection, from its beginning.
    pub fn events(&self) -> Events {
        Events::new(match &self.connection {
            Transport::Nats(connection) => connection.status(),
            Transport::Memory(connection) => connection.status(),
        })
    }

    /// The state of the connection and the counters.
    pub fn status(&self) -> Status {
        match &self.connection {
            Transport::Nats(connection) => connection.status().borrow().clone(),
            Transport::Memory(connection) => connection.status().borrow().clone(),
        }
    }

    /// Whether a server is connected. Ahead of [`Self::status`] by the way of an event.
    pub fn is_connected(&self) -> bool {
        match &self.connection {
            Transport::Nats(connection) => connection.is_connected(),
            Transport::Memory(connection) => connection.is_connected(),
        }
    }

    /// Publishes `message`. Returns when it is on its way, not when it arrived. Waits while 2,048
    /// messages are on their way.
    ///
    /// # Errors
    /// [`BusError::NotConnected`], [`BusError::TooLong`], [`BusError::Closed`].
    pub async fn publish<M: Message>(
        &self,
        subject: &Subject<M>,
        message: &M,
    ) -> Result<(), BusError> {
        let address = subject.name().into();
        self.send(address, message.encode().into()).await
    }

    /// Publishes bytes as they are.
    ///
    /// # Errors
    /// As [`Self::publish`], and [`BusError::Subject`].
    pub async fn publish_raw(
        &self,
        subject: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), BusError> {
        self.send(subject.into(), payload.into()).await
    }

    /// Answers `delivery`. Nothing happens when its sender does not wait for an answer.
    ///
    /// # Errors
    /// As [`Self::publish_raw`]: the sender chose where the answer goes.
    pub async fn reply<M, A: Message>(
        &self,
        delivery: &Delivery<M>,
        answer: &A,
    ) -> Result<(), BusError> {
        match delivery.reply() {
            Some(to) => self.send(Arc::clone(to), answer.encode().into()).await,
            None => Ok(()),
        }
    }

    /// Publishes `message` and waits for the first answer, `limit` at most.
    ///
    /// # Errors
    /// As [`Self::publish`], [`BusError::NoResponder`], [`BusError::TimedOut`] and
    /// [`BusError::Malformed`].
    pub async fn request<M: Message, A: Message>(
        &self,
        subject: &Subject<M>,
        message: &M,
        limit: Duration,
    ) -> Result<A, BusError> {
        let address = Address::from(subject.name());
        let payload = message.encode().into();
        let answer = match &self.connection {
            Transport::Nats(connection) => connection.request(address, payload, limit).await?,
            Transport::Memory(connection) => connection.request(address, payload, limit).await?,
        };
        A::decode(&answer).map_err(|source| BusError::Malformed {
            subject: subject.name().to_owned(),
            source,
        })
    }

    /// Receives what is published on `subject` from now on, or from the next connection on.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe<M: Message>(
        &self,
        subject: &Subject<M>,
    ) -> Result<Subscription<M>, BusError> {
        self.subscribe_to(subject.name()).await
    }

    /// Receives what is published on every subject that `pattern` selects: `*` stands for one word
    /// of the subject, `>` at its end for one or more.
    ///
    /// # Errors
    /// [`BusError::Subject`], [`BusError::Closed`].
    pub async fn subscribe_pattern(&self, pattern: &str) -> Result<Subscription, BusError> {
        self.subscribe_to(pattern).await
    }

    /// Returns when all that was published before is with the operating system.
    ///
    /// # Errors
    /// [`BusError::NotConnected`], [`BusError::Closed`].
    pub async fn flush(&self) -> Result<(), BusError> {
        match &self.connection {
            Transport::Nats(connection) => connection.flush().await,
            Transport::Memory(_) => Ok(()),
        }
    }

    async fn subscribe_to<M>(&self, pattern: &str) -> Result<Subscription<M>, BusError> {
        let pattern = Address::from(pattern);
        Ok(Subscription::new(match &self.connection {
            Transport::Nats(connection) => Source::Nats(connection.subscribe(pattern).await?),
            Transport::Memory(connection) => Source::Memory(connection.subscribe(pattern)?),
        }))
    }

    async fn send(&self, subject: Address, payload: Bytes) -> Result<(), BusError> {
        match &self.connection {
            Transport::Nats(connection) => connection.publish(subject, payload).await,
            Transport::Memory(connection) => connection.publish(subject, payload),
        }
    }
}

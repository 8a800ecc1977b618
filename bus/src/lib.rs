//! Typed messaging over NATS, with an in-memory twin.
//!
//! A [`Bus`] is a cheap handle on one connection. It publishes and requests while a server is
//! connected and says so when none is; subscriptions outlive the loss of a server. What happens to
//! the connection is told by [`Events`]. A message is encoded and decoded by the type that its
//! [`Subject`] carries, and a [`Delivery`] keeps its bytes, so that a bad message can be shown.

mod arrival;
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
use protocol::bus::{Message, Subject, SubjectFamily, is_word};

pub use delivery::{Delivery, Raw};
pub use error::BusError;
pub use memory::Hub;
pub use options::{Identity, Login, Options, Server, Tls};
pub use status::{Event, Events, Status};
pub use subscription::Subscription;

use arrival::Arrival;
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
        self.send(subject.name(), None, message.encode().into())
            .await
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
        self.send(subject, None, payload.into()).await
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
            Some(to) => self.send(to, None, answer.encode().into()).await,
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
        let name = || subject.name().to_owned();
        let answered = async {
            let mut answers = self.ask(subject, message).await?;
            answers.next().await.ok_or(BusError::Closed)
        };
        let answered = tokio::time::timeout(limit, answered).await;
        let answer: Arrival =
            answered.unwrap_or_else(|_| Err(BusError::TimedOut { subject: name() }))?;
        if answer.no_responders {
            return Err(BusError::NoResponder { subject: name() });
        }
        A::decode(&answer.payload).map_err(|source| BusError::Malformed {
            subject: name(),
            source,
        })
    }

    /// Publishes `message` and gathers the answers of all who give one, until `limit` is over or there
    /// are `most` of them. None when nobody is there.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn gather<M: Message, A: Message>(
        &self,
        subject: &Subject<M>,
        message: &M,
        most: usize,
        limit: Duration,
    ) -> Result<Vec<Delivery<A>>, BusError> {
        let mut gathered = Vec::new();
        let gathering = async {
            let mut answers = self.ask(subject, message).await?;
            while gathered.len() < most {
                let answer = answers.next().await.ok_or(BusError::Closed)?;
                if answer.no_responders {
                    break;
                }
                gathered.push(Delivery::new(answer));
            }
            Ok(())
        };
        let ended = tokio::time::timeout(limit, gathering).await;
        // That the time is over is how it usually ends.
        ended.unwrap_or(Ok(()))?;
        Ok(gathered)
    }

    /// Receives what is published on `subject` from now on, or from the next connection on.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe<M: Message>(
        &self,
        subject: &Subject<M>,
    ) -> Result<Subscription<M>, BusError> {
        self.subscribe_to(subject.name(), None).await
    }

    /// As [`Self::subscribe`], but each message goes to one of the subscriptions of `group`, whoever on
    /// the bus they belong to.
    ///
    /// # Errors
    /// [`BusError::Subject`] when `group` is no word, [`BusError::Closed`].
    pub async fn subscribe_in_group<M: Message>(
        &self,
        subject: &Subject<M>,
        group: &str,
    ) -> Result<Subscription<M>, BusError> {
        self.subscribe_to(subject.name(), Some(group)).await
    }

    /// Receives what is published on every subject of `family`.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    pub async fn subscribe_family<M: Message>(
        &self,
        family: &SubjectFamily<M>,
    ) -> Result<Subscription<M>, BusError> {
        self.subscribe_to(&family.pattern(), None).await
    }

    /// Receives what is published on every subject that `pattern` selects: `*` stands for one word
    /// of the subject, `>` at its end for one or more.
    ///
    /// # Errors
    /// [`BusError::Subject`], [`BusError::Closed`].
    pub async fn subscribe_pattern(&self, pattern: &str) -> Result<Subscription, BusError> {
        self.subscribe_to(pattern, None).await
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

    /// Publishes a request, and returns where its answers arrive.
    async fn ask<M: Message>(&self, subject: &Subject<M>, message: &M) -> Result<Source, BusError> {
        let inbox = format!("_INBOX.{:032x}", fastrand::u128(..));
        let answers = self.source(&inbox, None).await?;
        let payload = message.encode().into();
        self.send(subject.name(), Some(inbox.into()), payload)
            .await?;
        Ok(answers)
    }

    async fn subscribe_to<M>(
        &self,
        pattern: &str,
        group: Option<&str>,
    ) -> Result<Subscription<M>, BusError> {
        self.source(pattern, group).await.map(Subscription::new)
    }

    async fn source(&self, pattern: &str, group: Option<&str>) -> Result<Source, BusError> {
        if !pattern::is_pattern(pattern) {
            return Err(bad_subject(pattern));
        }
        if let Some(group) = group.filter(|group| !is_word(group)) {
            return Err(bad_subject(group));
        }
        let (pattern, group) = (Address::from(pattern), group.map(Address::from));
        Ok(match &self.connection {
            Transport::Nats(connection) => {
                Source::Nats(connection.subscribe(pattern, group).await?)
            }
            Transport::Memory(connection) => Source::Memory(connection.subscribe(pattern, group)),
        })
    }

    async fn send(
        &self,
        subject: &str,
        reply: Option<Address>,
        payload: Bytes,
    ) -> Result<(), BusError> {
        if !pattern::is_subject(subject) {
            return Err(bad_subject(subject));
        }
        let subject = subject.into();
        match &self.connection {
            Transport::Nats(connection) => connection.publish(subject, reply, payload).await,
            Transport::Memory(connection) => connection.publish(subject, reply, payload),
        }
    }
}

fn bad_subject(subject: &str) -> BusError {
    BusError::Subject {
        subject: subject.to_owned(),
    }
}

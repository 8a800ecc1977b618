//! The bus over the network.
//!
//! The protocol is spoken here and not by a library, so that nothing a server says can cost more
//! than it may, and every end of a connection is seen by whoever uses it.

mod choice;
mod client;
mod decoder;
mod dial;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Address;
use crate::arrival::Arrival;
use crate::error::BusError;
use crate::options::Options;
use crate::status::Status;
use client::{Client, Command, Interest, cost};

/// Commands on their way to the task of the connection. One more waits.
const COMMANDS: usize = 2048;

/// One client of a cluster of servers: a handle on the task that keeps the connection.
#[derive(Clone, Debug)]
pub(crate) struct NatsConnection {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    subscriptions: Arc<AtomicU64>,
    capacity: usize,
}

/// The reading end of one subscription.
#[derive(Debug)]
pub(crate) struct NatsSubscriber {
    id: u64,
    arriving: mpsc::Receiver<Arrival>,
    held: Arc<AtomicUsize>,
    commands: mpsc::Sender<Command>,
}

impl NatsConnection {
    /// Starts to connect, on the runtime that the caller runs on, and never gives up.
    ///
    /// # Errors
    /// The options cannot be used. A server that cannot be reached is not an error.
    pub(crate) fn open(options: &Options) -> Result<Self, BusError> {
        let trust = trust(options)?;
        let (sender, status) = watch::channel(Status::default());
        let (commands, orders) = mpsc::channel(COMMANDS);
        let client = Client::new(Arc::new(options.clone()), trust, orders, sender);
        start(client);
        Ok(Self {
            commands,
            status,
            subscriptions: Arc::default(),
            capacity: options.subscription_capacity.max(1),
        })
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.status.borrow().connected
    }

    pub(crate) async fn subscribe(
        &self,
        pattern: Address,
        group: Option<Address>,
    ) -> Result<NatsSubscriber, BusError> {
        let id = self.subscriptions.fetch_add(1, Relaxed) + 1;
        let (sender, arriving) = mpsc::channel(self.capacity);
        let held = Arc::<AtomicUsize>::default();
        let entry = Interest {
            pattern,
            group,
            sender,
            held: Arc::clone(&held),
        };
        self.command(Command::Subscribe(id, entry)).await?;
        Ok(NatsSubscriber {
            id,
            arriving,
            held,
            commands: self.commands.clone(),
        })
    }

    pub(crate) async fn flush(&self) -> Result<(), BusError> {
        self.require_connection()?;
        let (flush, flushed) = oneshot::channel();
        self.command(Command::Flush(flush)).await?;
        flushed.await.map_err(|_| BusError::NotConnected)
    }

    pub(crate) async fn publish(
        &self,
        subject: Address,
        reply: Option<Address>,
        payload: Bytes,
    ) -> Result<(), BusError> {
        self.require_connection()?;
        if payload.len() > self.status.borrow().max_payload {
            return Err(BusError::TooLong);
        }
        let publish = Command::Publish {
            subject,
            reply,
            payload,
        };
        self.command(publish).await
    }

    async fn command(&self, command: Command) -> Result<(), BusError> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| BusError::Closed)
    }

    /// Nothing is kept for the next connection, when it may be wrong.
    fn require_connection(&self) -> Result<(), BusError> {
        if self.commands.is_closed() {
            Err(BusError::Closed)
        } else if self.is_connected() {
            Ok(())
        } else {
            Err(BusError::NotConnected)
        }
    }
}

impl NatsSubscriber {
    /// The next message; none when the task of the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        let arrival = self.arriving.recv().await?;
        self.held.fetch_sub(cost(&arrival), Relaxed);
        Some(arrival)
    }
}

impl Drop for NatsSubscriber {
    fn drop(&mut self) {
        // While the queue of commands is full this is left to the next delivery, which finds nobody.
        self.commands.try_send(Command::Unsubscribe(self.id)).ok();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the last handle, and its end closes what every handle looks at"
)]
fn start(client: Client) {
    drop(tokio::spawn(client.run()));
}

/// Whether servers and certificates can be understood.
pub(crate) fn check(options: &Options) -> Result<(), BusError> {
    trust(options).map(drop)
}

fn trust(options: &Options) -> Result<Option<Arc<ClientConfig>>, BusError> {
    if options.servers.is_empty() {
        return Err(wrong("servers", &"there is none"));
    }
    for server in &options.servers {
        if server.host.is_empty() || server.port == 0 {
            return Err(wrong("servers", &format_args!("{server} is none")));
        }
    }
    let config = options.tls.as_ref().map(tls::client_config).transpose()?;
    Ok(config.map(Arc::new))
}

fn wrong(option: &str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Options {
        reason: format!("{option}: {error}"),
    }
}

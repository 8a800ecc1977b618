//! The bus over the network.

mod choice;
mod tls;

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{
    Client, ConnectOptions, PublishErrorKind, ReconnectToServer, RequestErrorKind, ServerAddr,
    ServerInfo, Subject as Address, SubscribeErrorKind,
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::error::BusError;
use crate::options::Options;
use crate::status::Status;
use choice::{Choice, Past};

/// One client of a cluster of servers.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    status: watch::Receiver<Status>,
}

/// What the client library's callbacks share. It must not hold the client, which holds it.
#[derive(Debug)]
struct Observer {
    status: watch::Sender<Status>,
    choice: Mutex<Choice>,
}

impl Connection {
    /// Starts to connect, on the runtime that the caller runs on, and never gives up.
    ///
    /// # Errors
    /// The options cannot be used. A server that cannot be reached is not an error.
    pub(crate) async fn open(options: &Options) -> Result<Self, BusError> {
        let servers = addresses(options)?;
        let (sender, status) = watch::channel(Status::default());
        let observer = Arc::new(Observer {
            status: sender,
            choice: Mutex::new(Choice::new(options.max_pause)),
        });
        let client = client_options(options, &observer)?
            .connect(servers)
            .await
            .map_err(|error| wrong("servers", &error))?;
        Ok(Self { client, status })
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(crate) async fn publish(&self, subject: Address, payload: Bytes) -> Result<(), BusError> {
        self.require_connection()?;
        let name = subject.clone();
        let sent = self.client.publish(subject, payload).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => BusError::TooLong,
            PublishErrorKind::InvalidSubject => bad_subject(&name),
            PublishErrorKind::Send => BusError::Closed(Box::new(error)),
        })
    }

    pub(crate) async fn subscribe(
        &self,
        pattern: Address,
    ) -> Result<async_nats::Subscriber, BusError> {
        let name = pattern.clone();
        let subscribed = self.client.subscribe(pattern).await;
        subscribed.map_err(|error| match error.kind() {
            SubscribeErrorKind::InvalidSubject | SubscribeErrorKind::InvalidQueueName => {
                bad_subject(&name)
            }
            SubscribeErrorKind::Other => BusError::Closed(Box::new(error)),
        })
    }

    pub(crate) async fn request(
        &self,
        subject: Address,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Bytes, BusError> {
        self.require_connection()?;
        let name = subject.clone();
        let request = async_nats::Request::new()
            .payload(payload)
            .timeout(Some(limit));
        let answer = self.client.send_request(subject, request).await;
        answer
            .map(|answer| answer.payload)
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => BusError::NoResponder {
                    subject: name.to_string(),
                },
                RequestErrorKind::TimedOut => BusError::TimedOut {
                    subject: name.to_string(),
                },
                RequestErrorKind::InvalidSubject => bad_subject(&name),
                RequestErrorKind::MaxPayloadExceeded => BusError::TooLong,
                RequestErrorKind::Other => BusError::Closed(Box::new(error)),
            })
    }

    pub(crate) async fn flush(&self) -> Result<(), BusError> {
        self.require_connection()?;
        let flushed = self.client.flush().await;
        flushed.map_err(|error| BusError::Closed(Box::new(error)))
    }

    /// The client library would keep the message and send it after the next connection, when it
    /// may be wrong.
    fn require_connection(&self) -> Result<(), BusError> {
        if self.is_connected() {
            Ok(())
        } else {
            Err(BusError::NotConnected)
        }
    }
}

impl Observer {
    /// Called before each attempt to connect: chooses the server. `last` is what the server of the
    /// last connection said about itself.
    fn choose(
        &self,
        servers: &[async_nats::Server],
        last: &ServerInfo,
    ) -> Option<ReconnectToServer> {
        let names: Vec<Arc<str>> = servers.iter().map(|server| name(&server.addr)).collect();
        let mut choice = self.choice();
        if let Past::Failed(failed) = choice.learn((&last.server_id, last.client_id)) {
            let refused = servers
                .iter()
                .zip(&names)
                .find(|(_, name)| **name == failed);
            let reason = refused.and_then(|(server, _)| server.last_error.as_deref());
            let reason = reason.unwrap_or("its name is not known");
            let refusal: Arc<str> = format!("{failed}: {reason}").into();
            self.status.send_modify(|status| {
                status.refusals += 1;
                status.refusal = Some(refusal);
            });
        }
        let (index, pause) = choice.next(&names, &mut fastrand::Rng::new())?;
        Some(ReconnectToServer {
            addr: servers[index].addr.clone(),
            delay: Some(pause),
        })
    }

    /// Called for each event.
    fn observe(&self, event: &async_nats::Event) {
        let server = self.choice().current();
        self.status.send_modify(|status| match event {
            async_nats::Event::Connected => {
                // The library forgets events while it has 128 that were not looked at, which a
                // flood of dropped deliveries makes likely: this one was lost before it was found.
                status.disconnects += u64::from(status.connected);
                status.connects += 1;
                status.connected = true;
                status.server = server;
            }
            async_nats::Event::Disconnected => {
                status.disconnects += u64::from(status.connected);
                status.connected = false;
            }
            async_nats::Event::SlowConsumer(_) => status.dropped += 1,
            _ => {}
        });
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether servers and certificates can be understood.
pub(crate) fn check(options: &Options) -> Result<(), BusError> {
    addresses(options)?;
    options
        .tls
        .as_ref()
        .map_or(Ok(()), |tls| tls::client_config(tls).map(drop))
}

fn client_options(options: &Options, observer: &Arc<Observer>) -> Result<ConnectOptions, BusError> {
    let chooser = Arc::clone(observer);
    let observer = Arc::clone(observer);
    let mut settings = ConnectOptions::new()
        .name(&options.name)
        .ping_interval(options.ping_interval)
        .connection_timeout(options.connect_timeout)
        .subscription_capacity(options.subscription_capacity)
        .retry_on_initial_connect()
        .reconnect_to_server_callback(move |servers, last| ready(chooser.choose(&servers, &last)))
        .event_callback(move |event| {
            observer.observe(&event);
            ready(())
        });
    if let Some(login) = &options.login {
        settings = settings.user_and_password(login.user.clone(), login.password.clone());
    }
    if let Some(tls) = &options.tls {
        settings = settings
            .require_tls(true)
            .tls_client_config(tls::client_config(tls)?);
    }
    Ok(settings)
}

fn addresses(options: &Options) -> Result<Vec<ServerAddr>, BusError> {
    if options.servers.is_empty() {
        return Err(wrong("servers", &"there is none"));
    }
    let parse = |server: &crate::options::Server| {
        let url = format!("nats://{server}");
        url.parse::<ServerAddr>()
            .map_err(|error| wrong(&format!("server {server}"), &error))
    };
    options.servers.iter().map(parse).collect()
}

/// The server as `host:port`, without the credentials that a discovered address may carry.
fn name(address: &ServerAddr) -> Arc<str> {
    format!("{}:{}", address.host(), address.port()).into()
}

fn wrong(option: &str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Options {
        reason: format!("{option}: {error}"),
    }
}

fn bad_subject(subject: &Address) -> BusError {
    BusError::Subject {
        subject: subject.to_string(),
    }
}

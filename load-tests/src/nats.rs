//! The message bus of a run and the registrations that are sent over it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bus::Bus;
use protocol::bus::{Message as _, ROUTER_REGISTER, ROUTER_UNREGISTER, Register};
use tests_kit::free_address;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use crate::server::Server;
use crate::site::{Site, find_program};

/// A subject that nobody subscribes to.
const UNHEARD: &str = "load-tests.unheard";

/// Who hears what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The routers.
    Routers,
    /// Nobody: the same work for this process and the server, none for a router.
    Nobody,
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Heartbeats leave in batches of this spacing.
const BEAT: Duration = Duration::from_millis(10);

/// A nats-server of our own, and a connection to it.
#[derive(Debug)]
pub struct Nats {
    /// Where it listens.
    pub address: SocketAddr,
    bus: Bus,
    server: Server,
}

impl Nats {
    /// Starts a server on the backend's CPU and connects.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(site: &Site) -> Result<Self> {
        let address = free_address();
        let program = find_program("nats-server").context("nats-server is not installed")?;
        let mut command = Command::new(program);
        command.args([
            "-a",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ]);
        let log = site.path("nats.log");
        let mut server = Server::spawn("nats-server", command, site.cores.backend, &log)?;
        server.accepts(address, &log).await?;
        let bus = connect(address).await?;
        Ok(Self {
            address,
            bus,
            server,
        })
    }

    /// Publishes every claim once and waits until all are with the operating system.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn register(&self, claims: &Claims) -> Result<()> {
        for index in 0..claims.count {
            self.send(&claims.message(index)).await?;
        }
        self.bus.flush().await?;
        Ok(())
    }

    /// Publishes one claim.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn register_one(&self, claims: &Claims, index: usize) -> Result<()> {
        self.send(&claims.message(index)).await?;
        Ok(self.bus.flush().await?)
    }

    /// Publishes the end of one claim.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn unregister_one(&self, claims: &Claims, index: usize) -> Result<()> {
        let sent = self
            .bus
            .publish(&ROUTER_UNREGISTER, &claims.message(index))
            .await;
        sent.context("the withdrawal was not sent")?;
        Ok(self.bus.flush().await?)
    }

    /// Publishes that one host is served by one endpoint.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn register_host(&self, host: &str, backend: SocketAddr) -> Result<()> {
        self.send(&Register {
            uris: vec![host.to_owned()],
            host: backend.ip().to_string(),
            port: backend.port(),
            ..Register::default()
        })
        .await?;
        Ok(self.bus.flush().await?)
    }

    /// Publishes the claims again, in turn, at `rate` messages a second for `time`, to `audience`.
    ///
    /// # Errors
    /// When the server is lost.
    pub async fn heartbeats(
        &self,
        claims: &Claims,
        rate: u32,
        time: Duration,
        audience: Audience,
    ) -> Result<()> {
        let began = Instant::now();
        let mut beat: Interval = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut sent = 0;
        while began.elapsed() < time {
            beat.tick().await;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of messages within seconds"
            )]
            let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as usize;
            while sent < due {
                let claim = claims.message(sent % claims.count);
                match audience {
                    Audience::Routers => self.send(&claim).await?,
                    Audience::Nobody => self.bus.publish_raw(UNHEARD, claim.encode()).await?,
                }
                sent += 1;
            }
        }
        self.bus.flush().await?;
        Ok(())
    }

    async fn send(&self, claim: &Register) -> Result<()> {
        self.bus
            .publish(&ROUTER_REGISTER, claim)
            .await
            .context("the registration was not sent")
    }

    /// Ends the server.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

async fn connect(address: SocketAddr) -> Result<Bus> {
    let server = bus::Server {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let options = bus::Options {
        servers: vec![server],
        name: "load-tests".to_owned(),
        ..bus::Options::default()
    };
    let bus = Bus::connect(&options)?;
    let began = Instant::now();
    while !bus.is_connected() {
        if began.elapsed() > CONNECT_LIMIT {
            bail!("nats-server at {address} is not reached");
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(bus)
}

/// Claims of one route each, as a route emitter sends them, all served by the same backend.
#[derive(Debug, Clone, Copy)]
pub struct Claims {
    /// How many there are.
    pub count: usize,
    /// Where all of them lead.
    pub backend: SocketAddr,
}

impl Claims {
    /// The host of a route.
    #[must_use]
    pub fn host(index: usize) -> String {
        format!("app-{index:06}.apps.test")
    }

    /// The registration of a route: about 400 bytes with the ids and tags that a platform sends.
    #[must_use]
    pub fn message(&self, index: usize) -> Register {
        let id = |kind: u32| format!("{kind:08x}-0000-4000-8000-{index:012x}");
        let tag = |name: &str, value: String| (name.to_owned(), value);
        Register {
            uris: vec![Self::host(index)],
            host: self.backend.ip().to_string(),
            port: self.backend.port(),
            app: id(1),
            private_instance_id: id(2),
            private_instance_index: "0".to_owned(),
            tags: [
                tag("component", "route-emitter".to_owned()),
                tag("process_id", id(1)),
                tag("space_id", id(3)),
                tag("organization_id", id(4)),
            ]
            .into_iter()
            .collect(),
            ..Register::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_are_as_long_as_a_platforms() {
        let claims = Claims {
            count: 1,
            backend: SocketAddr::from(([127, 0, 0, 1], 61_000)),
        };
        let size = claims.message(99_999).encode().len();
        assert!((300..=450).contains(&size), "{size}");
    }
}

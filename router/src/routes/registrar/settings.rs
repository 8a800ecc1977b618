//! How the registrar behaves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use bus::{Bus, BusError, Hub};
use protocol::bus::Start;
use router_core::own_listeners::OwnListeners;
use router_core::registration::{RegistrationRules, Sharding};

use crate::config::{self, Config};

/// Deliveries that wait for the reader. The reader is never busy for long; one more counts as a
/// loss of the bus.
const DELIVERIES: usize = 131_072;

/// How the registrar behaves.
#[derive(Clone, Debug)]
pub struct RegistrarSettings {
    /// Where the bus is; none: routes come from the operator alone.
    pub bus: Option<BusAt>,
    /// What we say of ourselves on the bus.
    pub start: Start,
    /// Which registrations are accepted.
    pub rules: RegistrationRules,
    /// How often claims that lapsed are looked for; none: never.
    pub prune_interval: Option<Duration>,
    /// How long registrations tell nothing about how late they are.
    pub latency_muzzle: Duration,
    /// How often the absence of the bus is logged.
    pub remind_interval: Duration,
}

/// Where the bus is.
#[derive(Clone, Debug)]
pub enum BusAt {
    /// On the network.
    Servers(Box<bus::Options>),
    /// In this process.
    Hub(Hub),
}

impl RegistrarSettings {
    /// What the configuration says.
    pub fn new(config: &Config) -> Self {
        let threshold = config.registry.stale_threshold;
        let ping = config.bus.as_ref().map(|bus| bus.ping_interval);
        Self {
            bus: config
                .bus
                .as_ref()
                .map(|bus| BusAt::Servers(bus.options("router", DELIVERIES).into())),
            start: Start {
                id: format!("{}-{}", config.process.index, random_uuid()),
                hosts: vec![local_address().to_string()],
                minimum_register_interval_in_seconds: config.process.start_delay.as_secs(),
                prune_threshold_in_seconds: threshold.as_secs(),
            },
            rules: RegistrationRules {
                max_threshold: threshold,
                sharding: sharding(config),
                http2: false,
                own: OwnListeners::default(),
            },
            // Without a bus nobody renews a claim, and the operator's do not lapse.
            prune_interval: Some(config.registry.prune_interval)
                .filter(|interval| config.bus.is_some() && !interval.is_zero()),
            latency_muzzle: config.registry.latency_muzzle,
            remind_interval: ping
                .filter(|ping| !ping.is_zero())
                .unwrap_or(Duration::from_secs(20)),
        }
    }

    /// Takes note of where this router listens: no endpoint is there.
    #[must_use]
    pub fn with_own(mut self, own: OwnListeners) -> Self {
        self.rules.own = own;
        self
    }

    /// Starts to connect, on the runtime of the caller.
    pub(super) fn connect(&self) -> Result<Bus, BusError> {
        match &self.bus {
            Some(BusAt::Servers(options)) => Bus::connect(options),
            Some(BusAt::Hub(hub)) => Ok(Bus::in_memory(hub, DELIVERIES)),
            None => Err(BusError::NotConnected),
        }
    }
}

fn sharding(config: &Config) -> Sharding {
    let segments = || config.registry.isolation_segments.clone();
    match config.registry.sharding {
        config::Sharding::All => Sharding::All,
        config::Sharding::Segments => Sharding::Segments(segments()),
        config::Sharding::SharedAndSegments => Sharding::SharedAndSegments(segments()),
    }
}

fn random_uuid() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

/// The address that this machine uses towards the world, over IPv4 if it can. Connecting a datagram
/// socket sends nothing, it only chooses a route.
fn local_address() -> IpAddr {
    let towards = |ours: IpAddr, world: IpAddr| {
        let socket = UdpSocket::bind((ours, 0))?;
        socket.connect((world, 53))?;
        socket.local_addr()
    };
    let v6 = Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888);
    towards(
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::new(8, 8, 8, 8).into(),
    )
    .or_else(|_| towards(Ipv6Addr::UNSPECIFIED.into(), v6.into()))
    .map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_message_is_made_of_the_configuration() {
        let mut config = Config::default();
        config.process.index = 3;
        let settings = RegistrarSettings::new(&config);
        let again = RegistrarSettings::new(&config);
        assert!(settings.start.id.starts_with("3-"));
        assert_ne!(settings.start.id, again.start.id);
        assert_eq!(settings.start.prune_threshold_in_seconds, 120);
        assert_eq!(settings.start.minimum_register_interval_in_seconds, 5);
        let host: IpAddr = settings.start.hosts[0].parse().unwrap();
        assert!(!host.is_unspecified());
    }
}

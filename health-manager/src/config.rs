//! The configuration of the health manager, key by key.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bus::Bus;
use component::admin::Credentials;
use component::bus_config::{BusConfig, BusKey};
use component::config_file::{ConfigFile, Depth};
use component::error_chain::error_chain;
use component::yaml::Keys;
use health_manager_core::policy::Policy;

/// Messages that wait on the bus.
pub(crate) const DELIVERIES: usize = 16_384;

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its health and figures are.
    pub admin: SocketAddr,
    /// Who may see the figures.
    pub admin_user: Option<Credentials>,
    /// The message bus.
    pub bus: BusConfig,
    /// How often DEAs say what they run.
    pub heartbeat: Duration,
    /// How often controllers are asked for all that shall run.
    pub refresh: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admin: (Ipv4Addr::LOCALHOST, 8086).into(),
            admin_user: None,
            bus: BusConfig::default(),
            heartbeat: Policy::default().heartbeat,
            refresh: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The times that the planner goes by.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            heartbeat: self.heartbeat,
            desired_lifetime: self.refresh * 4,
            ..Policy::default()
        }
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str =
        "# The configuration of the health manager: every key with its default.\n";

    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "admin",
            "Where its health and figures are.",
            &mut self.admin,
        );
        let user = &mut self.admin_user;
        keys.section(
            "admin_user",
            "Who may see the figures. Without a user: callers from this machine.",
            |keys: &mut Keys<'_>| Credentials::keys(user, keys),
        );
        let mut bus = Some(self.bus.clone());
        keys.key("nats", "The message bus.", &mut BusKey(&mut bus));
        match bus {
            Some(bus) => self.bus = bus,
            None => keys.fault("nats", "must be there: nothing is heard without it"),
        }
        keys.key(
            "heartbeat",
            "How often DEAs say what they run; three in a row that are missed are a loss.",
            &mut self.heartbeat,
        );
        if self.heartbeat < Duration::from_millis(100) {
            keys.fault("heartbeat", "must be 100ms at least");
        }
        keys.key(
            "refresh",
            "How often controllers are asked for all that shall run. Changes are told at once.",
            &mut self.refresh,
        );
        if self.refresh.is_zero() {
            keys.fault("refresh", "must be more than 0s");
        }
    }

    fn examine(&self, file: &str, _depth: Depth, faults: &mut Vec<String>) -> String {
        let options = self.bus.options("health-manager", DELIVERIES);
        if let Err(error) = Bus::check(&options) {
            faults.push(format!("{file}: {}", error_chain(&error)));
        }
        format!("a heartbeat of {:?}", self.heartbeat)
    }
}

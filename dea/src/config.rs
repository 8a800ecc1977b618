//! The configuration: one YAML file.

mod capacity;
mod output;
mod times;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bus::Bus;
use component::admin::Credentials;
use component::bus_config::{BusConfig, BusKey};
use component::config_file::{ConfigFile, Depth};
use component::error_chain::error_chain;
use component::size::ByteSize;
use component::yaml::Keys;

use crate::fence::FenceOptions;
use crate::staging::StagingOptions;

pub use self::capacity::CapacityConfig;
pub use self::output::OutputConfig;
pub use self::times::TimeConfig;

/// Messages that wait in each subscription.
pub const DELIVERIES: usize = 4_096;

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which DEA of the cloud this is.
    pub index: u32,
    /// Its id; empty: it makes one at its first start and keeps it.
    pub id: String,
    /// The node's address, as others are told.
    pub address: IpAddr,
    /// Where it keeps droplets, its snapshot, and how far output was passed on.
    pub base_dir: PathBuf,
    /// Where it can be asked.
    pub admin: SocketAddr,
    /// Who may ask more than its health; none: callers on this node.
    pub credentials: Option<Credentials>,
    /// The message bus.
    pub bus: Option<BusConfig>,
    /// The container engine.
    pub fence: FenceOptions,
    /// How apps are staged.
    pub staging: StagingOptions,
    /// The image of each stack.
    pub stacks: BTreeMap<String, String>,
    /// What may be promised.
    pub capacity: CapacityConfig,
    /// Where the node stands.
    pub placement: PlacementConfig,
    /// The ports of instances.
    pub ports: PortConfig,
    /// Intervals and limits of time.
    pub times: TimeConfig,
    /// What is passed on of the output of apps.
    pub output: OutputConfig,
    /// Most bytes of droplets that are kept for another start.
    pub droplet_cache: ByteSize,
    /// Processes and threads of one instance at most.
    pub processes: u64,
}

/// Where the node stands.
#[derive(Clone, Debug, Default)]
pub struct PlacementConfig {
    /// The placement zones that it serves; none counts as `default`.
    pub zones: Vec<String>,
    /// What fails together with it.
    pub availability_zone: String,
}

/// The ports of instances.
#[derive(Clone, Copy, Debug)]
pub struct PortConfig {
    /// The first one.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// How long one rests after its instance.
    pub rest: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            index: 0,
            id: String::new(),
            address: Ipv4Addr::LOCALHOST.into(),
            base_dir: "/var/lib/switchyard/dea".into(),
            admin: (Ipv4Addr::LOCALHOST, 8084).into(),
            credentials: None,
            bus: Some(BusConfig::default()),
            fence: FenceOptions::default(),
            staging: StagingOptions::default(),
            stacks: BTreeMap::from([("bookworm".to_owned(), "switchyard/bookworm:1".to_owned())]),
            capacity: CapacityConfig::default(),
            placement: PlacementConfig::default(),
            ports: PortConfig {
                first: 61_001,
                last: 65_534,
                rest: Duration::from_secs(240),
            },
            times: TimeConfig::default(),
            output: OutputConfig::default(),
            droplet_cache: ByteSize::mib(2_048),
            processes: 256,
        }
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str = "\
# The DEA's configuration: every key with its default. Printed by `dea --print-example`.
#
# SIGTERM ends the DEA and leaves the containers of instances running; it takes them over when it starts
# again. SIGUSR1 empties the node: instances serve on until they run elsewhere, then the DEA ends.
";

    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("index", "Which DEA of the cloud this is.", &mut self.index);
        keys.key(
            "id",
            "Its id on the bus, one word. Empty: one is made at the first start and kept in base_dir.",
            &mut self.id,
        );
        if !self.id.is_empty() && !protocol::bus::is_word(&self.id) {
            keys.fault("id", "must be one word without dots");
        }
        keys.key(
            "address",
            "The node's address, as others are told.",
            &mut self.address,
        );
        keys.key(
            "base_dir",
            "Where it keeps droplets, its snapshot, and how far output was passed on.",
            &mut self.base_dir,
        );
        self.admin_keys(keys);
        keys.key("nats", "The message bus.", &mut BusKey(&mut self.bus));
        if self.bus.is_none() {
            keys.fault("nats", "a DEA does nothing without the bus");
        }
        self.fence.keys(keys);
        keys.key(
            "stacks",
            "The image of each stack that instances can have.",
            &mut self.stacks,
        );
        self.staging.keys(keys);
        self.capacity.keys(keys);
        self.placement.keys(keys);
        self.ports.keys(keys);
        self.times.keys(keys);
        self.output.keys(keys);
        keys.title("Limits");
        keys.key(
            "droplet_cache",
            "Most bytes of droplets that are kept for another start.",
            &mut self.droplet_cache,
        );
        keys.key(
            "processes",
            "Processes and threads of one instance at most.",
            &mut self.processes,
        );
    }

    fn examine(&self, file: &str, _depth: Depth, faults: &mut Vec<String>) -> String {
        let options = self.bus.as_ref().map(|bus| bus.options("dea", DELIVERIES));
        if let Some(Err(error)) = options.map(|options| Bus::check(&options)) {
            faults.push(format!("{file}: {}", error_chain(&error)));
        }
        let stacks: Vec<&str> = self.stacks.keys().map(String::as_str).collect();
        format!("stacks {}", stacks.join(", "))
    }
}

impl Config {
    fn admin_keys(&mut self, keys: &mut Keys<'_>) {
        keys.section("admin", "Where it can be asked.", |keys| {
            keys.key("address", "The listener.", &mut self.admin);
            Credentials::keys(&mut self.credentials, keys);
        });
    }
}

impl PlacementConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.section("placement", "Where the node stands.", |keys| {
            keys.key(
                "zones",
                "The placement zones that it serves; none counts as default.",
                &mut self.zones,
            );
            keys.key(
                "availability_zone",
                "What fails together with it.",
                &mut self.availability_zone,
            );
        });
    }
}

impl PortConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.section("ports", "The ports that instances are told.", |keys| {
            keys.key("first", "The first one.", &mut self.first);
            keys.key("last", "The last one.", &mut self.last);
            keys.key(
                "rest",
                "How long one is given to nobody after its instance: twice the time after which \
                 routers forget an endpoint.",
                &mut self.rest,
            );
            if self.first == 0 || self.first > self.last {
                keys.fault("last", "first..last must be a range of ports");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use component::config_file::{self, ConfigError};

    use super::*;

    #[test]
    fn the_example_file_is_the_default() {
        let file = include_str!("../dea.example.yml");
        let example = config_file::example::<Config>();
        assert!(
            file == example,
            "dea.example.yml is out of date: cargo run -p dea -- --print-example > dea/dea.example.yml"
        );
        let loaded = config_file::parse::<Config>(&"dea.yml", file).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let default = config_file::to_yaml(&Config::default());
        assert_eq!(config_file::to_yaml(&loaded.config), default);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check =
            |text: &str, expected: &str| match config_file::parse::<Config>(&"dea.yml", text) {
                Err(ConfigError::Faults(faults)) => {
                    assert!(faults[0].contains(expected), "{faults:?}");
                }
                other => panic!("{text}: {other:?}"),
            };
        check("nats: off", "nats: a DEA does nothing without the bus");
        check("id: a.b", "id: must be one word");
        check("ports: {first: 5, last: 4}", "ports.last: first..last");
        check(
            "times: {heartbeat: 0s}",
            "times.heartbeat: must be more than 0s",
        );
        check("admin: {user: u}", "admin.pass: must not be empty");
        check("grace: 1s", "grace: no such key");
    }
}

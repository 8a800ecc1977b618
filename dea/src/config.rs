//! The configuration: one YAML file.

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

/// What may be promised to instances and to staging.
#[derive(Clone, Debug)]
pub struct CapacityConfig {
    /// Memory; None: that of the machine.
    pub memory: Option<ByteSize>,
    /// How much of it may be promised, in percent.
    pub memory_percent: u64,
    /// Disk; None: that of the file system of `base_dir`.
    pub disk: Option<ByteSize>,
    /// How much of it may be promised, in percent.
    pub disk_percent: u64,
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

/// Intervals and limits of time.
#[derive(Clone, Copy, Debug)]
pub struct TimeConfig {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two adverts.
    pub advertise: Duration,
    /// From unregistering an instance to its SIGTERM.
    pub routers: Duration,
    /// From its SIGTERM to its SIGKILL.
    pub grace: Duration,
    /// For an instance to become well, where its order names no limit.
    pub health: Duration,
    /// How long it is told that an instance has crashed.
    pub crash: Duration,
    /// Between two looks for containers that nobody knows.
    pub orphans: Duration,
    /// How long an evacuation may take.
    pub evacuation: Duration,
}

/// What is passed on of the output of apps.
#[derive(Clone, Copy, Debug)]
pub struct OutputConfig {
    /// The longest line in bytes.
    pub longest: ByteSize,
    /// Lines a second of one app in the long run.
    pub per_second: u32,
    /// Lines of one app at once.
    pub burst: u32,
    /// The latest lines of an app that are kept.
    pub recent: usize,
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
            stacks: BTreeMap::from([("bookworm".to_owned(), "switchyard/bookworm:1".to_owned())]),
            capacity: CapacityConfig {
                memory: None,
                memory_percent: 80,
                disk: None,
                disk_percent: 80,
            },
            placement: PlacementConfig::default(),
            ports: PortConfig {
                first: 61_001,
                last: 65_534,
                rest: Duration::from_secs(240),
            },
            times: TimeConfig {
                heartbeat: Duration::from_secs(2),
                advertise: Duration::from_secs(5),
                routers: Duration::from_secs(1),
                grace: Duration::from_secs(10),
                health: Duration::from_secs(60),
                crash: Duration::from_secs(3600),
                orphans: Duration::from_secs(30),
                evacuation: Duration::from_secs(600),
            },
            output: OutputConfig {
                longest: ByteSize::kib(16),
                per_second: 1_000,
                burst: 10_000,
                recent: 1_000,
            },
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
            let (mut user, mut password) = match self.credentials.take() {
                Some(Credentials { user, password }) => (user, password),
                None => Default::default(),
            };
            keys.key(
                "user",
                "Wanted for all but health checks. Without a user these are refused to callers that \
                 are not on loopback.",
                &mut user,
            );
            keys.key("pass", "The user's password.", &mut password);
            if !user.is_empty() && password.is_empty() {
                keys.fault("pass", "must not be empty beside a user");
            }
            self.credentials = (!user.is_empty()).then_some(Credentials { user, password });
        });
    }
}

impl CapacityConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("What may be promised");
        keys.section("capacity", "To instances and to staging.", |keys| {
            keys.key("memory", "Empty: that of the machine.", &mut self.memory);
            keys.key(
                "memory_percent",
                "How much of it may be promised; above 100 is an overcommitment.",
                &mut self.memory_percent,
            );
            keys.key(
                "disk",
                "Empty: that of the file system of base_dir.",
                &mut self.disk,
            );
            keys.key(
                "disk_percent",
                "How much of it may be promised.",
                &mut self.disk_percent,
            );
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

impl TimeConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Times");
        keys.section("times", "Intervals and limits.", |keys| {
            let mut interval = |name, doc, value: &mut Duration| {
                keys.key(name, doc, value);
                if value.is_zero() {
                    keys.fault(name, "must be more than 0s");
                }
            };
            interval("heartbeat", "Between two heartbeats.", &mut self.heartbeat);
            interval("advertise", "Between two adverts.", &mut self.advertise);
            interval(
                "orphans",
                "Between two looks for containers that nobody knows; one seen twice is removed.",
                &mut self.orphans,
            );
            keys.key(
                "routers",
                "From unregistering an instance to its SIGTERM.",
                &mut self.routers,
            );
            keys.key("grace", "From its SIGTERM to its SIGKILL.", &mut self.grace);
            keys.key(
                "health",
                "For an instance to become well, where its order names no limit.",
                &mut self.health,
            );
            keys.key(
                "crash",
                "How long it is told that an instance has crashed.",
                &mut self.crash,
            );
            keys.key(
                "evacuation",
                "How long instances of a node that is being emptied serve at most.",
                &mut self.evacuation,
            );
        });
    }
}

impl OutputConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Output of apps");
        keys.section("output", "What is passed on of it.", |keys| {
            keys.key(
                "longest",
                "The longest line; a longer one becomes several.",
                &mut self.longest,
            );
            keys.key(
                "per_second",
                "Lines a second of one app in the long run; more are dropped, and the app is told. \
                 0: no limit.",
                &mut self.per_second,
            );
            keys.key(
                "burst",
                "Lines of one app at once after a silence.",
                &mut self.burst,
            );
            keys.key(
                "recent",
                "The latest lines of an app that are kept.",
                &mut self.recent,
            );
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

//! The router's configuration: one YAML file.
//!
//! The file is a gorouter.yml, perhaps with keys of our own beside gorouter's. Each part of the
//! configuration names its keys once, in a function that reads them, prints them and documents
//! them ([`component::yaml::Keys`]); what gorouter knows and we do not is judged in `unserved`, and
//! how strictly the rest is taken in `ours`.
//! Paths are taken as they stand: relative ones begin at the working directory.

mod admin;
mod backend;
mod check;
mod connection;
mod frontend;
mod headers;
mod logging;
mod ours;
mod process;
mod registry;
mod reload;
mod routes;
pub mod settings;
mod unserved;
mod workers;

use std::collections::HashSet;
use std::path::PathBuf;

use component::address::is_local;
use component::bus_config::BusKey;
use component::config_file::{self, ConfigFile, ENVIRONMENT, text_of};
use component::telemetry::LogOutput;
use component::yaml::{self, Content, Keys, Report};
use router_core::error_page::ErrorPage;
use router_core::own_listeners::OwnListeners;

pub use admin::AdminConfig;
pub use backend::BackendConfig;
pub use component::bus_config::{BusConfig, BusServer, BusTls};
pub use component::config_file::{Checked, ConfigError, Depth, Loaded};
pub use connection::{ConnectionConfig, KeepAlive, Linger, TunnelTimes};
pub use frontend::{ClientConfig, ListenerConfig, ProxyProtocol};
pub use headers::{
    ForwardedClientCert, ForwardedFromUntrusted, ForwardedProto, HeaderConfig, HeaderRewrite,
    Underscores, ViaConfig,
};
pub use logging::{AccessLogConfig, LoggingConfig, MOST_EXTRA_HEADERS};
pub use process::ProcessConfig;
pub use registry::{RegistryConfig, Sharding, SnapshotConfig};
pub use routes::{
    RouteLimits, RouteTimeouts, StaticBackend, StaticRoute, leads_back, lookup_keys, parse_routes,
};
pub use workers::Workers;

/// The effective configuration: every default filled in, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listeners: Vec<ListenerConfig>,
    /// Threads that serve requests.
    pub workers: Workers,
    /// The clients' side.
    pub client: ClientConfig,
    /// The backends' side.
    pub backend: BackendConfig,
    /// Header rules.
    pub headers: HeaderConfig,
    /// How registrations last.
    pub registry: RegistryConfig,
    /// The message bus; `None`: routes come from files alone.
    pub bus: Option<BusConfig>,
    /// Routes written in the file itself.
    pub routes: Vec<StaticRoute>,
    /// A file with more routes, read again when it changes ([`parse_routes`]).
    pub routes_file: Option<PathBuf>,
    /// Routes kept for the next start.
    pub snapshot: SnapshotConfig,
    /// Admin and health endpoints.
    pub admin: AdminConfig,
    /// One line for each request.
    pub access_log: AccessLogConfig,
    /// The router's own log.
    pub logging: LoggingConfig,
    /// Name, start and end of the process.
    pub process: ProcessConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::default()],
            workers: Workers::default(),
            client: ClientConfig::default(),
            backend: BackendConfig::default(),
            headers: HeaderConfig::default(),
            registry: RegistryConfig::default(),
            bus: Some(BusConfig::default()),
            routes: Vec::new(),
            routes_file: None,
            snapshot: SnapshotConfig::default(),
            admin: AdminConfig::default(),
            access_log: AccessLogConfig::default(),
            logging: LoggingConfig::default(),
            process: ProcessConfig::default(),
        }
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str = EXAMPLE_HEAD;

    fn keys(&mut self, keys: &mut Keys<'_>) {
        frontend::listener_keys(&mut self.listeners, keys);
        workers::worker_keys(&mut self.workers, keys);
        self.client.keys(keys);
        self.route_keys(keys);
        self.registry.keys(&mut self.process.start_delay, keys);
        self.backend.keys(self.registry.stale_threshold, keys);
        self.headers.keys(keys);
        self.admin.keys(&self.listeners, keys);
        logging::keys(&mut self.logging, &mut self.access_log, keys);
        self.process.keys(self.backend.endpoint_timeout, keys);
        if keys.reading()
            && let Some(back) = leads_back(&self.routes, &self.own_listeners())
        {
            keys.fault("routes", back);
        }
    }

    fn take(&mut self, mut root: yaml::Node, report: &mut Report) {
        if says_nothing(&root) {
            return report.fault(root.place, "the file says nothing");
        }
        let known = config_file::lines(&Self::default());
        let ours = ours::is_ours(&root, &known);
        if ours {
            yaml::expand(&mut root, ENVIRONMENT, report);
            ours::refuse_empty_lists(&root, &known, report);
        } else {
            self.logging.output = LogOutput::Stdout;
        }
        yaml::read(&root, report, |keys| self.keys(keys));
        if let Some(routes) = root.get("routes") {
            routes::refuse_doubles(routes, &HashSet::new(), report);
        }
        unserved::judge(&root, report);
        ours::judge(ours, report);
    }

    fn add_to_example(text: &mut String) {
        text.push_str(EXAMPLE_TAIL);
        unserved::document(text);
    }

    fn examine(&self, file: &str, depth: Depth, faults: &mut Vec<String>) -> String {
        check::examine(self, file, depth, faults)
    }
}

impl Config {
    /// The page that answers of the router's own are put into, if one is configured.
    ///
    /// # Errors
    /// The file cannot be read, or wants something filled in that there is not.
    pub fn error_page(&self) -> Result<Option<ErrorPage>, ConfigError> {
        let Some(file) = &self.headers.error_page else {
            return Ok(None);
        };
        let page = ErrorPage::parse(&text_of(file)?);
        let told = |fault| ConfigError::Faults(vec![format!("{}: {fault}", file.display())]);
        page.map(Some).map_err(told)
    }

    /// Where the router will listen, as far as the ports are known.
    fn own_listeners(&self) -> OwnListeners {
        let clients = self.listeners.iter();
        let clients = clients.filter_map(|listener| listener.address.tcp());
        let admin = [
            Some(self.admin.address),
            self.admin.status,
            self.admin.debug,
        ];
        OwnListeners::new(clients.chain(admin.into_iter().flatten()), is_local)
    }

    /// Where routes come from.
    fn route_keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Routes");
        let listed = keys.list("routes", ROUTES_DOC, &mut self.routes);
        let filed = keys.key(
            "routes_file",
            "A file with a list of routes as above, read again when it changes.",
            &mut self.routes_file,
        );
        let mut ping = self.bus.clone().unwrap_or_default().ping_interval;
        keys.key(
            "nats_client_ping_interval",
            "How often the bus is probed. 0s: never. Less than 100ms counts as 100ms.",
            &mut ping,
        );
        if !ping.is_zero() {
            ping = ping.max(registry::SHORTEST_INTERVAL);
        }
        let named = keys.key("nats", NATS_DOC, &mut BusKey(&mut self.bus));
        if keys.reading() && !named && (listed || filed) {
            self.bus = None;
        }
        if let Some(bus) = &mut self.bus {
            bus.ping_interval = ping;
        }
        self.snapshot.keys(keys);
        if self.bus.is_none() && self.snapshot.file.is_some() {
            keys.warn(
                "snapshot_file",
                "has no effect without a bus: nobody would confirm what an earlier run knew",
            );
        }
    }
}

const ROUTES_DOC: &str = concat!(
    "Routes that need no bus. Each has uris (host and path; *. in front of the host is a wildcard) ",
    "and backends (host:port, perhaps with a weight), and may have timeouts and limits of its own:\n",
    "  - uris: [app.example.com, \"*.example.com/api\"]\n",
    "    backends: [{address: \"127.0.0.1:9000\", weight: 2}, {address: \"backend.internal:80\"}]\n",
    "    timeouts: {connect: 2s, first_byte: 60s, idle: 90s}\n",
    "    limits: {max_body: 100MiB, max_conns: 200}",
);

const NATS_DOC: &str = "The message bus. off: none. When nothing is said here, there is no bus if \
    routes or routes_file are given, and otherwise the one on this machine, as with gorouter.";

const EXAMPLE_HEAD: &str = "\
# The router's configuration: every key with its default. Printed by `router --print-example`.
#
# A gorouter.yml serves as it is; defaults that differ from gorouter's say so. In a file with a key
# that gorouter does not have, a key that is not known is a mistake, and ${NAME} in a value is replaced
# by that variable of the environment ($${ stands for ${). Durations are written as 500ms, 60s or 1m30s,
# sizes as 4096, 64KiB or 100MiB. Paths begin at the working directory.
";

const EXAMPLE_TAIL: &str = "
# --- Keys of gorouter that are not read -----------------------------------------------------------
";

/// Whether a file holds no key and no row at all.
fn says_nothing(root: &yaml::Node) -> bool {
    match &root.content {
        Content::Null => true,
        Content::Map(entries) => entries.is_empty(),
        Content::Scalar(_) | Content::List(_) => false,
    }
}

#[cfg(test)]
mod tests;

//! The router's configuration: one YAML file.
//!
//! The file is a gorouter.yml with keys of our own beside gorouter's. Each part of the
//! configuration names its keys once, in a function that reads them, prints them and documents
//! them ([`component::yaml::Keys`]); what gorouter knows and we do not is judged in `unserved`.
//! Paths are taken as they stand: relative ones begin at the working directory.

mod admin;
mod backend;
mod connection;
mod frontend;
mod headers;
mod logging;
mod process;
mod registry;
mod routes;
mod unserved;

use std::fmt;
use std::path::{Path, PathBuf};

use component::yaml::{self, Fault, Keys, Report};
use router_core::error_page::{BadTemplate, ErrorPage};
use router_core::own_listeners::OwnListeners;

use crate::listen::is_local;

pub use admin::{AdminConfig, Credentials};
pub use backend::BackendConfig;
pub use connection::{ConnectionConfig, KeepAlive, Linger, TunnelTimes};
pub use frontend::{ClientConfig, Listener, ProxyProtocol, Workers};
pub use headers::{
    ForwardedClientCert, ForwardedFromUntrusted, ForwardedProto, HeaderConfig, HeaderRewrite,
    Underscores, ViaConfig,
};
pub use logging::{AccessLogConfig, LoggingConfig};
pub use process::ProcessConfig;
pub use registry::{BusConfig, BusServer, BusTls, RegistryConfig, Sharding, SnapshotConfig};
pub use routes::{
    RouteLimits, RouteTimeouts, StaticBackend, StaticRoute, leads_back, parse_routes,
};

/// The effective configuration: every default filled in, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
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
            listeners: vec![Listener::default()],
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

/// A configuration and what its author should know about the file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// `file:line: remark` each.
    pub warnings: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can be read, but not used.
    #[error("{}", .0.join("\n"))]
    Faults(
        /// `file:line: reason` each, at least one.
        Vec<String>,
    ),
    /// The error page cannot be filled in.
    #[error("{}: {source}", file.display())]
    ErrorPage {
        /// The file.
        file: PathBuf,
        /// Why.
        source: BadTemplate,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds something that cannot be used; all such places are named.
    pub fn load(file: &Path) -> Result<Loaded, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&file.display(), &text)
    }

    /// Reads and checks the text of a file that messages call `file`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(file: &dyn fmt::Display, text: &str) -> Result<Loaded, ConfigError> {
        let lines = |faults: &[Fault]| faults.iter().map(|f| in_file(file, f)).collect::<Vec<_>>();
        let root = yaml::parse(text).map_err(|fault| ConfigError::Faults(lines(&[fault])))?;
        let mut config = Self::default();
        let mut report = Report::default();
        yaml::read(&root, &mut report, |keys| config.keys(keys));
        unserved::judge(&root, &mut report);
        if report.faults.is_empty() {
            return Ok(Loaded {
                config,
                warnings: lines(&report.warnings),
            });
        }
        report.faults.sort_by_key(|fault| fault.place);
        Err(ConfigError::Faults(lines(&report.faults)))
    }

    /// Checks the files that the configuration names and that must be there at the start.
    ///
    /// # Errors
    ///
    /// One cannot be read, or the routes file holds something that cannot be used.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        if let Some(file) = &self.routes_file {
            let routes = parse_routes(&read(file)?).map_err(|faults| {
                let lines = faults.iter().map(|fault| in_file(&file.display(), fault));
                ConfigError::Faults(lines.collect())
            })?;
            if let Some(back) = leads_back(&routes, &self.own_listeners()) {
                let line = format!("{}: {back}", file.display());
                return Err(ConfigError::Faults(vec![line]));
            }
        }
        self.error_page().map(drop)
    }

    /// The page that answers of the router's own are put into, if one is configured.
    ///
    /// # Errors
    /// The file cannot be read, or wants something filled in that there is not.
    pub fn error_page(&self) -> Result<Option<ErrorPage>, ConfigError> {
        let Some(file) = &self.headers.error_page else {
            return Ok(None);
        };
        let page = ErrorPage::parse(&read(file)?);
        page.map(Some).map_err(|source| ConfigError::ErrorPage {
            file: file.clone(),
            source,
        })
    }

    /// The configuration as YAML that reads back as the same configuration, with secrets masked.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::render(&yaml::write(|keys| self.clone().keys(keys)))
    }

    /// The example file: every key with its documentation and default.
    #[must_use]
    pub fn example() -> String {
        let mut text = String::from(EXAMPLE_HEAD);
        text += &yaml::render_documented(&yaml::write(|keys| Self::default().keys(keys)));
        text += EXAMPLE_TAIL;
        unserved::document(&mut text);
        text
    }

    fn keys(&mut self, keys: &mut Keys<'_>) {
        frontend::listener_keys(&mut self.listeners, keys);
        frontend::worker_keys(&mut self.workers, keys);
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
            "How often the bus is probed. 0s: never.",
            &mut ping,
        );
        let named = keys.key("nats", NATS_DOC, &mut registry::BusKey(&mut self.bus));
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
# A gorouter.yml serves as it is; defaults that differ from gorouter's say so. Durations are written
# as 500ms, 60s or 1m30s, sizes as 4096, 64KiB or 100MiB. Paths begin at the working directory.
";

const EXAMPLE_TAIL: &str = "
# --- Keys of gorouter that are not read -----------------------------------------------------------
";

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

fn in_file(file: &dyn fmt::Display, fault: &Fault) -> String {
    let colon = if fault.place.line > 0 { ":" } else { ": " };
    format!("{file}{colon}{fault}")
}

#[cfg(test)]
mod tests;

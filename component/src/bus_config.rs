//! The message bus: where it is and how it is reached.

use std::time::Duration;

use crate::host_port;
use crate::secret::Secret;
use crate::yaml::{self, Content, Item, Keys, Node, Output, Report, Value};

/// How often the connection is probed when it is not to be probed at all.
const HARDLY_EVER: Duration = Duration::from_secs(86_400);

/// The message bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// The servers, at least one.
    pub servers: Vec<BusServer>,
    /// Empty: no user.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// TLS to the servers; `None`: plain.
    pub tls: Option<BusTls>,
    /// How often the connection is probed.
    pub ping_interval: Duration,
}

/// One NATS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Certificates towards the bus, as PEM text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusTls {
    /// Whom we believe; empty: the system's roots.
    pub ca_certs: String,
    /// Our own certificate and its issuers; empty: none.
    pub cert_chain: String,
    /// The key of the first certificate.
    pub private_key: Secret,
}

impl Default for BusServer {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 4222,
        }
    }
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            servers: vec![BusServer::default()],
            user: String::new(),
            password: Secret::default(),
            tls: None,
            ping_interval: Duration::from_secs(20),
        }
    }
}

impl Item for BusServer {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.alias("host", "", &mut self.host);
        keys.key("hostname", "", &mut self.host);
        keys.key("port", "", &mut self.port);
    }

    fn short(text: &str) -> Result<Self, String> {
        let (host, port) = match host_port::split(text) {
            Some(both) => both,
            None if !text.contains(':') => (text, Self::default().port),
            None => return Err(format!("{text:?} is not a host and a port")),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// The value of the key of the bus: `off`, a mapping, or the list of servers that programs of Cloud
/// Foundry had before.
#[derive(Debug)]
pub struct BusKey<'a>(
    /// None: no bus.
    pub &'a mut Option<BusConfig>,
);

impl Value for BusKey<'_> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let mut bus = BusConfig {
            ping_interval: self.ping_interval(),
            ..BusConfig::default()
        };
        match &node.content {
            Content::Scalar(text) if matches!(text.as_str(), "off" | "false" | "none") => {
                *self.0 = None;
                return;
            }
            Content::List(servers) => {
                // Each server of the old list repeats the user; the first one has the say.
                for server in servers {
                    let mut one = BusServer::default();
                    yaml::read(server, report, |keys| {
                        one.keys(keys);
                        keys.key("user", "", &mut bus.user);
                        keys.key("pass", "", &mut bus.password);
                    });
                    bus.servers.push(one);
                }
                bus.servers.remove(0);
            }
            _ => yaml::read(node, report, |keys| bus.keys(keys)),
        }
        if bus.servers.is_empty() {
            report.fault(
                node.place,
                "names no server; write nats: off to run without a bus",
            );
        }
        *self.0 = Some(bus);
    }

    fn write(&self) -> Output {
        match self.0.clone() {
            Some(mut bus) => Output::Map(yaml::write(|keys| bus.keys(keys))),
            None => Output::Scalar("off".into()),
        }
    }
}

impl BusKey<'_> {
    fn ping_interval(&self) -> Duration {
        self.0
            .as_ref()
            .map_or(BusConfig::default().ping_interval, |bus| bus.ping_interval)
    }
}

impl BusConfig {
    /// Returns how to connect, as the client called `name`, of whose deliveries at most `deliveries` wait
    /// in each subscription.
    #[must_use]
    pub fn options(&self, name: &str, deliveries: usize) -> bus::Options {
        let server = |server: &BusServer| bus::Server {
            host: server.host.clone(),
            port: server.port,
        };
        bus::Options {
            servers: self.servers.iter().map(server).collect(),
            login: (!self.user.is_empty()).then(|| bus::Login {
                user: self.user.clone(),
                password: self.password.reveal().to_owned(),
            }),
            tls: self.tls.as_ref().map(|tls| bus::Tls {
                authorities: tls.ca_certs.clone(),
                identity: (!tls.cert_chain.is_empty()).then(|| bus::Identity {
                    chain: tls.cert_chain.clone(),
                    key: tls.private_key.reveal().to_owned(),
                }),
            }),
            name: name.to_owned(),
            ping_interval: match self.ping_interval {
                Duration::ZERO => HARDLY_EVER,
                interval => interval,
            },
            subscription_capacity: deliveries,
            ..bus::Options::default()
        }
    }

    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.list("hosts", "The servers.", &mut self.servers);
        keys.key("user", "Empty: none.", &mut self.user);
        keys.key("pass", "The user's password.", &mut self.password);
        let mut enabled = self.tls.is_some();
        let mut tls = self.tls.clone().unwrap_or_default();
        keys.key("tls_enabled", "TLS to the servers.", &mut enabled);
        keys.key(
            "ca_certs",
            "PEM text of those whom we believe; empty: the system's roots.",
            &mut tls.ca_certs,
        );
        keys.key(
            "cert_chain",
            "PEM text of our own certificate.",
            &mut tls.cert_chain,
        );
        keys.key("private_key", "PEM text of its key.", &mut tls.private_key);
        if enabled && tls.cert_chain.is_empty() != tls.private_key.is_empty() {
            keys.fault("cert_chain", "cert_chain and private_key go together");
        }
        self.tls = enabled.then_some(tls);
    }
}

//! What clients meet: listeners, limits, trust.

use std::time::Duration;

use component::address::{ListenAddress, collide};
use component::size::ByteSize;
use component::yaml::{Count, Item, Keys};
use router_core::cidr::CidrSet;

use super::ConnectionConfig;

/// Where gorouter listens when nothing is said.
const DEFAULT_PORT: u16 = 8081;

/// One address that takes client connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// The address. `[::]` takes IPv4 as well.
    pub address: ListenAddress,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
}

/// Whether a connection begins with a PROXY protocol header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// It does not; a header is a malformed request.
    #[default]
    Off,
    /// It may: gorouter's `enable_proxy`.
    Optional,
    /// It must.
    Required,
}

impl ListenerConfig {
    /// A plain listener on every local address.
    #[must_use]
    pub const fn on_port(port: u16) -> Self {
        Self {
            address: ListenAddress::any(port),
            proxy_protocol: ProxyProtocol::Off,
        }
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self::on_port(DEFAULT_PORT)
    }
}

impl Item for ListenerConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        let named = keys.key("address", "", &mut self.address);
        if keys.reading() && !named {
            keys.fault("address", "is missing");
        }
        let words = [
            ("off", ProxyProtocol::Off),
            ("optional", ProxyProtocol::Optional),
            ("required", ProxyProtocol::Required),
            ("on", ProxyProtocol::Required),
            ("false", ProxyProtocol::Off),
            ("true", ProxyProtocol::Required),
        ];
        keys.choice("proxy_protocol", "", &mut self.proxy_protocol, &words);
    }

    fn short(text: &str) -> Result<Self, String> {
        let address = text.parse().map_err(|error| format!("{error}"))?;
        Ok(Self {
            address,
            proxy_protocol: ProxyProtocol::Off,
        })
    }
}

/// The client's side of every listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// From whom `X-Forwarded-*`, `X-Request-Start` and PROXY headers are believed.
    pub trusted_proxies: CidrSet,
    /// Discards every `X-*` header of every client, as Stackato's router did.
    pub prevent_x_spoofing: bool,
    /// How long a kept-alive connection may wait for its next request; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// How long a body may stand still on its way in.
    pub read_stall: Duration,
    /// How long a client may take nothing of a response.
    pub write_stall: Duration,
    /// How a connection is probed, drained and ended.
    pub connection: ConnectionConfig,
    /// Longest request head in bytes.
    pub max_header_bytes: ByteSize,
    /// Memory of all heads of more than 4 KiB together.
    pub max_heads_memory: ByteSize,
    /// Most header fields of a request.
    pub max_headers: usize,
    /// Longest request target in bytes.
    pub max_target_bytes: ByteSize,
    /// Longest request body; `None`: no limit beside those of single routes.
    pub max_body: Option<ByteSize>,
    /// Requests with this `User-Agent` are health checks, whatever they ask for. Empty: none are.
    pub healthcheck_user_agent: String,
}

const DEFAULT_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_HEADER_BYTES: ByteSize = ByteSize::kib(64);
const DEFAULT_HEADERS: usize = 256;
/// As many fields as the header rules can address.
const MOST_HEADERS: usize = 1024;
/// gorouter's fixed limit, and the longest head that is ever read.
const MOST_HEADER_BYTES: ByteSize = ByteSize::mib(1);

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: private_networks(),
            prevent_x_spoofing: false,
            idle_timeout: Some(Duration::from_secs(900)),
            head_timeout: DEFAULT_HEAD_TIMEOUT,
            read_stall: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
            connection: ConnectionConfig::default(),
            max_header_bytes: DEFAULT_HEADER_BYTES,
            max_heads_memory: ByteSize::mib(128),
            max_headers: DEFAULT_HEADERS,
            max_target_bytes: ByteSize::kib(16),
            max_body: None,
            healthcheck_user_agent: "HTTP-Monitor/1.1".into(),
        }
    }
}

/// Loopback and private addresses (RFC 1122, RFC 1918, RFC 4193).
fn private_networks() -> CidrSet {
    const NETWORKS: [&str; 6] = [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    ];
    CidrSet::new(
        NETWORKS
            .iter()
            .filter_map(|network| network.parse().ok())
            .collect(),
    )
}

/// `listeners` and the keys of gorouter that stand for it.
pub(super) fn listener_keys(listeners: &mut Vec<ListenerConfig>, keys: &mut Keys<'_>) {
    keys.title("Listeners");
    let own = keys.list(
        "listeners",
        "Where clients connect: an address (\"[::]:80\" takes IPv4 as well; \"unix:/path\" is a unix \
         socket) and proxy_protocol: off, optional or required.",
        listeners,
    );
    let mut port = DEFAULT_PORT;
    let ported = keys.alias(
        "port",
        "gorouter's name for one listener on every address. Without effect beside listeners.",
        &mut port,
    );
    let mut proxy = false;
    keys.alias(
        "enable_proxy",
        "gorouter's name for proxy_protocol: optional on that listener.",
        &mut proxy,
    );
    if !keys.reading() {
        return;
    }
    if own && listeners.is_empty() {
        keys.fault("listeners", "no listener is left");
    } else if let Some(taken) = taken_twice(listeners) {
        keys.fault("listeners", format!("{taken} is taken by another of them"));
    } else if own && ported {
        keys.warn("port", "has no effect beside listeners");
    } else if !own {
        let proxy_protocol = if proxy {
            ProxyProtocol::Optional
        } else {
            ProxyProtocol::Off
        };
        *listeners = vec![ListenerConfig {
            proxy_protocol,
            ..ListenerConfig::on_port(port)
        }];
    }
}

/// The first address that an earlier listener has already.
fn taken_twice(listeners: &[ListenerConfig]) -> Option<&ListenAddress> {
    let overlap = |a: &ListenAddress, b: &ListenAddress| match (a.tcp(), b.tcp()) {
        (Some(a), Some(b)) => collide(a, b),
        _ => a == b,
    };
    let mut rest = listeners
        .iter()
        .map(|listener| &listener.address)
        .enumerate();
    let found = rest.find(|(index, address)| {
        listeners
            .iter()
            .take(*index)
            .any(|earlier| overlap(&earlier.address, address))
    });
    found.map(|(_, address)| address)
}

impl ClientConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Clients");
        self.trust_keys(keys);
        self.time_keys(keys);
        self.connection.keys(keys);
        self.size_keys(keys);
        keys.key(
            "healthcheck_user_agent",
            "Requests with this User-Agent are answered as health checks on every listener.",
            &mut self.healthcheck_user_agent,
        );
    }

    fn trust_keys(&mut self, keys: &mut Keys<'_>) {
        let mut networks = self.trusted_proxies.ranges().to_vec();
        keys.parsed_list(
            "trusted_proxies",
            "Networks from which X-Forwarded-*, X-Request-Start and PROXY headers are believed. \
             What others send under these names is discarded, see forwarded_from_untrusted.",
            &mut networks,
        );
        self.trusted_proxies = CidrSet::new(networks);
        keys.key(
            "prevent_x_spoofing",
            "Discard all X-* headers of all clients, trusted or not, before ours are set.",
            &mut self.prevent_x_spoofing,
        );
    }

    fn time_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "frontend_idle_timeout",
            "How long a kept-alive connection may wait for its next request. 0s: for ever.",
            &mut self.idle_timeout,
        );
        let mut head = Some(self.head_timeout);
        keys.key(
            "read_header_timeout",
            "The time for a whole request head, from its first byte, or for the first request of a \
             connection from the accept on. gorouter has none by default and 0 stands for none \
             there; here 0 stands for 10s, because a connection without it can be held for ever.",
            &mut head,
        );
        self.head_timeout = head.unwrap_or(DEFAULT_HEAD_TIMEOUT);
        keys.key(
            "client_read_stall",
            "How long a request body may stand still.",
            &mut self.read_stall,
        );
        keys.key(
            "client_write_stall",
            "How long a client may take nothing of its response.",
            &mut self.write_stall,
        );
        for (name, value) in [
            ("client_read_stall", self.read_stall),
            ("client_write_stall", self.write_stall),
        ] {
            if value.is_zero() {
                keys.fault(name, "must be more than 0s");
            }
        }
    }

    fn size_keys(&mut self, keys: &mut Keys<'_>) {
        let mut bytes = self.max_header_bytes;
        keys.alias(
            "max_header_bytes",
            "An older name of max_request_header_bytes.",
            &mut Count(&mut bytes),
        );
        keys.key(
            "max_request_header_bytes",
            "The longest request head; a longer one is answered with 431. 0 is 64KiB; 1MiB is the most.",
            &mut Count(&mut bytes),
        );
        self.max_header_bytes = match bytes.0 {
            0 => DEFAULT_HEADER_BYTES,
            _ => bytes.min(MOST_HEADER_BYTES),
        };
        keys.key(
            "max_heads_memory",
            "The memory that all heads of more than 4 KiB may take together, those of backends of more \
             than 16 KiB included, each as long as its request lasts; every worker has an equal share. \
             A request whose head finds no room is answered with 503. 0: no limit.",
            &mut self.max_heads_memory,
        );
        keys.key(
            "max_request_headers",
            "The most header fields of a request; more are answered with 431. 0 is 256; 1024 is the most.",
            &mut Count(&mut self.max_headers),
        );
        self.max_headers = match self.max_headers {
            0 => DEFAULT_HEADERS,
            headers => headers.min(MOST_HEADERS),
        };
        keys.key(
            "max_target_bytes",
            "The longest request target; a longer one is answered with 414.",
            &mut self.max_target_bytes,
        );
        if self.max_target_bytes.0 == 0 {
            keys.fault("max_target_bytes", "must be more than 0");
        }
        let mut body = self.max_body.unwrap_or_default();
        keys.key(
            "max_request_body",
            "The longest request body; a longer one is answered with 413. 0: no limit. A route's own \
             limits.max_body goes before it.",
            &mut body,
        );
        self.max_body = (body.0 > 0).then_some(body);
    }
}

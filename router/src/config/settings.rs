//! What the data path asks of the configuration, worked out once when it is read.

use std::time::Duration;

use component::size::ByteSize;
use router_core::access_log::{ExtraField, extra_header_name};
use router_core::cidr::CidrSet;
use router_core::edits::MOST_FIELDS;
use router_core::error_page::ErrorPage;
use router_core::field::names::FieldNames;
use router_core::headers::request::{ClientCert, RequestRules};
use router_core::headers::response;
use router_core::headers::via::Via;
use router_core::http1::Limits;

use crate::config::{
    BackendConfig, ClientConfig, Config, ForwardedClientCert, ForwardedFromUntrusted,
    ForwardedProto, Linger, TunnelTimes, Underscores, ViaConfig,
};

/// The settings of the data path; all workers share them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many workers there are.
    pub workers: usize,
    /// What a client may send and how fast.
    pub client: ClientSettings,
    /// How backends are treated.
    pub backend: BackendSettings,
    /// Header rules.
    pub rules: RequestRules,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: CidrSet,
    /// The `User-Agent` that asks for this router's health; empty for none.
    pub healthcheck_user_agent: String,
    /// The value of `X-Vcap-Trace` that shows where a response came from; empty for none.
    pub trace_key: String,
    /// This router's address, as shown by the trace.
    pub router_address: String,
    /// This router's zone, if endpoints in it are preferred.
    pub zone: Option<String>,
    /// A route that lost its endpoints answers 503 instead of 404.
    pub empty_pool_is_503: bool,
    /// Names (lower case) of further request headers for the access log, and how it calls them.
    pub extra_headers_to_log: Vec<(String, String)>,
    /// The access log shows this router's end of the connection to the backend.
    pub logs_local_address: bool,
    /// The page for messages of the router's own.
    pub error_page: Option<ErrorPage>,
    /// What the operator wants changed in every response.
    pub response_rules: response::ResponseRules,
}

impl Settings {
    /// What the configuration says. `error_page` is the file that it names, read.
    #[must_use]
    pub fn new(config: &Config, error_page: Option<ErrorPage>, router_address: String) -> Self {
        let workers = config.workers.count();
        let process = &config.process;
        let lower = |name: &String| name.to_ascii_lowercase();
        let shown = |name: &String| (lower(name), extra_header_name(name));
        Self {
            workers,
            client: ClientSettings::new(&config.client, workers),
            backend: BackendSettings::new(&config.backend, workers),
            rules: rules(config),
            trusted_proxies: config.client.trusted_proxies.clone(),
            healthcheck_user_agent: config.client.healthcheck_user_agent.clone(),
            trace_key: config
                .headers
                .trace_key
                .as_ref()
                .map_or_else(String::new, |key| key.reveal().to_owned()),
            router_address,
            zone: config.backend.prefer_zone.then(|| process.zone.clone()),
            empty_pool_is_503: !config.registry.empty_pool_timeout.is_zero(),
            extra_headers_to_log: config.access_log.extra_headers.iter().map(shown).collect(),
            logs_local_address: config
                .access_log
                .format
                .extra_fields
                .contains(&ExtraField::LocalAddress),
            error_page,
            response_rules: response_rules(config),
        }
    }
}

impl Settings {
    /// Returns these settings under the name that `before` has in `Via`: requests that passed by it are
    /// under way.
    #[must_use]
    pub fn named_as(mut self, before: &Self) -> Self {
        if let (Some(name), Some(via)) = (&before.rules.via, &mut self.rules.via) {
            via.clone_from(name);
        }
        self
    }

    /// Whether a request with that `User-Agent` asks for this router rather than for an app.
    #[must_use]
    pub fn is_health_check(&self, user_agent: Option<&[u8]>) -> bool {
        let wanted = self.healthcheck_user_agent.as_bytes();
        !wanted.is_empty() && user_agent == Some(wanted)
    }
}

fn rules(config: &Config) -> RequestRules {
    let headers = &config.headers;
    RequestRules {
        prevent_x_spoofing: config.client.prevent_x_spoofing,
        force_forwarded_proto_https: headers.forwarded_proto == ForwardedProto::ForceHttps,
        sanitize_forwarded_proto: headers.forwarded_proto == ForwardedProto::Sanitize,
        believe_everyone: headers.forwarded_from_untrusted == ForwardedFromUntrusted::Pass,
        client_cert: match headers.client_cert {
            ForwardedClientCert::ByPeer => ClientCert::ByPeer,
            ForwardedClientCert::AlwaysForward => ClientCert::Pass,
            ForwardedClientCert::Forward | ForwardedClientCert::SanitizeSet => ClientCert::Drop,
        },
        protected_from_connection: FieldNames::new(
            headers.hop_by_hop_filter.iter().map(String::as_str),
        ),
        keep_alive_100_continue: config.backend.keep_alive_100_continue,
        close_backend_connections: !config.backend.keep_alive,
        drop_underscores: headers.underscores == Underscores::Drop,
        via: (headers.via == ViaConfig::Backends).then(|| Via::new(&router_name())),
    }
}

/// A name that no other router has, for as long as this process lives: two that took themselves for
/// one another would refuse each other's requests.
fn router_name() -> String {
    format!("switchyard-{:016x}", fastrand::u64(..))
}

fn response_rules(config: &Config) -> response::ResponseRules {
    let headers = &config.headers;
    let removed = headers.remove_from_response.iter();
    let added = headers.add_to_response.iter();
    response::ResponseRules::new(
        removed.map(|field| field.name.as_str()),
        added.map(|field| (field.name.as_str(), field.value.as_str())),
    )
}

impl ClientSettings {
    fn new(config: &ClientConfig, workers: usize) -> Self {
        Self {
            limits: Limits {
                head_bytes: bytes(config.max_header_bytes),
                fields: config.max_headers.min(MOST_FIELDS),
                target_bytes: bytes(config.max_target_bytes),
            },
            idle: config.idle_timeout.unwrap_or(FOREVER),
            head: config.head_timeout,
            stall: config.write_stall,
            upload_stall: config.read_stall,
            max_body: config.max_body.map(|most| most.0),
            linger: config.connection.linger,
            tunnel: config.connection.tunnel,
            heads_memory: match bytes(config.max_heads_memory) {
                0 => usize::MAX,
                // Each worker has room for one of the largest.
                most => share(most, workers).max(bytes(config.max_header_bytes) * 2),
            },
        }
    }
}

fn or_forever(limit: Duration) -> Duration {
    if limit.is_zero() { FOREVER } else { limit }
}

impl BackendSettings {
    fn new(config: &BackendConfig, workers: usize) -> Self {
        Self {
            dial: or_forever(config.dial_timeout),
            dial_upgrade: or_forever(config.websocket_dial_timeout),
            request: config.endpoint_timeout,
            first_byte: config.first_byte_timeout,
            continue_after: config.continue_timeout,
            inactivity: config.inactivity_timeout,
            max_conns: config.max_conns,
            max_attempts: usize::try_from(config.max_attempts).unwrap_or(usize::MAX),
            ejection: config.ejection,
            limits: Limits {
                head_bytes: bytes(config.max_header_bytes),
                fields: config.max_headers.min(MOST_FIELDS),
                ..Limits::default()
            },
            max_idle: share(config.max_idle, workers),
            max_idle_per_endpoint: share(config.max_idle_per_endpoint, workers),
            idle: config.idle_timeout,
            // The system counts these in whole seconds.
            keepalive: config
                .probe_interval
                .map(|interval| interval.max(Duration::from_secs(1))),
        }
    }
}

/// A worker's share of a number that holds for the process, at least 1 unless that is 0.
fn share(all: usize, workers: usize) -> usize {
    all.div_ceil(workers.max(1))
}

fn bytes(size: ByteSize) -> usize {
    size.as_usize()
}

/// Far enough to never come, near enough to be added to.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Limits on clients.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// What a head may take.
    pub limits: Limits,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
    /// How long the whole head may take from its first byte.
    pub head: Duration,
    /// How long a client may take no byte of a response that waits for it.
    pub stall: Duration,
    /// How long a client may send no byte of a body that a backend waits for.
    pub upload_stall: Duration,
    /// Bytes that a request's body may have where its route does not say.
    pub max_body: Option<u64>,
    /// How long a connection that ends is drained.
    pub linger: Linger,
    /// Limits on upgraded connections.
    pub tunnel: TunnelTimes,
    /// Memory that the heads of this worker may take beyond their first 4 KiB each.
    pub heads_memory: usize,
}

/// How backends are dialled, waited for and kept.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// For connecting.
    pub dial: Duration,
    /// For connecting on behalf of a request that asks for another protocol.
    pub dial_upgrade: Duration,
    /// For the whole request, body included; `None` for no limit.
    pub request: Option<Duration>,
    /// For the head of the response.
    pub first_byte: Option<Duration>,
    /// How long a client waits for a 100 until the router says it; `None` for ever.
    pub continue_after: Option<Duration>,
    /// For the silence of a backend within a response.
    pub inactivity: Option<Duration>,
    /// Exchanges at a time for each endpoint; 0 for no limit.
    pub max_conns: u32,
    /// How often a request is tried in all.
    pub max_attempts: usize,
    /// How long a failed endpoint is left out.
    pub ejection: Duration,
    /// What the head of a response may take.
    pub limits: Limits,
    /// Idle connections of this worker.
    pub max_idle: usize,
    /// Idle connections of this worker to one endpoint.
    pub max_idle_per_endpoint: usize,
    /// How long a connection is kept idle.
    pub idle: Duration,
    /// Between probes of a silent connection; `None` for none.
    pub keepalive: Option<Duration>,
}

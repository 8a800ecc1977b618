//! What the data path asks of the configuration: its sections, and what follows from them, worked out
//! once when it is read.

use std::sync::Arc;
use std::time::Duration;

use router_core::access_log::{ExtraField, extra_header_name};
use router_core::edits::MOST_FIELDS;
use router_core::error_page::ErrorPage;
use router_core::field::names::FieldNames;
use router_core::headers::request::{ClientCert, RequestRules};
use router_core::headers::response;
use router_core::headers::via::Via;
use router_core::http1::Limits;

use crate::config::{
    BackendConfig, ClientConfig, Config, ForwardedClientCert, ForwardedFromUntrusted,
    ForwardedProto, Underscores, ViaConfig,
};

/// The settings of the data path; all workers share them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The section on clients.
    pub client: Arc<ClientConfig>,
    /// The section on backends.
    pub backend: Arc<BackendConfig>,
    /// How many workers there are.
    pub workers: usize,
    /// What heads may take.
    pub heads: Heads,
    /// How long a client's connection may be idle between requests.
    pub client_idle: Duration,
    /// The time for connecting to a backend.
    pub dial: Duration,
    /// The same on behalf of a request that asks for another protocol.
    pub dial_upgrade: Duration,
    /// Between the kernel's probes of a silent backend; `None` for none.
    pub backend_probes: Option<Duration>,
    /// What a worker keeps of idle connections to backends.
    pub idle_backends: IdleLimits,
    /// Header rules.
    pub rules: RequestRules,
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
        let (client, backend) = (&config.client, &config.backend);
        Self {
            workers,
            heads: Heads::new(client, backend, workers),
            client_idle: client.idle_timeout.unwrap_or(FOREVER),
            dial: or_forever(backend.dial_timeout),
            dial_upgrade: or_forever(backend.websocket_dial_timeout),
            // The system counts these in whole seconds.
            backend_probes: backend
                .probe_interval
                .map(|interval| interval.max(Duration::from_secs(1))),
            idle_backends: IdleLimits {
                all: share(backend.max_idle, workers),
                per_endpoint: share(backend.max_idle_per_endpoint, workers),
                time: backend.idle_timeout,
            },
            rules: rules(config),
            client: Arc::new(client.clone()),
            backend: Arc::new(backend.clone()),
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
        let wanted = self.client.healthcheck_user_agent.as_bytes();
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

impl Heads {
    fn new(client: &ClientConfig, backend: &BackendConfig, workers: usize) -> Self {
        Self {
            requests: Limits {
                head_bytes: client.max_header_bytes.as_usize(),
                fields: client.max_headers.min(MOST_FIELDS),
                target_bytes: client.max_target_bytes.as_usize(),
            },
            responses: Limits {
                head_bytes: backend.max_header_bytes.as_usize(),
                fields: backend.max_headers.min(MOST_FIELDS),
                ..Limits::default()
            },
            memory: match client.max_heads_memory.as_usize() {
                0 => usize::MAX,
                // Each worker has room for one of the largest.
                most => share(most, workers).max(client.max_header_bytes.as_usize() * 2),
            },
        }
    }
}

fn or_forever(limit: Duration) -> Duration {
    if limit.is_zero() { FOREVER } else { limit }
}

/// A worker's share of a number that holds for the process, at least 1 unless that is 0.
fn share(all: usize, workers: usize) -> usize {
    all.div_ceil(workers.max(1))
}

/// Far enough to never come, near enough to be added to.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What heads may take.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// The head of a request.
    pub requests: Limits,
    /// The head of a response.
    pub responses: Limits,
    /// Memory that the heads of this worker may take beyond their first 4 KiB each.
    pub memory: usize,
}

/// What a worker keeps of idle connections to backends.
#[derive(Clone, Copy, Debug)]
pub struct IdleLimits {
    /// How many.
    pub all: usize,
    /// How many to one endpoint.
    pub per_endpoint: usize,
    /// For how long.
    pub time: Duration,
}

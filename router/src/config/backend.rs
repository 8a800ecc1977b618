//! The backends' side: connections, times, limits, balancing.

use std::time::Duration;

use component::size::ByteSize;
use component::yaml::{Count, Keys};
use router_core::balance::Balance;

/// How requests reach backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendConfig {
    /// How the next endpoint of a pool is chosen.
    pub balance: Balance,
    /// Whether first attempts stay in the router's own zone while it has usable endpoints.
    pub prefer_zone: bool,
    /// Time to connect, per attempt.
    pub dial_timeout: Duration,
    /// The same for upgrade requests.
    pub websocket_dial_timeout: Duration,
    /// The whole exchange, bodies included, upgraded connections excepted; `None`: no limit.
    pub endpoint_timeout: Option<Duration>,
    /// From the end of the request to the first byte of the response; `None`: no limit of its own.
    pub first_byte_timeout: Option<Duration>,
    /// How long a client that expects a 100 waits for the backend's before it gets the router's;
    /// `None`: for ever.
    pub continue_timeout: Option<Duration>,
    /// The longest silence of either side within a response; `None`: no limit of its own.
    pub inactivity_timeout: Option<Duration>,
    /// Whether connections are kept for later requests.
    pub keep_alive: bool,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Most unused connections in the process.
    pub max_idle: usize,
    /// Most unused connections to one endpoint in the process.
    pub max_idle_per_endpoint: usize,
    /// Interval of TCP keep-alive probes; `None`: none are sent.
    pub probe_interval: Option<Duration>,
    /// Most exchanges under way per endpoint; 0: no limit.
    pub max_conns: u32,
    /// Most attempts per request, at least 1.
    pub max_attempts: u32,
    /// How long a failed endpoint is passed over.
    pub ejection: Duration,
    /// Longest response head in bytes.
    pub max_header_bytes: ByteSize,
    /// Most header fields of a response.
    pub max_headers: usize,
    /// Whether a backend's connection is kept after a request with `Expect: 100-continue`.
    pub keep_alive_100_continue: bool,
    /// How often the names of backends are resolved anew.
    pub resolve_interval: Duration,
}

const DEFAULT_HEADER_BYTES: ByteSize = ByteSize::kib(64);
const MOST_HEADER_BYTES: ByteSize = ByteSize::mib(1);
const DEFAULT_HEADERS: usize = 256;
const MOST_HEADERS: usize = 1024;

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            balance: Balance::RoundRobin,
            prefer_zone: false,
            dial_timeout: Duration::from_secs(5),
            websocket_dial_timeout: Duration::from_secs(5),
            endpoint_timeout: Some(Duration::from_secs(60)),
            first_byte_timeout: None,
            continue_timeout: Some(Duration::from_secs(1)),
            inactivity_timeout: None,
            keep_alive: true,
            idle_timeout: Duration::from_secs(55),
            max_idle: 8192,
            max_idle_per_endpoint: 1024,
            probe_interval: Some(Duration::from_secs(1)),
            max_conns: 0,
            max_attempts: 3,
            ejection: Duration::from_secs(30),
            max_header_bytes: DEFAULT_HEADER_BYTES,
            max_headers: DEFAULT_HEADERS,
            keep_alive_100_continue: false,
            resolve_interval: Duration::from_secs(30),
        }
    }
}

impl BackendConfig {
    /// The keys; an endpoint's `threshold` is what gorouter derives its ejection from.
    pub(super) fn keys(&mut self, threshold: Duration, keys: &mut Keys<'_>) {
        keys.title("Backends");
        self.balance_keys(keys);
        self.ejection_key(threshold, keys);
        self.time_keys(keys);
        self.connection_keys(keys);
        self.size_keys(keys);
    }

    fn balance_keys(&mut self, keys: &mut Keys<'_>) {
        let words = [
            ("round-robin", Balance::RoundRobin),
            ("least-connection", Balance::LeastConnection),
        ];
        keys.choice(
            "balancing_algorithm",
            "How the next endpoint of a route is chosen: round-robin or least-connection. A \
             registration may say otherwise for its route.",
            &mut self.balance,
            &words,
        );
        keys.choice(
            "balancing_algorithm_az_preference",
            "none, or locally-optimistic: first attempts stay in this router's zone while it has \
             usable endpoints.",
            &mut self.prefer_zone,
            &[("none", false), ("locally-optimistic", true)],
        );
        keys.section("backends", "Limits per endpoint and request.", |keys| {
            keys.key(
                "max_conns",
                "The most requests under way per endpoint, counted to the end of their bodies. 0 or \
                 less: no limit.",
                &mut Count(&mut self.max_conns),
            );
            keys.key(
                "max_attempts",
                "The most attempts per request; 0 is 1. gorouter makes 1 by default, its deployments \
                 3. A request that may have reached a backend is sent again only if that is safe.",
                &mut Count(&mut self.max_attempts),
            );
        });
        self.max_attempts = self.max_attempts.max(1);
    }

    fn time_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "endpoint_timeout",
            "The time for a whole exchange, bodies included. Exempt is a request with Upgrade and \
             without a body, once it is connected, and a route with a first_byte timeout. 0s: no \
             limit.",
            &mut self.endpoint_timeout,
        );
        keys.alias(
            "http_1_endpoint_timeout",
            "A newer name, which goes before endpoint_timeout.",
            &mut self.endpoint_timeout,
        );
        keys.key(
            "first_byte_timeout",
            "The time from the end of a request to the first byte of its response. 0s: no limit of \
             its own.",
            &mut self.first_byte_timeout,
        );
        keys.key(
            "continue_timeout",
            "How long a request with Expect: 100-continue waits for the backend's 100 before the \
             router says it in its place. 0s: for ever.",
            &mut self.continue_timeout,
        );
        keys.key(
            "backend_inactivity_timeout",
            "The longest silence while a response is under way. 0s: no limit of its own.",
            &mut self.inactivity_timeout,
        );
        keys.key(
            "endpoint_dial_timeout",
            "The time for one attempt to connect. 0s: as long as the system tries.",
            &mut self.dial_timeout,
        );
        let websocket = keys.key(
            "websocket_dial_timeout",
            "The same for upgrade requests. By default as endpoint_dial_timeout.",
            &mut self.websocket_dial_timeout,
        );
        if keys.reading() && !websocket {
            self.websocket_dial_timeout = self.dial_timeout;
        }
        keys.key(
            "endpoint_keep_alive_probe_interval",
            "The interval of TCP keep-alive probes to backends. 0s: none.",
            &mut self.probe_interval,
        );
        keys.key(
            "backend_resolve_interval",
            "How often backends that are named by host are resolved anew. The last answer serves \
             while that fails.",
            &mut self.resolve_interval,
        );
        if self.resolve_interval.is_zero() {
            keys.fault("backend_resolve_interval", "must be more than 0s");
        }
    }

    fn connection_keys(&mut self, keys: &mut Keys<'_>) {
        let mut disabled = !self.keep_alive;
        keys.key(
            "disable_keep_alives",
            "Close the connection to a backend after each request. gorouter does by default, its \
             deployments do not.",
            &mut disabled,
        );
        self.keep_alive = !disabled;
        keys.key(
            "backend_idle_timeout",
            "How long an unused connection to a backend is kept: less than the 60s after which many \
             servers close theirs. gorouter keeps them for 90s.",
            &mut self.idle_timeout,
        );
        keys.key(
            "max_idle_conns",
            "The most unused connections in the process (gorouter: 100). 0 or less: none; to gorouter 0 \
             is no limit.",
            &mut Count(&mut self.max_idle),
        );
        keys.key(
            "max_idle_conns_per_host",
            "The most unused connections to one endpoint in the process (gorouter: 2). 0 or less: none.",
            &mut Count(&mut self.max_idle_per_endpoint),
        );
        keys.key(
            "keep_alive_100_continue_requests",
            "Keep the connection to the backend after a request with Expect: 100-continue.",
            &mut self.keep_alive_100_continue,
        );
    }

    fn size_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "max_response_header_bytes",
            "The longest response head; a longer one is a failed backend (502). 0 is 64KiB; 1MiB is \
             the most.",
            &mut Count(&mut self.max_header_bytes),
        );
        self.max_header_bytes = match self.max_header_bytes.0 {
            0 => DEFAULT_HEADER_BYTES,
            _ => self.max_header_bytes.min(MOST_HEADER_BYTES),
        };
        keys.key(
            "max_response_headers",
            "The most header fields of a response. 0 is 256; 1024 is the most.",
            &mut Count(&mut self.max_headers),
        );
        self.max_headers = match self.max_headers {
            0 => DEFAULT_HEADERS,
            headers => headers.min(MOST_HEADERS),
        };
    }

    fn ejection_key(&mut self, threshold: Duration, keys: &mut Keys<'_>) {
        let own = keys.key(
            "backend_ejection",
            "How long a failed endpoint is passed over. By default a quarter of \
             droplet_stale_threshold.",
            &mut self.ejection,
        );
        if keys.reading() && !own {
            self.ejection = threshold / 4;
        }
    }
}

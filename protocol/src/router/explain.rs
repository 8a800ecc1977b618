//! The answer of `GET /routes/explain`: why a request goes where it goes.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Explain {
    /// Generation of the route table that was asked.
    pub generation: u64,
    /// The host that was looked up: lower case, without a port.
    pub host: String,
    /// The path that was looked up, without a query.
    pub path: String,
    /// Every key that was tried before the one that matched, in order.
    pub tried: Vec<Attempted>,
    /// The route that matched.
    pub matched: Option<MatchedRoute>,
    /// What the balancer would do next.
    pub chosen: Chosen,
}

/// A key that did not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The route key.
    pub key: String,
    /// Why it was passed over.
    pub why: String,
}

/// The route that matched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MatchedRoute {
    /// The route key.
    pub key: String,
    /// How its endpoints are chosen.
    pub balance: String,
    /// The service that requests pass through first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_service_url: Option<String>,
    /// All endpoints, in the order of the pool.
    pub endpoints: Vec<EndpointReport>,
}

/// One endpoint as it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// `host:port`.
    pub address: String,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// `bus`, `static`, `routes_file` or `snapshot`.
    pub origin: String,
    /// False while it is known from a snapshot alone.
    pub confirmed: bool,
    /// Id of the app; empty when not said.
    pub app: String,
    /// Number of the running copy; empty when not said.
    pub instance_index: String,
    /// Where it runs; empty when not said.
    pub availability_zone: String,
    /// Seconds since the claim was last renewed.
    pub age_seconds: f64,
    /// Seconds until the claim lapses; absent when it never does by age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_left_seconds: Option<f64>,
    /// Exchanges under way.
    pub in_flight: u32,
    /// Exchanges begun so far.
    pub requests: u64,
    /// Failures so far.
    pub failures: u32,
    /// Seconds for which it is still passed over after a failure; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected_for_seconds: Option<f64>,
    /// Its share among the endpoints of the route.
    pub weight: u16,
    /// Whether a request could be sent there now, and if not, why not.
    pub eligible: String,
}

/// What the balancer would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Address of the endpoint it would take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The reason, in words.
    pub why: String,
}

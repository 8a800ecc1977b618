//! One endpoint in the answer of `GET /routes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One endpoint of one route. The whole answer is an object from route key to a list of these.
///
/// Names, order and omissions are those that existing tools match.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteEntry {
    /// `host:port`.
    pub address: String,
    /// Where the backend runs; empty when not said.
    pub availability_zone: String,
    /// `http1`, `http2`, or what was registered.
    pub protocol: String,
    /// Whether the backend is spoken to over TLS.
    pub tls: bool,
    /// Seconds that the claim holds without renewal, for TLS endpoints too.
    pub ttl: u64,
    /// The service that requests pass through first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub route_service_url: String,
    /// All tags of the registration, by name.
    pub tags: BTreeMap<String, String>,
    /// Which routers serve this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub isolation_segment: String,
    /// Id of the running copy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub private_instance_id: String,
    /// The name that the backend's certificate must carry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_cert_domain_san: String,
    /// `round-robin`, `least-connection` or `hash`, when the registration says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub load_balancing_algorithm: String,
    /// The request header whose value is hashed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hash_header: String,
    /// How far above the average load an endpoint may go.
    #[serde(skip_serializing_if = "is_zero")]
    pub hash_balance: f64,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

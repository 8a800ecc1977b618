//! One endpoint in the answer of `GET /routes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One endpoint of one route. The whole answer is an object from route key to a list of these.
///
/// Names, order and omissions are those that existing tools match. What only this router knows comes
/// last, and is left out where it is as those tools take for granted.
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
    /// Seconds that the claim holds without renewal, for TLS endpoints too; 0 for what the operator
    /// wrote down, which never lapses.
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
    /// `static`, `routes_file` or `snapshot`; empty for what the bus said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Its share among the endpoints of the route; 1 when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
}

impl RouteEntry {
    /// Whether the claim lapses by age when nobody renews it.
    pub fn lapses(&self) -> bool {
        !self.tls && !matches!(self.origin.as_str(), "static" | "routes_file")
    }
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

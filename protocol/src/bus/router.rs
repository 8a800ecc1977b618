//! What is said between the router and everything that wants to be reached through it.
//!
//! Field names and meanings are those of the public Cloud Foundry messages, so that any registrar
//! or emitter that speaks them works with us.

mod decode;
mod glimpse;
mod tags;

use serde::{Deserialize, Serialize};

use super::subject::{DecodeError, Message, Subject, json_message};
pub use glimpse::Glimpse;
pub use tags::Tags;

/// A route is claimed, or a claim renewed.
pub static ROUTER_REGISTER: Subject<Register> = Subject::new("router.register");
/// A claim is given up.
pub static ROUTER_UNREGISTER: Subject<Register> = Subject::new("router.unregister");
/// A registrar asks which routers there are; each answers with [`Start`].
pub static ROUTER_GREET: Subject<Greet> = Subject::new("router.greet");
/// A router has started or has come back: registrars send all of their routes again.
pub static ROUTER_START: Subject<Start> = Subject::new("router.start");
/// The one subscription that carries registrations and their withdrawals in the order sent.
pub const ROUTER_PATTERN: &str = "router.*";

/// A claim: "requests for these URIs can be answered at this address".
///
/// The same message serves to register and to unregister; the latter needs no more than `uris`,
/// `host` and a port. A text that was not sent is empty, a number that was not sent is 0.
///
/// It is read as Go's decoder would read it: keys in any case, of several the last one, and `null`
/// for what is not said.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Register {
    /// Host names, each with an optional leading `*.` label and an optional path.
    pub uris: Vec<String>,
    /// Address of the backend, a name or an IP address.
    pub host: String,
    /// Plaintext port.
    #[serde(skip_serializing_if = "is_default")]
    pub port: u16,
    /// TLS port; when not 0 it replaces `port`, and the backend is spoken to over TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_port: u16,
    /// `http1` (also when empty) or `http2`.
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: String,
    /// Id of the app.
    #[serde(skip_serializing_if = "is_default")]
    pub app: String,
    /// Id of this running copy of the app.
    #[serde(skip_serializing_if = "is_default")]
    pub private_instance_id: String,
    /// Number of this running copy among its peers.
    #[serde(skip_serializing_if = "is_default")]
    pub private_instance_index: String,
    /// The name that the backend's certificate must carry.
    #[serde(skip_serializing_if = "is_default")]
    pub server_cert_domain_san: String,
    /// Labels for metrics and for selecting an instance.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Which routers shall serve this; empty means those that serve the shared routes.
    #[serde(skip_serializing_if = "is_default")]
    pub isolation_segment: String,
    /// A service that requests pass through first; `https` only.
    #[serde(skip_serializing_if = "is_default")]
    pub route_service_url: String,
    /// How long the claim holds without renewal, in seconds; 0 is the router's default, which is
    /// also the most that is granted.
    #[serde(skip_serializing_if = "is_default")]
    pub stale_threshold_in_seconds: i64,
    /// When the sender came to know of the endpoint, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint_updated_at_ns: i64,
    /// Where the backend runs.
    #[serde(skip_serializing_if = "is_default")]
    pub availability_zone: String,
    /// Wishes that hold for the route as a whole; the last registration decides.
    #[serde(skip_serializing_if = "is_default")]
    pub options: RouteOptions,
}

json_message!(Register);

/// Wishes of a registration that hold for the whole route.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RouteOptions {
    /// `round-robin`, `least-connection` or `hash`; empty means the router's default.
    #[serde(skip_serializing_if = "is_default")]
    pub loadbalancing: String,
    /// The request header whose value is hashed.
    #[serde(skip_serializing_if = "is_default")]
    pub hash_header: String,
    /// How far above the average load an endpoint may go; 0 is no bound.
    #[serde(skip_serializing_if = "is_default")]
    pub hash_balance: f64,
    /// `any`, `org` or `space`.
    #[serde(skip_serializing_if = "is_default")]
    pub route_policy_scope: String,
    /// Comma-separated `cf:app:<guid>`, `cf:space:<guid>`, `cf:org:<guid>`, `cf:any`.
    #[serde(skip_serializing_if = "is_default")]
    pub route_policy_sources: String,
}

/// A router introduces itself: on [`ROUTER_START`], and in answer to [`ROUTER_GREET`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// `<index>-<uuid>`, new with every start.
    pub id: String,
    /// Addresses of the router.
    pub hosts: Vec<String>,
    /// How often registrars shall renew their claims, in seconds.
    #[serde(rename = "minimumRegisterIntervalInSeconds")]
    pub minimum_register_interval_in_seconds: u64,
    /// After how many seconds without renewal a claim lapses.
    #[serde(rename = "pruneThresholdInSeconds")]
    pub prune_threshold_in_seconds: u64,
}

json_message!(derived Start);

/// "Which routers are there?" Nothing is said beyond the question; any body will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Greet;

impl Message for Greet {
    fn decode(_payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn encode(&self) -> Vec<u8> {
        b"{}".to_vec()
    }
}

/// One message from the subscription to [`ROUTER_PATTERN`].
#[derive(Debug, Clone, PartialEq)]
pub enum RouterEvent {
    /// From [`ROUTER_REGISTER`].
    Register(Register),
    /// From [`ROUTER_UNREGISTER`].
    Unregister(Register),
    /// Anything else under `router.`, the router's own announcements included: not for us.
    Other,
}

impl RouterEvent {
    /// Reads what was published on `subject`.
    ///
    /// # Errors
    /// When a registration or withdrawal is malformed.
    pub fn decode(subject: &str, payload: &[u8]) -> Result<Self, DecodeError> {
        if subject == ROUTER_REGISTER.name() {
            Register::decode(payload).map(Self::Register)
        } else if subject == ROUTER_UNREGISTER.name() {
            Register::decode(payload).map(Self::Unregister)
        } else {
            Ok(Self::Other)
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

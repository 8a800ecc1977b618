//! The answer of `GET /varz`: the state of one router in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole answer. The first part has the names that existing collectors read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Varz {
    /// `Router`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which router of its kind this is.
    pub index: u32,
    /// Where this answer comes from, `address:port`.
    pub host: String,
    /// Always empty; collectors expect the name.
    pub credentials: Vec<String>,
    /// When the router started, in RFC 3339.
    pub start: String,
    /// The id that the router announces itself with.
    pub uuid: String,
    /// `1d:2h:3m:4s` since the start.
    pub uptime: String,
    /// Processors of the machine.
    pub num_cores: usize,
    /// Resident memory in KiB.
    pub mem: u64,
    /// Processor time used since the start, in percent of one processor.
    pub cpu: f64,
    /// Requests given to backends.
    pub requests: u64,
    /// Requests refused before a backend was chosen.
    pub bad_requests: u64,
    /// 502 answers made by the router.
    pub bad_gateways: u64,
    /// Routes in the table.
    pub urls: u64,
    /// Apps in the table.
    pub droplets: u64,
    /// Requests a second over about the last minute.
    pub requests_per_sec: f64,
    /// The apps with the most requests since the previous look.
    pub top10_app_requests: Vec<AppRequests>,
    /// Since the table last changed or was confirmed.
    pub ms_since_last_registry_update: u64,
    /// Requests a second over about 1, 5 and 15 minutes.
    pub rate: [f64; 3],
    /// Of responses by backends, in seconds.
    pub latency: Latency,
    /// Responses by group of status.
    #[serde(flatten)]
    pub responses: Responses,
    /// The same by what the registrations' tags say.
    pub tags: VarzTags,
    /// What only this router knows about itself.
    pub switchyard: Vitals,
}

/// One app's share of the traffic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppRequests {
    /// The app's id.
    pub application_id: String,
    /// Requests a second.
    pub rps: f64,
    /// Requests a minute at that rate.
    pub rpm: f64,
}

/// Quantiles in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// The median.
    #[serde(rename = "50")]
    pub p50: f64,
    /// Three of four were at most this.
    #[serde(rename = "75")]
    pub p75: f64,
    /// Nine of ten.
    #[serde(rename = "90")]
    pub p90: f64,
    /// 95 of a hundred.
    #[serde(rename = "95")]
    pub p95: f64,
    /// 99 of a hundred.
    #[serde(rename = "99")]
    pub p99: f64,
    /// The sum of all.
    pub value: f64,
    /// How many there were.
    pub samples: u64,
}

/// Responses by group of status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Responses {
    /// 200 to 299.
    pub responses_2xx: u64,
    /// 300 to 399.
    pub responses_3xx: u64,
    /// 400 to 499.
    pub responses_4xx: u64,
    /// 500 to 599.
    pub responses_5xx: u64,
    /// The rest.
    pub responses_xxx: u64,
}

/// Traffic by tag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VarzTags {
    /// By the tag `component`.
    pub component: BTreeMap<String, ComponentVarz>,
}

/// The traffic of one component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComponentVarz {
    /// Requests given to its endpoints.
    pub requests: u64,
    /// Requests a second over about 1, 5 and 15 minutes.
    pub rate: [f64; 3],
    /// Of its responses, in seconds.
    pub latency: Latency,
    /// Its responses by group of status.
    #[serde(flatten)]
    pub responses: Responses,
}

/// Numbers beyond those that existing collectors read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// `initializing`, `healthy` or `degraded`, and why.
    pub health: String,
    /// Since the start, in milliseconds.
    pub uptime_ms: u64,
    /// Processor time used, in milliseconds.
    pub cpu_ms: u64,
    /// Open client connections of each worker.
    pub connections: Vec<u64>,
    /// Client connections accepted.
    pub connections_opened: u64,
    /// Open file descriptors.
    pub file_descriptors: u64,
    /// Bytes of heads and bodies read from clients.
    pub bytes_in: u64,
    /// Bytes of heads and bodies written to clients.
    pub bytes_out: u64,
    /// Attempts after the first of their request.
    pub retries: u64,
    /// Endpoints taken out of the balance after a failure.
    pub ejections: u64,
    /// Connections made to backends.
    pub upstream_connects: u64,
    /// Requests sent on a connection that had carried one before.
    pub upstream_reuses: u64,
    /// Kept connections that were found dead.
    pub upstream_stale: u64,
    /// Panics inside a connection.
    pub panics: u64,
    /// Access-log lines written.
    pub access_log_written: u64,
    /// Access-log lines dropped.
    pub access_log_dropped: u64,
    /// Failures of threads that the router needs.
    #[serde(default)]
    pub thread_failures: u64,
    /// `none`, `connected` or `disconnected`.
    pub bus: String,
    /// Times that the bus was lost.
    pub bus_losses: u64,
    /// Bus messages dropped before they were read.
    pub bus_dropped_messages: u64,
    /// Bus messages that were refused.
    pub invalid_messages: u64,
    /// The table's generation.
    pub table_generation: u64,
    /// Endpoints in the table.
    pub table_endpoints: u64,
    /// Endpoints removed because nobody renewed them.
    pub routes_pruned: u64,
    /// Since the snapshot on disk was written, in seconds; absent when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_age_seconds: Option<u64>,
    /// Of whole exchanges' part that was not spent waiting for the backend or the client, in seconds.
    pub gorouter_time: Latency,
}

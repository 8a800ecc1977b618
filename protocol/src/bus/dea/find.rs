//! Who asks for instances, and what each of them answers.

use serde::{Deserialize, Serialize};

use super::InstanceState;
use crate::bus::subject::json_message;

/// Which instances are asked for. What is absent selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindInstances {
    /// The process.
    pub droplet: String,
    /// Those of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Those in one of these states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub states: Option<Vec<InstanceState>>,
    /// Those with these indices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<Vec<u32>>,
    /// Those with these ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<String>>,
    /// Whether the answer shall have `stats`.
    pub include_stats: bool,
}

/// One instance that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundInstance {
    /// The DEA that runs it.
    pub dea: String,
    /// The process.
    pub droplet: String,
    /// Its version.
    pub version: String,
    /// Its id.
    pub instance: String,
    /// Which instance of the process.
    pub index: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// Since when, in seconds since 1970.
    pub state_timestamp: f64,
    /// What it uses; of a running one, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<InstanceStats>,
}

/// What a running instance uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceStats {
    /// The name of the app.
    pub name: String,
    /// Where it is reached.
    pub uris: Vec<String>,
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Seconds since it runs.
    pub uptime: u64,
    /// Bytes of memory that it may use.
    pub mem_quota: u64,
    /// Bytes of disk that it may use.
    pub disk_quota: u64,
    /// Open files that it may have.
    pub fds_quota: u64,
    /// What it uses of them.
    pub usage: Usage,
}

/// What an instance uses at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The moment: `2026-11-02T08:27:51Z`.
    pub time: String,
    /// Cores.
    pub cpu: f64,
    /// Bytes of memory.
    pub mem: u64,
    /// Bytes of disk.
    pub disk: u64,
}

json_message!(derived FindInstances);
json_message!(derived FoundInstance);

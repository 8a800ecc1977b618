//! The resources of the API, with the fields that the CLI decodes. A field without a default breaks the
//! CLI when it is absent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::decode::timestamp;

/// A list.
#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    /// Absent in lists that have one page.
    pub pagination: Option<Pagination>,
    /// What is on this page.
    pub resources: Vec<T>,
    /// What goes with them.
    #[serde(default)]
    pub included: BTreeMap<String, Vec<Value>>,
}

/// Where the other pages are.
#[derive(Clone, Debug, Deserialize)]
pub struct Pagination {
    /// The next page.
    pub next: Option<Link>,
    /// How many resources there are on all pages.
    pub total_results: u64,
}

/// Where something is.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    /// An absolute URL.
    pub href: String,
}

/// A relation to one resource, or to none.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ToOne {
    /// The other one.
    pub data: Option<Guid>,
}

/// A resource by its id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Guid {
    /// The id.
    pub guid: String,
}

/// An organization, or anything else of which only the name matters.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    /// The id.
    pub guid: String,
    /// The name.
    pub name: String,
}

/// An app.
#[derive(Clone, Debug, Deserialize)]
pub struct App {
    /// The id.
    pub guid: String,
    /// The name.
    pub name: String,
    /// `STARTED` or `STOPPED`: what is wanted.
    pub state: String,
    /// How it is made.
    pub lifecycle: Lifecycle,
    /// Where it belongs.
    pub relationships: BTreeMap<String, ToOne>,
}

/// How an app is made.
#[derive(Clone, Debug, Deserialize)]
pub struct Lifecycle {
    /// `buildpack` or `docker`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What that needs.
    pub data: LifecycleData,
}

/// What a lifecycle needs.
#[derive(Clone, Debug, Deserialize)]
pub struct LifecycleData {
    /// The buildpacks that were asked for.
    #[serde(default)]
    pub buildpacks: Vec<String>,
    /// The stack.
    #[serde(default)]
    pub stack: String,
}

/// A process of an app.
#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    /// The id.
    pub guid: String,
    /// `web`, `worker`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How it is started.
    pub command: Option<String>,
    /// How many are wanted.
    pub instances: u32,
    /// Memory of each.
    pub memory_in_mb: u64,
    /// Disk of each.
    pub disk_in_mb: u64,
    /// Output of each; -1: unlimited.
    pub log_rate_limit_in_bytes_per_second: i64,
    /// When it counts as well.
    pub health_check: HealthCheck,
    /// The app.
    pub relationships: BTreeMap<String, ToOne>,
}

/// When a process counts as well.
#[derive(Clone, Debug, Deserialize)]
pub struct HealthCheck {
    /// `port`, `process` or `http`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path and the times.
    #[serde(default)]
    pub data: Value,
}

/// One instance, as `stats` tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Stats {
    /// The type of the process.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which instance.
    pub index: u32,
    /// `STARTING`, `RUNNING`, `CRASHED` or `DOWN`.
    pub state: String,
    /// Seconds since it runs.
    #[serde(default)]
    pub uptime: u64,
    /// Bytes of memory that it may use.
    #[serde(default)]
    pub mem_quota: u64,
    /// Bytes of disk that it may use.
    #[serde(default)]
    pub disk_quota: u64,
    /// Why it is down.
    pub details: Option<String>,
    /// What it uses.
    #[serde(default)]
    pub usage: StatsUsage,
}

/// What an instance uses.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct StatsUsage {
    /// Cores.
    #[serde(default)]
    pub cpu: f64,
    /// Bytes of memory.
    #[serde(default)]
    pub mem: u64,
    /// Bytes of disk.
    #[serde(default)]
    pub disk: u64,
}

/// A package.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// The id.
    pub guid: String,
    /// `AWAITING_UPLOAD` to `READY`.
    pub state: String,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: String,
}

/// A build.
#[derive(Clone, Debug, Deserialize)]
pub struct Build {
    /// The id.
    pub guid: String,
    /// `STAGING`, `STAGED` or `FAILED`.
    pub state: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What it made.
    pub droplet: Option<Guid>,
    /// What it is made of.
    pub package: Guid,
}

/// A droplet.
#[derive(Clone, Debug, Deserialize)]
pub struct Droplet {
    /// The id.
    pub guid: String,
    /// `STAGED`.
    pub state: String,
    /// When it was made.
    #[serde(deserialize_with = "timestamp")]
    pub created_at: String,
    /// The stack.
    pub stack: Option<String>,
    /// What made it.
    pub buildpacks: Option<Vec<DropletBuildpack>>,
    /// The start command of each type of process.
    #[serde(default)]
    pub process_types: BTreeMap<String, String>,
}

/// A buildpack that made a droplet.
#[derive(Clone, Debug, Deserialize)]
pub struct DropletBuildpack {
    /// Its name.
    pub name: String,
    /// What it found.
    pub detect_output: Option<String>,
}

/// A route.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    /// The id.
    pub guid: String,
    /// `http` or `tcp`.
    pub protocol: String,
    /// The host; empty: the domain itself.
    pub host: String,
    /// The path; empty: all.
    pub path: String,
    /// The port of a TCP route.
    pub port: Option<u16>,
    /// Without a scheme.
    pub url: String,
    /// Who serves it.
    pub destinations: Vec<Destination>,
    /// Wishes, none of them null.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Its space and its domain.
    pub relationships: BTreeMap<String, ToOne>,
}

/// Who serves a route.
#[derive(Clone, Debug, Deserialize)]
pub struct Destination {
    /// The id.
    pub guid: String,
    /// The app.
    pub app: DestinationApp,
}

/// The app that serves a route.
#[derive(Clone, Debug, Deserialize)]
pub struct DestinationApp {
    /// Its id.
    pub guid: String,
    /// Its process.
    pub process: DestinationProcess,
}

/// The process that serves a route.
#[derive(Clone, Debug, Deserialize)]
pub struct DestinationProcess {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A domain.
#[derive(Clone, Debug, Deserialize)]
pub struct Domain {
    /// The id.
    pub guid: String,
    /// The name.
    pub name: String,
    /// Whether only apps reach it.
    pub internal: bool,
    /// `http` or `tcp`.
    pub supported_protocols: Vec<String>,
    /// Whose it is; nobody's: shared.
    pub relationships: DomainRelations,
}

/// Whose a domain is.
#[derive(Clone, Debug, Deserialize)]
pub struct DomainRelations {
    /// The organization.
    pub organization: ToOne,
}

/// A job.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// `PROCESSING`, `POLLING`, `COMPLETE` or `FAILED`.
    pub state: String,
    /// Why it failed; not empty then.
    #[serde(default)]
    pub errors: Vec<crate::fault::ApiError>,
}

/// The environment of an app.
#[derive(Clone, Debug, Deserialize)]
pub struct AppEnv {
    /// What the developer set.
    pub environment_variables: BTreeMap<String, String>,
    /// What the platform sets for staging.
    pub staging_env_json: BTreeMap<String, Value>,
    /// What the platform sets for running.
    pub running_env_json: BTreeMap<String, Value>,
    /// `VCAP_SERVICES`.
    pub system_env_json: BTreeMap<String, Value>,
    /// `VCAP_APPLICATION`.
    pub application_env_json: BTreeMap<String, Value>,
}

/// What Log Cache answers; an unknown key anywhere fails the CLI.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogCacheRead {
    /// The envelopes.
    pub envelopes: LogCacheBatch,
}

/// A batch of envelopes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogCacheBatch {
    /// The envelopes.
    pub batch: Vec<LogEnvelope>,
}

/// One envelope.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogEnvelope {
    /// Nanoseconds since 1970, as text.
    pub timestamp: String,
    /// The app.
    pub source_id: String,
    /// Which instance.
    pub instance_id: String,
    /// `source_type` and others.
    pub tags: BTreeMap<String, String>,
    /// The line.
    pub log: Option<LogPayload>,
}

/// One line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogPayload {
    /// The line in base64.
    pub payload: String,
    /// `OUT` or `ERR`.
    #[serde(rename = "type")]
    pub kind: String,
}

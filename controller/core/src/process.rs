//! What a process of an app is, and how it may be changed.

use protocol::bus::dea::HealthCheck;
use serde::{Deserialize, Deserializer};

use crate::fault::Fault;

/// The process that serves an app's routes.
pub const WEB: &str = "web";
/// Seconds that an app may take at most to become healthy.
pub const LONGEST_START: u64 = 180;

/// What processes may have at most, and what they have if nobody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// MiB of memory that one instance may have.
    pub most_memory_mib: u64,
    /// MiB of disk that one instance may have.
    pub most_disk_mib: u64,
    /// Instances that a process may have.
    pub most_instances: u32,
    /// MiB of memory of a new process.
    pub memory_mib: u64,
    /// MiB of disk of a new process.
    pub disk_mib: u64,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            most_memory_mib: 65_536,
            most_disk_mib: 2_048,
            most_instances: 1_000,
            memory_mib: 1_024,
            disk_mib: 1_024,
        }
    }
}

/// What shall change of a process. None leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessChange {
    /// How many instances it has.
    pub instances: Option<u32>,
    /// MiB of memory of one instance.
    pub memory_mib: Option<u64>,
    /// MiB of disk of one instance.
    pub disk_mib: Option<u64>,
    /// How it is started; `Some(None)`: as its droplet says.
    pub command: Option<Option<String>>,
    /// When it counts as running.
    pub health_check: Option<HealthCheck>,
    /// Seconds until it must be healthy; `Some(None)`: the platform's limit.
    pub timeout: Option<Option<u64>>,
}

/// The body of a request that scales a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ScaleRequest {
    /// How many instances.
    pub instances: Option<i64>,
    /// MiB of memory of one instance.
    pub memory_in_mb: Option<i64>,
    /// MiB of disk of one instance.
    pub disk_in_mb: Option<i64>,
    /// Bytes of output in a second; -1: unlimited.
    pub log_rate_limit_in_bytes_per_second: Option<i64>,
}

/// The body of a request that changes a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ProcessPatch {
    /// How it is started.
    #[serde(default, deserialize_with = "present")]
    pub command: Option<Option<String>>,
    /// When it counts as running.
    pub health_check: Option<HealthCheckPatch>,
    /// When it gets requests.
    pub readiness_health_check: Option<HealthCheckPatch>,
}

/// A health check as clients describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HealthCheckPatch {
    /// `port`, `process` or `http`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its particulars.
    #[serde(default)]
    pub data: HealthCheckData,
}

/// The particulars of a health check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HealthCheckData {
    /// The path that an `http` check asks for.
    pub endpoint: Option<String>,
    /// Seconds until it must have been well.
    #[serde(default, deserialize_with = "present")]
    pub timeout: Option<Option<i64>>,
    /// Seconds that one check may take.
    pub invocation_timeout: Option<i64>,
    /// Seconds between two checks.
    pub interval: Option<i64>,
}

impl ProcessChange {
    /// Reads a request that scales.
    ///
    /// # Errors
    /// One problem for each value that is not possible.
    pub fn scale(asked: &ScaleRequest, limits: &ProcessLimits) -> Result<Self, Fault> {
        let mut problems = Vec::new();
        if asked.log_rate_limit_in_bytes_per_second.unwrap_or(-1) != -1 {
            problems.push("Log rate limits are not supported yet".to_owned());
        }
        let mut note = |(value, problem): (Option<u64>, Option<String>)| {
            problems.extend(problem);
            value
        };
        let memory = ("Memory in mb", 1, limits.most_memory_mib);
        let disk = ("Disk in mb", 1, limits.most_disk_mib);
        let instances = ("Instances", 0, u64::from(limits.most_instances));
        let change = Self {
            instances: note(bounded(instances, asked.instances))
                .and_then(|n| u32::try_from(n).ok()),
            memory_mib: note(bounded(memory, asked.memory_in_mb)),
            disk_mib: note(bounded(disk, asked.disk_in_mb)),
            ..Self::default()
        };
        change.unless(problems)
    }

    /// Reads a request that changes the command or the health check.
    ///
    /// # Errors
    /// One problem for each value that is not possible.
    pub fn patch(asked: ProcessPatch) -> Result<Self, Fault> {
        let mut change = Self {
            command: asked.command,
            ..Self::default()
        };
        let mut problems = Vec::new();
        if let Some(check) = asked.health_check {
            match health_check(check.kind.as_deref(), check.data.endpoint.as_deref()) {
                Ok(check) => change.health_check = check,
                Err(problem) => problems.push(problem),
            }
            if let Some(timeout) = check.data.timeout {
                let (value, problem) = bounded(("Timeout", 1, LONGEST_START), timeout);
                problems.extend(problem);
                change.timeout = Some(value);
            }
            problems.extend(unserved(
                check.data.invocation_timeout,
                "invocation timeouts",
            ));
            problems.extend(unserved(check.data.interval, "intervals"));
        }
        let readiness = asked.readiness_health_check.and_then(|check| check.kind);
        problems.extend(readiness_problem(readiness.as_deref()));
        change.unless(problems)
    }

    fn unless(self, problems: Vec<String>) -> Result<Self, Fault> {
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(Fault::Unprocessable(problems))
        }
    }
}

/// Returns the health check of that type; None if none is given.
///
/// # Errors
/// The type is unknown, or there is a path and the type has none.
pub fn health_check(
    kind: Option<&str>,
    endpoint: Option<&str>,
) -> Result<Option<HealthCheck>, String> {
    let check = match (kind, endpoint) {
        (Some("http"), endpoint) => {
            let endpoint = endpoint.unwrap_or("/").to_owned();
            if !endpoint.starts_with('/') || endpoint.contains(char::is_whitespace) {
                return Err("Health check HTTP endpoint must be a valid URI path".to_owned());
            }
            Some(HealthCheck::Http { endpoint })
        }
        (_, Some(_)) => {
            return Err(
                "Health check type must be \"http\" to set a health check HTTP endpoint".to_owned(),
            );
        }
        (Some("port"), None) => Some(HealthCheck::Port),
        (Some("process" | "none"), None) => Some(HealthCheck::Process),
        (Some(_), None) => {
            return Err("Health check type must be \"port\", \"process\", or \"http\"".to_owned());
        }
        (None, None) => None,
    };
    Ok(check)
}

/// Returns the health check of a new process of that type.
#[must_use]
pub fn default_health_check(process: &str) -> HealthCheck {
    if process == WEB {
        HealthCheck::Port
    } else {
        HealthCheck::Process
    }
}

/// Returns what is wrong with that type of readiness check: there is only the one that looks at
/// nothing but the process.
#[must_use]
pub fn readiness_problem(kind: Option<&str>) -> Option<String> {
    let served = matches!(kind, None | Some("process" | "none"));
    (!served).then(|| {
        "Readiness health checks of other types than process are not supported yet".to_owned()
    })
}

fn unserved(value: Option<i64>, what: &str) -> Option<String> {
    value.map(|_| format!("Health check {what} are not supported yet"))
}

/// Returns `value` if it is within the bounds, and otherwise what is wrong with it.
fn bounded(
    (name, least, most): (&str, u64, u64),
    value: Option<i64>,
) -> (Option<u64>, Option<String>) {
    let Some(value) = value else {
        return (None, None);
    };
    match u64::try_from(value) {
        Ok(value) if value > most => {
            let problem = format!("{name} must be less than or equal to {most}");
            (None, Some(problem))
        }
        Ok(value) if value >= least => (Some(value), None),
        _ => {
            let problem = format!("{name} must be greater than or equal to {least}");
            (None, Some(problem))
        }
    }
}

/// Tells null from absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(answer: Result<ProcessChange, Fault>) -> Vec<String> {
        let entries = answer.map_or_else(|fault| fault.entries(), |_| Vec::new());
        entries.into_iter().map(|entry| entry.detail).collect()
    }

    #[test]
    fn scaling_has_bounds() {
        let check = |body: serde_json::Value, expected: &[&str]| {
            let asked = serde_json::from_value(body).unwrap();
            let answer = ProcessChange::scale(&asked, &ProcessLimits::default());
            assert_eq!(told(answer), expected, "{asked:?}");
        };
        check(json!({"instances": 0}), &[]);
        check(
            json!({"instances": 3, "memory_in_mb": 128, "disk_in_mb": null}),
            &[],
        );
        check(json!({"log_rate_limit_in_bytes_per_second": -1}), &[]);
        check(
            json!({"instances": -1}),
            &["Instances must be greater than or equal to 0"],
        );
        check(
            json!({"instances": 1_001}),
            &["Instances must be less than or equal to 1000"],
        );
        check(
            json!({"memory_in_mb": 0, "disk_in_mb": 4096}),
            &[
                "Memory in mb must be greater than or equal to 1",
                "Disk in mb must be less than or equal to 2048",
            ],
        );
        check(
            json!({"log_rate_limit_in_bytes_per_second": 9}),
            &["Log rate limits are not supported yet"],
        );
    }

    #[test]
    fn null_resets_and_absence_keeps() {
        let read = |body| ProcessChange::patch(serde_json::from_value(body).unwrap()).unwrap();
        assert_eq!(read(json!({})), ProcessChange::default());
        assert_eq!(read(json!({"command": null})).command, Some(None));
        assert_eq!(
            read(json!({"command": "x"})).command,
            Some(Some("x".to_owned()))
        );
        let check =
            json!({"health_check": {"type": "http", "data": {"endpoint": "/up", "timeout": 9}}});
        let change = read(check);
        let endpoint = "/up".to_owned();
        assert_eq!(change.health_check, Some(HealthCheck::Http { endpoint }));
        assert_eq!(change.timeout, Some(Some(9)));
        let reset = read(json!({"health_check": {"type": "port", "data": {"timeout": null}}}));
        assert_eq!(
            (reset.health_check, reset.timeout),
            (Some(HealthCheck::Port), Some(None))
        );
    }

    #[test]
    fn bad_checks_are_told() {
        let check = |body: serde_json::Value, count: usize| {
            let answer = ProcessChange::patch(serde_json::from_value(body.clone()).unwrap());
            assert_eq!(told(answer).len(), count, "{body}");
        };
        let with = |kind: &str, data: serde_json::Value| json!({"health_check": {"type": kind, "data": data}});
        check(with("http", json!({})), 0);
        check(with("none", json!({})), 0);
        check(with("tcp", json!({})), 1);
        check(with("port", json!({"endpoint": "/"})), 1);
        check(with("http", json!({"endpoint": "up"})), 1);
        check(with("port", json!({"timeout": 181, "interval": 1})), 2);
        check(
            json!({"readiness_health_check": {"type": "process", "data": {}}}),
            0,
        );
        check(
            json!({"readiness_health_check": {"type": "http", "data": {}}}),
            1,
        );
    }
}

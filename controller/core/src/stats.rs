//! How each instance of a process is, one entry for each that shall run.

use protocol::bus::dea::{FoundInstance, InstanceState};
use serde::Serialize;

const MEBIBYTE: u64 = 1 << 20;

/// A process whose instances are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its version. Instances of another one do not count.
    pub version: &'a str,
    /// How many instances shall run.
    pub instances: u32,
    /// MiB of memory of one instance.
    pub memory_mib: u64,
    /// MiB of disk of one instance.
    pub disk_mib: u64,
}

/// How one instance is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatsEntry {
    /// The type of the process.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which instance.
    pub index: u32,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_guid: Option<String>,
    /// What it is doing; `DOWN` when there is none.
    pub state: &'static str,
    /// Whether requests reach it; None while nobody knows.
    pub routable: Option<bool>,
    /// The address of its DEA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where it is reached there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instance_ports: Vec<InstancePort>,
    /// Seconds since it is in this state.
    pub uptime: u64,
    /// Bytes of memory that it may use.
    pub mem_quota: u64,
    /// Bytes of disk that it may use.
    pub disk_quota: u64,
    /// Bytes of output in a second; -1: unlimited.
    pub log_rate_limit: i64,
    /// Open files that it may have.
    pub fds_quota: u64,
    /// Always None: there are no isolation segments.
    pub isolation_segment: Option<String>,
    /// Why it is not running, if that is known.
    pub details: Option<String>,
    /// What it uses.
    pub usage: StatsUsage,
}

/// A port of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InstancePort {
    /// Where others reach it.
    pub external: u16,
    /// Where it listens.
    pub internal: u16,
}

/// What an instance uses; nothing while it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StatsUsage {
    /// When it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<u64>,
    /// Bytes of disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// Bytes of output in a second: not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_rate: Option<u64>,
}

/// Returns an entry for each instance that shall run, by what DEAs answered at the time `now` in
/// seconds since 1970. `details` says why one is missing.
#[must_use]
pub fn entries(
    wanted: Wanted<'_>,
    found: &[FoundInstance],
    now: f64,
    details: Option<&str>,
) -> Vec<StatsEntry> {
    let mut best: Vec<Option<&FoundInstance>> = Vec::new();
    best.resize(usize::try_from(wanted.instances).unwrap_or(0), None);
    for instance in found.iter().filter(|one| one.version == wanted.version) {
        let index = usize::try_from(instance.index).unwrap_or(usize::MAX);
        let Some(place) = best.get_mut(index) else {
            continue;
        };
        if place.is_none_or(|other| rank(instance) > rank(other)) {
            *place = Some(instance);
        }
    }
    let entry = |(index, instance): (u32, &Option<&FoundInstance>)| match instance {
        Some(instance) => there(wanted, instance, now),
        None => StatsEntry {
            details: details.map(str::to_owned),
            ..down(wanted, index)
        },
    };
    (0..).zip(&best).map(entry).collect()
}

/// Of two instances with one index the better one is shown, and of two in one state the newer one.
fn rank(instance: &FoundInstance) -> (u8, f64) {
    let state = match instance.state {
        InstanceState::Running | InstanceState::Evacuating => 3,
        InstanceState::Starting => 2,
        InstanceState::Crashed => 1,
        InstanceState::Stopping | InstanceState::Stopped => 0,
    };
    (state, instance.state_timestamp)
}

fn there(wanted: Wanted<'_>, instance: &FoundInstance, now: f64) -> StatsEntry {
    let state = match instance.state {
        InstanceState::Starting => "STARTING",
        InstanceState::Running | InstanceState::Evacuating => "RUNNING",
        InstanceState::Stopping => "STOPPING",
        InstanceState::Crashed => "CRASHED",
        InstanceState::Stopped => "DOWN",
    };
    let mut entry = StatsEntry {
        instance_guid: Some(instance.instance.clone()),
        state,
        routable: Some(state == "RUNNING"),
        uptime: seconds(now - instance.state_timestamp),
        ..down(wanted, instance.index)
    };
    if let Some(stats) = &instance.stats {
        entry.host = Some(stats.host.clone());
        entry.instance_ports = vec![InstancePort {
            external: stats.port,
            internal: stats.port,
        }];
        entry.uptime = stats.uptime;
        entry.mem_quota = stats.mem_quota;
        entry.disk_quota = stats.disk_quota;
        entry.fds_quota = stats.fds_quota;
        entry.usage = StatsUsage {
            time: Some(stats.usage.time.clone()),
            cpu: Some(stats.usage.cpu),
            mem: Some(stats.usage.mem),
            disk: Some(stats.usage.disk),
            log_rate: Some(0),
        };
    }
    entry
}

fn down(wanted: Wanted<'_>, index: u32) -> StatsEntry {
    StatsEntry {
        kind: wanted.kind.to_owned(),
        index,
        instance_guid: None,
        state: "DOWN",
        routable: None,
        host: None,
        instance_ports: Vec::new(),
        uptime: 0,
        mem_quota: wanted.memory_mib.saturating_mul(MEBIBYTE),
        disk_quota: wanted.disk_mib.saturating_mul(MEBIBYTE),
        log_rate_limit: -1,
        fds_quota: 16_384,
        isolation_segment: None,
        details: None,
        usage: StatsUsage::default(),
    }
}

/// Returns whole seconds; zero for what is negative or no number.
fn seconds(time: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(time).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use protocol::bus::dea::InstanceStats;
    use serde_json::json;

    use super::*;

    const WANTED: Wanted<'static> = Wanted {
        kind: "web",
        version: "v",
        instances: 3,
        memory_mib: 256,
        disk_mib: 1024,
    };

    fn found(index: u32, state: InstanceState, version: &str, since: f64) -> FoundInstance {
        FoundInstance {
            version: version.to_owned(),
            instance: format!("i-{index}"),
            index,
            state,
            state_timestamp: since,
            ..FoundInstance::default()
        }
    }

    #[test]
    fn there_is_an_entry_for_each_wanted_instance() {
        let check = |found: &[FoundInstance], expected: [&str; 3]| {
            let entries = entries(WANTED, found, 100.0, None);
            let states: Vec<_> = entries.iter().map(|entry| entry.state).collect();
            assert_eq!(states, expected);
            let indices: Vec<_> = entries.iter().map(|entry| entry.index).collect();
            assert_eq!(indices, [0, 1, 2]);
        };
        use InstanceState::{Crashed, Running, Starting};
        check(&[], ["DOWN"; 3]);
        check(&[found(1, Running, "v", 0.0)], ["DOWN", "RUNNING", "DOWN"]);
        check(
            &[found(0, Running, "old", 0.0), found(7, Running, "v", 0.0)],
            ["DOWN"; 3],
        );
        let twice = [
            found(0, Crashed, "v", 9.0),
            found(0, Running, "v", 1.0),
            found(2, Crashed, "v", 1.0),
            found(2, Starting, "v", 0.0),
        ];
        check(&twice, ["RUNNING", "DOWN", "STARTING"]);
    }

    #[test]
    fn entries_have_the_form_that_clients_decode() {
        let wanted = Wanted {
            instances: 2,
            ..WANTED
        };
        let mut running = found(0, InstanceState::Running, "v", 40.0);
        running.stats = Some(InstanceStats {
            host: "10.0.0.5".to_owned(),
            port: 61_001,
            uptime: 59,
            mem_quota: 1,
            disk_quota: 2,
            fds_quota: 3,
            ..InstanceStats::default()
        });
        let entries = entries(wanted, &[running], 100.5, Some("insufficient memory"));
        let expected = json!([
            {"type":"web","index":0,"instance_guid":"i-0","state":"RUNNING","routable":true,
             "host":"10.0.0.5","instance_ports":[{"external":61001,"internal":61001}],"uptime":59,
             "mem_quota":1,"disk_quota":2,"log_rate_limit":-1,"fds_quota":3,
             "isolation_segment":null,"details":null,
             "usage":{"time":"","cpu":0.0,"mem":0,"disk":0,"log_rate":0}},
            {"type":"web","index":1,"state":"DOWN","routable":null,"uptime":0,
             "mem_quota":268_435_456,"disk_quota":1_073_741_824,"log_rate_limit":-1,
             "fds_quota":16_384,"isolation_segment":null,"details":"insufficient memory","usage":{}}
        ]);
        assert_eq!(serde_json::to_value(entries).unwrap(), expected);
        let odd = found(0, InstanceState::Starting, "v", f64::NAN);
        assert_eq!(super::entries(WANTED, &[odd], 1.0, None)[0].uptime, 0);
    }
}

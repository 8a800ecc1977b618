//! What instances and the machine use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use dea_core::calendar::calendar;
use dea_core::instance::{Instance, Place};
use dea_core::ledger::Resources;
use dea_core::resources::share;
use protocol::bus::dea::{InstanceStats, Usage};

use crate::config::CapacityConfig;
use crate::node::{Node, now_ms, now_nanos};

/// Least nanoseconds between two readings that tell how much of the processor is used.
const APART: i64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// The last reading of the processor time of each instance: when, and how much in all, both in
/// nanoseconds.
#[derive(Debug, Default)]
pub struct Readings(Mutex<BTreeMap<String, (i64, u64)>>);

impl Readings {
    /// Returns how many cores an instance used since the last reading, or since `began_nanos`.
    fn cores(&self, id: &str, began_nanos: i64, now_nanos: i64, cpu_nanos: u64) -> f64 {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = readings.get(id).copied().unwrap_or((began_nanos, 0));
        let passed = now_nanos.saturating_sub(last.0);
        if passed >= APART {
            readings.insert(id.to_owned(), (now_nanos, cpu_nanos));
        }
        let used = cpu_nanos.saturating_sub(last.1);
        used as f64 / passed.max(1) as f64
    }

    /// Forgets all but those whom `is_there` names.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|id, _| is_there(id));
    }
}

/// Returns what a running instance uses; None when the engine does not tell.
pub(crate) async fn stats(
    node: &Node,
    instance: &Instance,
    place: &Place,
) -> Option<InstanceStats> {
    let used = match node.fence.usage(&place.container).await {
        Ok(used) => used,
        Err(error) => {
            tracing::warn!(%error, instance = instance.id, "usage-not-known");
            return None;
        }
    };
    let order = &instance.order;
    let uptime_ms = now_ms().saturating_sub(instance.since_ms);
    let now = now_nanos();
    let began = i64::try_from(instance.since_ms)
        .unwrap_or(0)
        .saturating_mul(1_000_000);
    let cpu = node
        .readings
        .cores(&instance.id, began, now, used.cpu_nanos);
    Some(InstanceStats {
        name: order.name.clone(),
        uris: order.uris.clone(),
        host: place.address.to_string(),
        port: instance.port,
        uptime: uptime_ms / 1_000,
        mem_quota: order.limits.mem.saturating_mul(MIB),
        disk_quota: order.limits.disk.saturating_mul(MIB),
        fds_quota: order.limits.fds,
        usage: Usage {
            time: calendar(now / 1_000_000_000, 'T', "Z"),
            cpu,
            mem: used.memory,
            disk: used.disk,
        },
    })
}

/// Returns the memory of the machine that is in use, in MiB; 0 when the system does not tell.
pub(crate) fn machine_memory_mib() -> u64 {
    let used = || Some(memory_kib("MemTotal:")?.saturating_sub(memory_kib("MemAvailable:")?));
    used().unwrap_or(0) / 1_024
}

/// Returns what of this machine may be promised.
#[must_use]
pub fn capacity(config: &CapacityConfig, base_dir: &Path) -> Resources {
    let memory = match config.memory {
        Some(memory) => memory.0 / MIB,
        None => memory_kib("MemTotal:").unwrap_or(0) / 1_024,
    };
    let disk = match config.disk {
        Some(disk) => disk.0 / MIB,
        None => rustix::fs::statvfs(base_dir)
            .map_or(0, |disk| disk.f_blocks.saturating_mul(disk.f_frsize) / MIB),
    };
    Resources {
        memory_mib: share(memory, config.memory_percent),
        disk_mib: share(disk, config.disk_percent),
    }
}

fn memory_kib(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use component::size::ByteSize;

    use super::*;

    #[test]
    fn cores_are_those_since_the_last_reading() {
        let readings = Readings::default();
        let second = 1_000_000_000;
        let check = |at: i64, cpu: u64, expected: f64| {
            let cores = readings.cores("i", 10 * second, at, cpu);
            assert!((cores - expected).abs() < 1e-9, "{cores} {expected}");
        };
        check(12 * second, 1_000_000_000, 0.5);
        check(13 * second, 3_000_000_000, 2.0);
        // Too soon to replace the last reading.
        check(13 * second + second / 2, 3_500_000_000, 1.0);
        check(14 * second, 4_000_000_000, 1.0);
        check(14 * second, 4_000_000_000, 0.0);
        readings.retain(|_| false);
        check(14 * second, 4_000_000_000, 1.0);
    }

    #[test]
    fn what_may_be_promised_is_a_share() {
        let config = CapacityConfig {
            memory: Some(ByteSize::mib(1_000)),
            memory_percent: 150,
            disk: None,
            disk_percent: 50,
        };
        let capacity = capacity(&config, Path::new("/"));
        assert_eq!(capacity.memory_mib, 1_500);
        assert!(capacity.disk_mib > 0);
        assert!(machine_memory_mib() > 0);
    }
}

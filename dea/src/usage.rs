//! What instances and the machine use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use component::calendar::calendar;
use dea_core::instance::{Instance, Place};
use dea_core::ledger::Resources;
use dea_core::resources::share;
use futures_util::StreamExt as _;
use protocol::bus::dea::{InstanceStats, Usage};

use crate::config::CapacityConfig;
use crate::fence::{ContainerId, ContainerUsage};
use crate::node::{Node, now_ms, now_nanos};

/// How many instances are looked at at a time: the engine tells of each at its next turn, up to a second
/// later.
const AT_A_TIME: usize = 16;
const MIB: u64 = 1 << 20;

/// The last look at each instance.
#[derive(Debug, Default)]
pub struct Readings(Mutex<BTreeMap<String, Reading>>);

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at_nanos: i64,
    used: ContainerUsage,
    /// Cores that were used since the look before.
    cores: f64,
}

impl Readings {
    /// Notes what an instance that began at `began_nanos` had used by now.
    fn note(&self, id: &str, began_nanos: i64, now_nanos: i64, used: ContainerUsage) {
        let mut readings = self.lock();
        let first = Reading {
            at_nanos: began_nanos,
            ..Reading::default()
        };
        let last = readings.get(id).copied().unwrap_or(first);
        let passed = now_nanos.saturating_sub(last.at_nanos);
        let cpu_nanos = used.cpu_nanos.saturating_sub(last.used.cpu_nanos);
        let reading = Reading {
            at_nanos: now_nanos,
            used,
            cores: cpu_nanos as f64 / passed.max(1) as f64,
        };
        readings.insert(id.to_owned(), reading);
    }

    /// The last look at an instance; nothing is used before the first.
    fn last(&self, id: &str) -> Reading {
        self.lock().get(id).copied().unwrap_or_default()
    }

    /// Forgets all but those whom `is_there` names.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().retain(|id, _| is_there(id));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Reading>> {
        // Whoever panicked, each reading is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at running instances: the id, when it began to run, and the container of each.
pub(crate) async fn look(node: &Node, running: Vec<(String, u64, ContainerId)>) {
    let looks = futures_util::stream::iter(running).map(|(id, since_ms, container)| async move {
        match node.fence.usage(&container).await {
            Ok(used) => {
                let began = i64::try_from(since_ms).unwrap_or(0);
                let began_nanos = began.saturating_mul(1_000_000);
                node.readings.note(&id, began_nanos, now_nanos(), used);
            }
            Err(error) => tracing::debug!(%error, instance = id, "usage-not-known"),
        }
    });
    looks.buffer_unordered(AT_A_TIME).collect::<()>().await;
}

/// Returns what a running instance may use, and what it used when it was last looked at.
pub(crate) fn stats(node: &Node, instance: &Instance, place: &Place) -> InstanceStats {
    let order = &instance.order;
    let reading = node.readings.last(&instance.id);
    InstanceStats {
        name: order.name.clone(),
        uris: order.uris.clone(),
        host: place.address.to_string(),
        port: instance.port,
        uptime: now_ms().saturating_sub(instance.since_ms) / 1_000,
        mem_quota: order.limits.mem.saturating_mul(MIB),
        disk_quota: order.limits.disk.saturating_mul(MIB),
        fds_quota: order.limits.fds,
        usage: Usage {
            time: calendar(now_nanos() / 1_000_000_000, 'T', "Z"),
            cpu: reading.cores,
            mem: reading.used.memory,
            disk: reading.used.disk,
        },
    }
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
    fn cores_are_those_since_the_last_look() {
        let readings = Readings::default();
        let second = 1_000_000_000;
        let check = |at: i64, cpu_nanos: u64, expected: f64| {
            let used = ContainerUsage {
                cpu_nanos,
                ..ContainerUsage::default()
            };
            readings.note("i", 10 * second, at, used);
            let cores = readings.last("i").cores;
            assert!((cores - expected).abs() < 1e-9, "{cores} {expected}");
        };
        assert_eq!(readings.last("i").used, ContainerUsage::default());
        check(12 * second, 1_000_000_000, 0.5);
        check(13 * second, 3_000_000_000, 2.0);
        check(14 * second, 3_000_000_000, 0.0);
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

//! What operators are told, as figures.

use std::sync::{Mutex, PoisonError};

use component::exposition::Exposition;
use dea_core::ledger::Resources;

/// The latest figures.
#[derive(Debug, Default)]
pub struct Figures {
    values: Mutex<Values>,
}

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// How many instances are in each state.
    pub(crate) instances: Vec<(&'static str, u64)>,
    /// How many builds are being staged.
    pub(crate) staging: u64,
    /// What may be reserved.
    pub(crate) capacity: Resources,
    /// What is reserved.
    pub(crate) reserved: Resources,
    /// Instances that were to be started, so far.
    pub(crate) starts: u64,
    /// Instances that have crashed, so far.
    pub(crate) crashes: u64,
    /// Containers that nobody knew and that were removed, so far.
    pub(crate) orphans: u64,
}

impl Figures {
    pub(crate) fn set(&self, values: Values) {
        *self.values.lock().unwrap_or_else(PoisonError::into_inner) = values;
    }

    /// Returns the figures in the text format of Prometheus.
    #[must_use]
    pub fn exposition(&self) -> String {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let values = values.clone();
        let mut out = Exposition::default();
        out.family("dea_instances", "gauge", "Instances by state.");
        for (state, count) in &values.instances {
            out.sample("dea_instances", &[("state", state)], count);
        }
        out.gauge(
            "dea_staging",
            "Builds that are being staged.",
            values.staging,
        );
        for (what, resources) in [("capacity", values.capacity), ("reserved", values.reserved)] {
            let memory = format!("dea_memory_{what}_mib");
            out.gauge(&memory, "Memory in MiB.", resources.memory_mib);
            let disk = format!("dea_disk_{what}_mib");
            out.gauge(&disk, "Disk in MiB.", resources.disk_mib);
        }
        out.counter(
            "dea_starts_total",
            "Instances that were to be started.",
            values.starts,
        );
        out.counter(
            "dea_crashes_total",
            "Instances that have crashed.",
            values.crashes,
        );
        out.counter(
            "dea_orphans_total",
            "Containers that nobody knew and that were removed.",
            values.orphans,
        );
        out.into_text()
    }
}

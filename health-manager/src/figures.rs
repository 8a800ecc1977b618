//! What operators are told, as figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use component::exposition::Exposition;
use health_manager_core::Repair;

/// What was asked of controllers so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    starts: AtomicU64,
    stops: AtomicU64,
}

impl Figures {
    /// Counts the repairs of a round.
    pub(crate) fn planned(&self, repairs: &[Repair]) {
        for repair in repairs {
            match repair {
                Repair::Start { .. } => self.starts.fetch_add(1, Relaxed),
                Repair::Stop { instances, .. } => {
                    let count = u64::try_from(instances.len()).unwrap_or(u64::MAX);
                    self.stops.fetch_add(count, Relaxed)
                }
            };
        }
    }

    /// Returns them in the text format of Prometheus. `is_ready`: enough is known to act on.
    pub(crate) fn exposition(&self, is_ready: bool) -> String {
        let mut out = Exposition::default();
        out.gauge(
            "health_manager_ready",
            "Whether enough is known to act on.",
            u64::from(is_ready),
        );
        out.counter(
            "health_manager_starts_total",
            "Instances that controllers were asked to start.",
            self.starts.load(Relaxed),
        );
        out.counter(
            "health_manager_stops_total",
            "Instances that controllers were asked to stop.",
            self.stops.load(Relaxed),
        );
        out.into_text()
    }
}

//! What operators are told, as figures.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use component::exposition::{Exposition, Scale};
use component::histogram::{Distribution, MICROSECONDS};

use crate::api::Api;

/// The bounds of the times that are shown, in microseconds: 1 ms to 1 minute.
const SHOWN: [u64; 10] = [
    1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 60_000_000,
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How requests were answered so far.
#[derive(Debug)]
pub(crate) struct Answers(Mutex<Counts>);

#[derive(Clone, Debug)]
struct Counts {
    by_class: [u64; CLASSES.len()],
    times: Distribution,
}

impl Default for Answers {
    fn default() -> Self {
        Self(Mutex::new(Counts {
            by_class: [0; CLASSES.len()],
            times: Distribution::new(&MICROSECONDS),
        }))
    }
}

impl Answers {
    /// Counts an answer that took so long.
    pub(crate) fn add(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.by_class[class - 1] += 1;
        counts.times.add(micros);
    }

    fn counts(&self) -> Counts {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }
}

/// Returns the figures in the text format of Prometheus.
pub(crate) fn exposition(api: &Api) -> String {
    let mut out = Exposition::default();
    let answers = api.answers.counts();
    out.counters(
        "controller_requests_total",
        "Requests that were answered, by the class of the status.",
        |out, name| {
            for (class, count) in CLASSES.iter().zip(&answers.by_class) {
                out.sample(name, &[("class", class)], count);
            }
        },
    );
    let name = "controller_request_seconds";
    out.family(name, "histogram", "How long answers took.");
    out.histogram(name, &[], &answers.times, &SHOWN, Scale::Millionth);
    let known = api.dispatch.counts();
    out.gauge("controller_deas", "DEAs that advertise.", known.deas);
    out.gauge(
        "controller_builds_staging",
        "Builds that are being staged.",
        known.staging,
    );
    out.gauge(
        "controller_processes_waiting",
        "Processes of which an instance finds no place.",
        known.waiting,
    );
    out.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class() {
        let answers = Answers::default();
        for (status, micros) in [(200, 10), (204, 900), (404, 1_000), (503, 2_000_000)] {
            answers.add(
                StatusCode::from_u16(status).unwrap(),
                Duration::from_micros(micros),
            );
        }
        let counts = answers.counts();
        assert_eq!(counts.by_class, [0, 2, 0, 1, 1]);
        assert_eq!(counts.times.at_most(1_000), 3);
    }
}

//! What came of a hostile peer, and whether the router held.

use std::fmt::Write as _;
use std::time::Duration;

use super::scene::Ended;
use super::watch::Used;
use tests_kit::load::{Latencies, Tally};

/// What holds beside a hostile peer. That no well-behaved request and no health check fails, and
/// that nothing panics, holds beside all of them.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most memory above that before, at any moment, in KiB.
    pub grows_by: u64,
    /// The most memory above that before, a while after it, in KiB.
    pub keeps: u64,
    /// The most descriptors above those before, a while after it.
    pub descriptors: u64,
    /// When the last of its connections is ended by the router, if it must be.
    pub cut_within: Option<Duration>,
}

impl Bounds {
    /// What holds unless more is said. The few descriptors are connections that wait for their next
    /// request, to clients and to backends.
    pub(super) const COMMON: Self = Self {
        grows_by: 32 << 10,
        keeps: 8 << 10,
        descriptors: 16,
        cut_within: None,
    };

    pub(super) const fn grows_by(mut self, kib: u64) -> Self {
        self.grows_by = kib;
        self
    }

    pub(super) const fn keeps(mut self, kib: u64) -> Self {
        self.keeps = kib;
        self
    }

    pub(super) const fn cut_within(mut self, limit: Duration) -> Self {
        self.cut_within = Some(limit);
        self
    }

    /// Whether what the peer cost is given back.
    pub(super) fn are_back(&self, before: Used, now: Used) -> bool {
        now.kib <= before.kib + self.keeps
            && now.descriptors <= before.descriptors + self.descriptors
    }
}

/// What came of one peer.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What was to hold.
    pub bounds: Bounds,
    /// The well-behaved clients before it came.
    pub rest: Tally,
    /// The well-behaved clients beside it.
    pub tally: Tally,
    /// Health checks that failed.
    pub unhealthy: u64,
    /// What the router used before it, at the most, and after it.
    pub usage: [Used; 3],
    /// CPU time of the router while it was there, well-behaved requests included.
    pub spent: Duration,
    /// What it says itself.
    pub ended: Ended,
    /// Requests that panicked.
    pub panics: u64,
}

impl Row {
    /// What did not hold.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let [before, peak, after] = self.usage;
        let bounds = &self.bounds;
        let mut faults = Vec::new();
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(format!("{}: {fault}", self.name));
            }
        };
        demand(self.tally.failed == 0, format!("{:?}", self.tally));
        demand(
            self.tally.good >= 20,
            format!("only {} well-behaved requests were served", self.tally.good),
        );
        demand(
            self.unhealthy == 0,
            format!("{} health checks failed", self.unhealthy),
        );
        demand(self.panics == 0, format!("{} panics", self.panics));
        demand(
            peak.kib <= before.kib + bounds.grows_by,
            format!("memory grew from {} to {} KiB", before.kib, peak.kib),
        );
        demand(
            after.kib <= before.kib + bounds.keeps,
            format!("memory went from {} to {} KiB", before.kib, after.kib),
        );
        demand(
            after.descriptors <= before.descriptors + bounds.descriptors,
            format!(
                "{} descriptors of {} are left",
                after.descriptors, peak.descriptors
            ),
        );
        if let Some(limit) = bounds.cut_within {
            demand(
                self.ended.cut_off.is_some_and(|cut| cut <= limit),
                format!("cut off after {:?}, not {limit:?}", self.ended.cut_off),
            );
        }
        if let Some(fault) = &self.ended.fault {
            demand(false, fault.clone());
        }
        faults
    }

    /// Its p99 beside the peer, divided by that before.
    #[must_use]
    pub fn slowdown(&self) -> f64 {
        let p99 = |latencies: &Latencies| latencies.percentile(99).as_secs_f64();
        p99(&self.tally.latencies) / p99(&self.rest.latencies).max(1e-6)
    }

    /// How much the router's memory grew beside the peer.
    #[must_use]
    pub fn growth_mib(&self) -> f64 {
        let [before, peak, _] = self.usage;
        mib(peak.kib.saturating_sub(before.kib))
    }

    /// The cells of its line in a table, as [`COLUMNS`] names them.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let [before, peak, after] = self.usage;
        let all = (self.tally.good + self.tally.failed).max(1);
        let millis = |latencies: &Latencies| {
            let millis = |percent| latencies.percentile(percent).as_secs_f64() * 1e3;
            format!("{:.1} / {:.1}", millis(50), millis(99))
        };
        let cut = self.ended.cut_off;
        vec![
            self.name.to_owned(),
            format!(
                "{:.1} of {all}",
                self.tally.good as f64 * 100.0 / all as f64
            ),
            millis(&self.rest.latencies),
            millis(&self.tally.latencies),
            format!(
                "{:.1} / {:.1} / {:.1}",
                mib(before.kib),
                mib(peak.kib),
                mib(after.kib)
            ),
            format!(
                "{} / {} / {}",
                before.descriptors, peak.descriptors, after.descriptors
            ),
            format!("{:.2} s", self.spent.as_secs_f64()),
            cut.map_or("–".to_owned(), |cut| {
                format!("{:.2} s", cut.as_secs_f64())
            }),
            self.ended.note.clone(),
        ]
    }
}

/// The columns of a table of rows.
pub const COLUMNS: [&str; 9] = [
    "hostile peer",
    "good % of requests",
    "p50 / p99 at rest, ms",
    "beside it, ms",
    "MiB before / peak / after",
    "descriptors",
    "CPU",
    "cut off after",
    "",
];

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The rows as a table of text.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let header = COLUMNS.map(str::to_owned).to_vec();
    let lines: Vec<Vec<String>> = std::iter::once(header)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, &width) in line.iter().zip(&widths) {
            write!(text, "{cell:<width$}  ").expect("a string takes what is written to it");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

//! How many rows of each level hold.

use std::collections::BTreeMap;
use std::fmt;

use super::{Fault, Level, Manner, Seat};

/// The results of all rows.
#[derive(Debug, Default)]
pub struct Scorecard {
    counts: BTreeMap<(Level, Manner), Count>,
    failures: Vec<String>,
    holes: usize,
}

#[derive(Debug, Default)]
struct Count {
    held: usize,
    played: usize,
}

impl Scorecard {
    /// Adds what came of one row.
    pub fn add(&mut self, seat: &Seat, faults: &[Fault]) {
        let count = self
            .counts
            .entry((seat.row.level, seat.manner))
            .or_default();
        count.played += 1;
        count.held += usize::from(faults.is_empty());
        self.holes += usize::from(faults.iter().any(|fault| fault.is_unsafe));
        for fault in faults {
            let mark = if fault.is_unsafe { " UNSAFE" } else { "" };
            let (row, manner) = (&seat.row, seat.manner);
            self.failures.push(format!(
                "{} ({:?}, {manner:?}, {}){mark}: {}",
                row.name, row.level, row.rule, fault.what
            ));
        }
    }

    /// What failed, a line each, in the order of the rows' names.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.failures.clone();
        failures.sort();
        failures
    }
}

impl fmt::Display for Scorecard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((level, manner), Count { held, played }) in &self.counts {
            let (level, manner) = (format!("{level:?}"), format!("{manner:?}"));
            // In tenths of a percent, rounded down: 100.0 means all.
            let tenths = held * 1000 / played.max(&1);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            writeln!(
                f,
                "{level:<8} {manner:<11} {held:>4} of {played:<4} {whole:>3}.{tenth} %"
            )?;
        }
        write!(f, "unsafe outcomes: {}", self.holes)
    }
}

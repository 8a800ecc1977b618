//! Numbers with one writer and any number of readers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use component::histogram::{Distribution, bucket};

/// A number that only grows and has one writing thread.
///
/// `add` is a load and a store: two writers would lose counts, not memory safety.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that is set, by any thread.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts of values by bucket, with one writing thread.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    /// An empty histogram over ascending, inclusive upper bounds.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self {
            bounds,
            counts,
            sum: Counter::default(),
        }
    }

    /// Counts one value.
    #[inline]
    pub fn record(&self, value: u64) {
        self.counts[bucket(self.bounds, value)].add(1);
        self.sum.add(value);
    }

    /// Adds what was counted so far to `total`, which must have the same bounds.
    pub fn add_to(&self, total: &mut Distribution) {
        total.merge(self.counts.iter().map(Counter::get), self.sum.get());
    }
}

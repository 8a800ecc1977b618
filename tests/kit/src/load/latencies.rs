//! How long requests took.

use std::fmt;
use std::time::Duration;

/// The times that requests took.
#[derive(Clone, Default)]
pub struct Latencies {
    /// Microseconds, in order.
    micros: Vec<u32>,
}

impl Latencies {
    /// Of these times in microseconds.
    #[must_use]
    pub fn new(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        Self { micros }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.micros.len()
    }

    /// The time that `percent` of a hundred did not exceed; zero when there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.micros.len() * percent).div_ceil(100).max(1);
        let micros = self.micros.get(rank - 1).copied().unwrap_or_default();
        Duration::from_micros(micros.into())
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("count", &self.count())
            .field("p50", &self.percentile(50))
            .field("p99", &self.percentile(99))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let latencies = Latencies::new((1..=100).rev().collect());
        let micros = |percent| latencies.percentile(percent).as_micros();
        assert_eq!((micros(50), micros(99), micros(100)), (50, 99, 100));
        assert_eq!(Latencies::default().percentile(99), Duration::ZERO);
        assert_eq!(Latencies::new(vec![7]).percentile(1).as_micros(), 7);
    }
}

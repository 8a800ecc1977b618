//! Distributions of measured values over fixed bounds, and the quantiles read from them.

/// Bounds for times in microseconds: 10 µs to 1000 s in 22 steps a decade.
///
/// Decimal steps, so that every bound that a dashboard knows (1 ms, 2 ms, 50 ms ...) is one of
/// ours and a coarser histogram can be read off exactly.
pub const MICROSECONDS: [u64; 22 * DECADES + 1] = decades();

const DECADES: usize = 8;

const fn decades() -> [u64; 22 * DECADES + 1] {
    const STEPS: [u64; 22] = [
        10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 25, 28, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90,
    ];
    let mut bounds = [0; 22 * DECADES + 1];
    let mut scale = 1;
    let mut at = 0;
    while at < 22 * DECADES {
        bounds[at] = STEPS[at % 22] * scale;
        at += 1;
        if at % 22 == 0 {
            scale *= 10;
        }
    }
    bounds[22 * DECADES] = 10 * scale;
    bounds
}

/// The bucket of `value`: the first whose bound is not below it, or the last, open one.
pub fn bucket(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// How many values fell into each bucket, and their sum. Merged from several writers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    bounds: &'static [u64],
    counts: Vec<u64>,
    sum: u64,
}

impl Distribution {
    /// An empty distribution over ascending, inclusive upper bounds.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0,
        }
    }

    /// Adds one value.
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(self.bounds, value)] += 1;
        self.sum = self.sum.wrapping_add(value);
    }

    /// Adds the counts of one writer, bucket by bucket, and the sum of its values.
    pub fn merge(&mut self, counts: impl IntoIterator<Item = u64>, sum: u64) {
        for (total, count) in self.counts.iter_mut().zip(counts) {
            *total += count;
        }
        self.sum = self.sum.wrapping_add(sum);
    }

    /// Adds another distribution over the same bounds.
    pub fn absorb(&mut self, other: &Self) {
        self.merge(other.counts.iter().copied(), other.sum);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The mean, 0 when there is no value.
    pub fn mean(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum as f64 / count as f64,
        }
    }

    /// How many values are at most `bound`, which must be one of the bounds to be exact.
    pub fn at_most(&self, bound: u64) -> u64 {
        let end = bucket(self.bounds, bound);
        self.counts[..=end.min(self.bounds.len())].iter().sum()
    }

    /// The value below which the fraction `q` of all values lies, interpolated inside its bucket;
    /// 0 when there is no value. Values above the last bound are reported as that bound.
    pub fn quantile(&self, q: f64) -> f64 {
        let wanted = self.count() as f64 * q;
        let mut before = 0.0;
        let mut floor = 0.0;
        for (count, bound) in self.counts.iter().zip(self.bounds) {
            let (count, bound) = (*count as f64, *bound as f64);
            if count > 0.0 && before + count >= wanted {
                return floor + (bound - floor) * ((wanted - before) / count).max(0.0);
            }
            before += count;
            floor = bound;
        }
        if before < self.count() as f64 {
            floor
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distribution {
        let mut all = Distribution::new(&MICROSECONDS);
        values.into_iter().for_each(|value| all.add(value));
        all
    }

    #[test]
    fn bounds_ascend_and_hold_the_dashboards_bounds() {
        assert!(MICROSECONDS.is_sorted_by(|a, b| a < b));
        assert_eq!(
            (MICROSECONDS.first(), MICROSECONDS.last()),
            (Some(&10), Some(&1_000_000_000))
        );
        for millis in [1, 2, 4, 6, 8, 10, 20, 40, 50, 100, 500, 1_000] {
            assert!(MICROSECONDS.contains(&(millis * 1_000)), "{millis}");
        }
    }

    #[test]
    fn a_value_on_a_bound_belongs_to_it() {
        for (value, expected) in [(0, 0), (10, 0), (11, 1), (12, 2), (1_000_000_001, 177)] {
            assert_eq!(bucket(&MICROSECONDS, value), expected, "{value}");
        }
    }

    #[test]
    fn quantiles() {
        let uniform = of((1..=100).map(|step| step * 1_000));
        for (q, expected) in [
            (0.5, 50_000.0),
            (0.75, 75_000.0),
            (0.9, 90_000.0),
            (0.99, 99_000.0),
        ] {
            let got = uniform.quantile(q);
            assert!((got - expected).abs() <= expected * 0.05, "{q}: {got}");
        }
        assert_eq!(of([]).quantile(0.5), 0.0);
        assert_eq!(of([u64::MAX / 2]).quantile(0.5), 1_000_000_000.0);
        assert_eq!(of([1_000, 3_000]).mean(), 2_000.0);
    }

    #[test]
    fn counts_up_to_a_bound_are_exact() {
        let some = of([500, 1_000, 1_001, 2_000, 2_001]);
        assert_eq!(
            (
                some.at_most(1_000),
                some.at_most(2_000),
                some.at_most(4_000)
            ),
            (2, 4, 5)
        );
    }
}

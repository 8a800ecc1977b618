//! Events a second, smoothed over 1, 5 and 15 minutes as a load average is.

use std::time::Duration;

/// Exponentially weighted rates of a counter.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    averages: Option<[f64; 3]>,
    counted: u64,
}

/// The minutes over which each average forgets about two thirds of the past.
pub const MINUTES: [u32; 3] = [1, 5, 15];

impl Rates {
    /// Takes the counter's value `elapsed` after the previous one. The first interval sets the
    /// averages; later ones pull them towards the interval's own rate.
    pub fn observe(&mut self, counter: u64, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let rate = counter.saturating_sub(self.counted) as f64 / seconds;
        self.counted = counter;
        let averages = self.averages.get_or_insert([rate; 3]);
        for (average, minutes) in averages.iter_mut().zip(MINUTES) {
            let weight = 1.0 - (-seconds / (60.0 * f64::from(minutes))).exp();
            *average += weight * (rate - *average);
        }
    }

    /// Events a second over about 1, 5 and 15 minutes; zeros before the first observation.
    pub fn per_second(&self) -> [f64; 3] {
        self.averages.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    #[test]
    fn a_steady_rate_is_reported_from_the_first_interval() {
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(), [0.0; 3]);
        for step in 1..=20 {
            rates.observe(step * 50, STEP);
            for rate in rates.per_second() {
                assert!((rate - 10.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_stopped_source_decays_by_e_in_its_window() {
        let mut rates = Rates::default();
        rates.observe(500, STEP);
        for _ in 0..12 {
            rates.observe(500, STEP);
        }
        let [one, five, fifteen] = rates.per_second();
        assert!((one - 100.0 * (-1.0_f64).exp()).abs() < 1e-6, "{one}");
        assert!(one < five && five < fifteen);
    }

    #[test]
    fn no_time_and_a_reset_counter_are_harmless() {
        let mut rates = Rates::default();
        rates.observe(10, Duration::ZERO);
        assert_eq!(rates.per_second(), [0.0; 3]);
        rates.observe(10, STEP);
        rates.observe(0, STEP);
        assert!(rates.per_second().iter().all(|rate| *rate >= 0.0));
    }
}

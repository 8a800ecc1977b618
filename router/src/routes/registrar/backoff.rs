//! How long to wait before what failed is tried again.

use std::time::Duration;

/// The pause after a first failure.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// What has worked for so long has not failed again: it has failed anew.
const LASTING: Duration = Duration::from_secs(30);

/// Pauses that double with each failure in a row, up to five seconds.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after another failure of what had worked for `lasted`: between half of the pause
    /// that is due and all of it, as `chance` says, which is from 0 to 1.
    pub(super) fn after(&mut self, lasted: Duration, chance: f64) -> Duration {
        if lasted >= LASTING {
            self.failures = 0;
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = (self.failures + 1).min(16);
        let pause = FIRST.saturating_mul(factor).min(LONGEST);
        pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_good_time() {
        let mut backoff = Backoff::default();
        let mut check = |lasted: u64, chance: f64, expected: u64| {
            let pause = backoff.after(Duration::from_secs(lasted), chance);
            assert_eq!(pause, Duration::from_millis(expected));
        };
        for expected in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            check(0, 1.0, expected);
        }
        for _ in 0..100 {
            check(29, 0.0, 2_500);
        }
        check(30, 1.0, 100);
        check(0, 0.0, 100);
        check(0, 0.5, 300);
    }
}

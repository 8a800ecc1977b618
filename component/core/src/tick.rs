//! Time as an argument.

use std::time::Duration;

/// A moment on the process's own clock: milliseconds since some fixed start, never going back.
///
/// The shell reads the clock; a core is told what time it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Tick(u64);

impl Tick {
    /// The moment `millis` milliseconds after the start of the clock.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start of the clock.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, in whole milliseconds; the end of time when that is passed.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds in `duration`, as many as fit.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_never_leaves_the_clock() {
        let start = Tick::from_millis(1_000);
        assert_eq!(start.plus(Duration::from_secs(1)), Tick::from_millis(2_000));
        assert_eq!(start.plus(Duration::MAX), Tick::from_millis(u64::MAX));
        assert_eq!(
            start.since(Tick::from_millis(400)),
            Duration::from_millis(600)
        );
        assert_eq!(start.since(Tick::from_millis(1_001)), Duration::ZERO);
    }
}

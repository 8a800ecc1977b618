//! The clocks of the process: one monotonic, from which all ticks come, and the calendar.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use router_core::tick::Tick;

/// The monotonic clock and where the calendar stood when it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
    epoch_unix_nanos: u64,
}

/// One reading of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Duration);

impl Clock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let epoch_unix_nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Self {
            epoch: Instant::now(),
            epoch_unix_nanos,
        }
    }

    /// Milliseconds since the start.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Tick {
        self.read().tick()
    }

    /// A reading with its full resolution.
    #[inline]
    #[must_use]
    pub fn read(&self) -> Moment {
        Moment(self.epoch.elapsed())
    }

    /// Nanoseconds of the Unix epoch at a reading. The calendar is looked at once, at the start:
    /// a step of the system's clock moves no request.
    #[inline]
    #[must_use]
    pub fn unix_nanos(&self, at: Moment) -> u64 {
        self.epoch_unix_nanos
            .saturating_add(u64::try_from(at.0.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Moment {
    /// The reading in milliseconds. The start is tick 1: zero stands for never in the statistics.
    #[inline]
    #[must_use]
    pub fn tick(self) -> Tick {
        let millis = self.0.as_secs() * 1000 + u64::from(self.0.subsec_millis());
        Tick::from_millis(millis + 1)
    }

    /// How long after `earlier` it is.
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The Date field (RFC 9110 §5.6.7), written once a second.
#[derive(Debug, Default)]
pub struct DateLine {
    written: RefCell<(u64, String)>,
}

impl DateLine {
    /// Calls `read` with the date at `unix_nanos`.
    #[inline]
    pub fn with<R>(&self, unix_nanos: u64, read: impl FnOnce(&str) -> R) -> R {
        let seconds = unix_nanos / 1_000_000_000;
        let written = &mut *self.written.borrow_mut();
        if written.0 != seconds {
            let date = UNIX_EPOCH + Duration::from_secs(seconds);
            *written = (seconds, httpdate::fmt_http_date(date));
        }
        read(&written.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_in_the_format_of_http() {
        let line = DateLine::default();
        line.with(784_111_777_000_000_000, |date| {
            assert_eq!(date, "Sun, 06 Nov 1994 08:49:37 GMT");
        });
    }

    #[test]
    fn the_line_is_kept_within_a_second() {
        let line = DateLine::default();
        let first = line.with(5_100_000_000, str::to_owned);
        assert_eq!(line.with(5_900_000_000, str::to_owned), first);
        assert_ne!(line.with(6_000_000_000, str::to_owned), first);
    }
}

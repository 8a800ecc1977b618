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
            *written = (seconds, imf_fixdate(seconds));
        }
        read(&written.1)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(unix_seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = unix_seconds / 86_400;
    let of_day = unix_seconds % 86_400;
    // Days to a civil date, counted from March so that the leap day comes last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month).unwrap_or(0)];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(imf_fixdate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(imf_fixdate(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(imf_fixdate(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(imf_fixdate(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
    }

    #[test]
    fn the_line_is_kept_within_a_second() {
        let line = DateLine::default();
        let first = line.with(5_100_000_000, str::to_owned);
        assert_eq!(line.with(5_900_000_000, str::to_owned), first);
        assert_ne!(line.with(6_000_000_000, str::to_owned), first);
    }
}

//! The clocks of the process: one monotonic, from which all ticks come, and the calendar.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use component::tick::Tick;

/// The monotonic clock and where the calendar stood when it began. Clones share both.
#[derive(Clone, Debug)]
pub struct Clock {
    epoch: Instant,
    /// Nanoseconds of the Unix epoch at `epoch`, by what is known of the calendar.
    anchor: Arc<AtomicU64>,
}

/// One reading of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Duration);

/// The calendar, looked at between two looks at the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Since the start, before the look at the calendar.
    pub before: Duration,
    /// Since the Unix epoch.
    pub calendar: Duration,
    /// Since the start, after it.
    pub after: Duration,
}

impl Sighting {
    /// Where the calendar stood at the start, in nanoseconds of the Unix epoch, when it was thought
    /// to have stood at `anchor`.
    ///
    /// The calendar was looked at at some time between the two looks at the monotonic clock; as long
    /// as `anchor` agrees with that it stays as it is, so that a process that was held up between
    /// them learns nothing wrong. What does not agree has moved: the calendar was set, or the
    /// machine slept, through which the monotonic clock stands still.
    #[must_use]
    pub fn anchor(self, anchor: u64) -> u64 {
        let at = |since: Duration| nanos(self.calendar.saturating_sub(since));
        let (least, most) = (at(self.after), at(self.before));
        if (least..=most).contains(&anchor) {
            anchor
        } else {
            least + (most - least) / 2
        }
    }
}

impl Clock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        let clock = Self {
            epoch: Instant::now(),
            anchor: Arc::default(),
        };
        clock.follow_calendar();
        clock
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

    /// Nanoseconds of the Unix epoch at a reading, by the calendar that was looked at last.
    #[inline]
    #[must_use]
    pub fn unix_nanos(&self, at: Moment) -> u64 {
        self.anchor.load(Relaxed).saturating_add(nanos(at.0))
    }

    /// Looks at the calendar, which may have been set since.
    pub fn follow_calendar(&self) {
        let before = self.epoch.elapsed();
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH);
        self.sighted(Sighting {
            before,
            calendar: calendar.unwrap_or_default(),
            after: self.epoch.elapsed(),
        });
    }

    /// Takes the calendar from a look at it.
    pub fn sighted(&self, sighting: Sighting) {
        let anchor = sighting.anchor(self.anchor.load(Relaxed));
        self.anchor.store(anchor, Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
    fn the_calendar_is_followed() {
        const HOUR: u64 = 3_600_000_000_000;
        let check = |anchor: u64, before: u64, calendar: u64, after: u64, expected: u64| {
            let sighting = Sighting {
                before: Duration::from_nanos(before),
                calendar: Duration::from_nanos(calendar),
                after: Duration::from_nanos(after),
            };
            assert_eq!(sighting.anchor(anchor), expected, "{sighting:?}");
        };
        // It goes as the monotonic clock does, as far as can be told.
        check(5_000, 100, 5_110, 120, 5_000);
        check(5_000, 100, 5_100, 100, 5_000);
        // Held up for an hour between two looks: nothing is learned.
        check(5_000, 100, 5_200, HOUR, 5_000);
        // Asleep for an hour; set back by an hour; slewed a little.
        check(5_000, 200, HOUR + 5_200, 200, HOUR + 5_000);
        check(2 * HOUR, 200, HOUR + 200, 200, HOUR);
        check(5_000, 200, 5_250, 220, 5_040);
        // A calendar before 1970 is that year.
        check(5_000, 200, 0, 200, 0);
    }

    #[test]
    fn clones_share_the_calendar() {
        let (clock, at) = (Clock::start(), Moment(Duration::from_secs(1)));
        let clone = clock.clone();
        clock.sighted(Sighting {
            before: Duration::ZERO,
            calendar: Duration::from_secs(86_400),
            after: Duration::ZERO,
        });
        assert_eq!(clone.unix_nanos(at), 86_401_000_000_000);
        clone.follow_calendar();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let told = Duration::from_nanos(clock.unix_nanos(clock.read()));
        assert!(
            told.abs_diff(now) < Duration::from_secs(60),
            "{told:?} {now:?}"
        );
    }

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

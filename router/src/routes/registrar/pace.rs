//! How long the reader lets messages gather before it looks at the bus again.

use std::time::{Duration, Instant};

/// What a wake-up brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Only what was known: it can wait for company.
    Heartbeats,
    /// Something that changes the table: more of it may follow, and somebody waits for it.
    Changes,
}

/// Wake-ups that need no pause, saved up while little arrives and spent one by one.
#[derive(Debug)]
struct Allowance {
    left: f64,
    most: f64,
    a_second: f64,
    /// The pause once they are spent.
    pause: Duration,
}

/// To wake up costs as much as ten heartbeats. Thousands of heartbeats a second, each on its own, would
/// cost several times what they are worth, and none of them is urgent.
const HEARTBEATS: Allowance = Allowance {
    left: 64.0,
    most: 64.0,
    a_second: 50.0,
    pause: Duration::from_millis(4),
};

/// A change is worth its wake-up. The bound is for a registrar that has gone wild.
const CHANGES: Allowance = Allowance {
    left: 1000.0,
    most: 1000.0,
    a_second: 1000.0,
    pause: Duration::from_millis(1),
};

/// As many messages make up for a wake-up.
const WORTHWHILE: usize = 64;

/// Bounds what a steady trickle of messages costs. As long as little arrives, all of it is read at
/// once.
#[derive(Debug)]
pub(super) struct Pace {
    heartbeats: Allowance,
    changes: Allowance,
    last: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heartbeats: HEARTBEATS,
            changes: CHANGES,
            last: now,
        }
    }

    /// Returns how long to wait before the next look, after a wake-up at `now` with `handled` messages.
    pub(super) fn after(
        &mut self,
        handled: usize,
        brought: Brought,
        now: Instant,
    ) -> Option<Duration> {
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        self.heartbeats.earn(seconds);
        self.changes.earn(seconds);
        if handled >= WORTHWHILE {
            return None;
        }
        match brought {
            Brought::Heartbeats => self.heartbeats.spend(),
            Brought::Changes => self.changes.spend(),
        }
    }
}

impl Allowance {
    fn earn(&mut self, seconds: f64) {
        self.left = (self.left + seconds * self.a_second).min(self.most);
    }

    /// Returns the pause that is due when nothing is left to spend.
    fn spend(&mut self) -> Option<Duration> {
        if self.left < 1.0 {
            return Some(self.pause);
        }
        self.left -= 1.0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wake-ups and pauses in ten seconds of one message every `every`, after a first second that does
    /// not count.
    fn run(every: Duration, brought: Brought) -> (u32, u32) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut now, mut wakes, mut pauses) = (start, 0, 0);
        let mut read = 0;
        while now < start + Duration::from_secs(11) {
            let sent = (now - start).as_nanos() / every.as_nanos();
            let handled = usize::try_from(sent).unwrap() - read;
            if handled == 0 {
                now += every;
                continue;
            }
            read += handled;
            let pause = pace.after(handled, brought, now);
            if now >= start + Duration::from_secs(1) {
                wakes += 1;
                pauses += u32::from(pause.is_some());
            }
            now += pause.unwrap_or_default();
        }
        (wakes, pauses)
    }

    #[test]
    fn a_trickle_of_heartbeats_wakes_the_reader_a_few_hundred_times_a_second() {
        let (wakes, pauses) = run(Duration::from_micros(200), Brought::Heartbeats);
        assert!((2_000..4_500).contains(&wakes), "{wakes}");
        assert!(pauses > 2_000, "{pauses}");
    }

    #[test]
    fn few_heartbeats_are_read_at_once() {
        let (wakes, pauses) = run(Duration::from_millis(21), Brought::Heartbeats);
        assert!(wakes > 450, "{wakes}");
        assert_eq!(pauses, 0);
    }

    #[test]
    fn changes_are_read_at_once_up_to_a_thousand_a_second() {
        let (wakes, pauses) = run(Duration::from_micros(1_100), Brought::Changes);
        assert!(wakes > 9_000, "{wakes}");
        assert_eq!(pauses, 0);
        let (wakes, pauses) = run(Duration::from_micros(100), Brought::Changes);
        assert!((10_000..20_500).contains(&wakes), "{wakes}");
        assert!(pauses > 8_000, "{pauses}");
    }

    #[test]
    fn changes_are_read_at_once_although_heartbeats_have_spent_their_allowance() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        while pace.after(1, Brought::Heartbeats, now).is_none() {}
        assert_eq!(pace.after(1, Brought::Changes, now), None);
    }

    #[test]
    fn a_flood_is_read_without_a_pause() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((0..2_000).all(|_| pace.after(WORTHWHILE, Brought::Changes, now).is_none()));
    }
}

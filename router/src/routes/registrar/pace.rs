//! How often the reader wakes up.

use std::time::{Duration, Instant};

/// How long the reader lets messages gather. A registration is that much later at most.
const PAUSE: Duration = Duration::from_millis(4);

/// Wake-ups a second that are free of a pause.
const FREE_A_SECOND: f64 = 50.0;

/// Free wake-ups that are saved up while little arrives.
const FREE_MAX: f64 = 64.0;

/// As many messages make up for a wake-up.
const WORTHWHILE: usize = 64;

/// Bounds the cost of a steady trickle. To wake up costs as much as ten heartbeats; thousands of
/// them a second, each on its own, would cost several times what they are worth. As long as little
/// arrives, everything is read at once.
#[derive(Debug)]
pub(super) struct Pace {
    free: f64,
    last: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            free: FREE_MAX,
            last: now,
        }
    }

    /// How long to wait before the next look, after a wake-up that brought `handled` messages.
    pub(super) fn after(&mut self, handled: usize, now: Instant) -> Option<Duration> {
        let earned = (now - self.last).as_secs_f64() * FREE_A_SECOND;
        self.last = now;
        self.free = (self.free + earned).min(FREE_MAX);
        if handled >= WORTHWHILE {
            return None;
        }
        if self.free >= 1.0 {
            self.free -= 1.0;
            return None;
        }
        Some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wake-ups and pauses in ten seconds of one message every `every`, the first second apart.
    fn run(every: Duration) -> (u32, u32) {
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
            let pause = pace.after(handled, now);
            if now >= start + Duration::from_secs(1) {
                wakes += 1;
                pauses += u32::from(pause.is_some());
            }
            now += pause.unwrap_or_default();
        }
        (wakes, pauses)
    }

    #[test]
    fn a_trickle_wakes_the_reader_a_few_hundred_times_a_second() {
        let (wakes, pauses) = run(Duration::from_micros(200));
        assert!((2_000..4_500).contains(&wakes), "{wakes}");
        assert!(pauses > 2_000, "{pauses}");
    }

    #[test]
    fn little_is_read_at_once() {
        let (wakes, pauses) = run(Duration::from_millis(21));
        assert!(wakes > 450, "{wakes}");
        assert_eq!(pauses, 0);
    }

    #[test]
    fn a_flood_is_read_without_a_pause() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((0..1_000).all(|_| pace.after(WORTHWHILE, now).is_none()));
    }
}

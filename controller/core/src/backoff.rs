//! Whoever guesses passwords waits longer after each failure.

use std::collections::HashMap;
use std::time::Duration;

use component_core::tick::Tick;

/// Failures in a row that cost nothing: people mistype.
const FREE: u32 = 3;
/// What the first failure beyond these costs; each further one costs twice as much.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What one failure costs at most.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long a failure is remembered.
const MEMORY: Duration = Duration::from_secs(900);
/// Names that are remembered. At one more, the one whose last failure is oldest is forgotten.
const MOST_NAMES: usize = 10_000;

/// The failed logins of each name.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: HashMap<String, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Tick,
}

impl Backoff {
    /// Returns how long `name` has to wait until its password is looked at; zero: not at all.
    #[must_use]
    pub fn wait(&self, name: &str, now: Tick) -> Duration {
        let Some(failures) = self.failures.get(name) else {
            return Duration::ZERO;
        };
        cost(failures.count).saturating_sub(now.since(failures.last))
    }

    /// Notes a wrong password.
    pub fn failed(&mut self, name: &str, now: Tick) {
        if !self.failures.contains_key(name) && self.failures.len() >= MOST_NAMES {
            self.make_room(now);
        }
        let last = Failures {
            count: 0,
            last: now,
        };
        let failures = self.failures.entry(name.to_owned()).or_insert(last);
        if now.since(failures.last) > MEMORY {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// Notes a right password.
    pub fn succeeded(&mut self, name: &str) {
        self.failures.remove(name);
    }

    fn make_room(&mut self, now: Tick) {
        self.failures
            .retain(|_, failures| now.since(failures.last) <= MEMORY);
        if self.failures.len() >= MOST_NAMES {
            let oldest = self
                .failures
                .iter()
                .min_by_key(|(_, failures)| failures.last);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.failures.remove(&name);
            }
        }
    }
}

/// Returns the wait after that many failures in a row.
fn cost(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn each_failure_costs_twice_the_last() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..14 {
            backoff.failed("ada", at(10));
            waits.push(backoff.wait("ada", at(10)).as_secs());
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.wait("ada", at(11)).as_secs(), 299);
        assert_eq!(backoff.wait("ada", at(400)), Duration::ZERO);
        assert_eq!(backoff.wait("bob", at(10)), Duration::ZERO);
        backoff.failed("ada", at(2_000));
        assert_eq!(backoff.wait("ada", at(2_000)), Duration::ZERO);
        for _ in 0..4 {
            backoff.failed("ada", at(2_000));
        }
        assert!(backoff.wait("ada", at(2_000)) > Duration::ZERO);
        backoff.succeeded("ada");
        assert_eq!(backoff.wait("ada", at(2_000)), Duration::ZERO);
    }

    #[test]
    fn names_are_bounded_and_the_latest_stay() {
        let mut backoff = Backoff::default();
        for number in 0..MOST_NAMES + 10 {
            for _ in 0..=FREE {
                backoff.failed(&number.to_string(), at(u64::from(number > 5)));
            }
        }
        assert_eq!(backoff.failures.len(), MOST_NAMES);
        assert_eq!(backoff.wait("0", at(1)), Duration::ZERO);
        assert!(backoff.wait(&(MOST_NAMES + 9).to_string(), at(1)) > Duration::ZERO);
    }
}

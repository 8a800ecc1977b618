//! How often instances crash, and how long they have to wait until they are started again.

use std::collections::BTreeMap;
use std::time::Duration;

use component_core::tick::Tick;

/// Crashes after which an instance is started again at once.
const FREE: u32 = 3;
/// The pause after the first crash beyond; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(960);
/// An instance that has run for so long since its last crash starts to count anew.
const FORGIVEN: Duration = Duration::from_secs(1200);

/// The crashes of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    crashes: u32,
    last: Tick,
}

/// Process, version and index.
type Instance = (String, String, u32);

/// The crashes of all instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crashes {
    counts: BTreeMap<Instance, Count>,
}

impl Crashes {
    /// Counts a crash.
    pub(crate) fn add(&mut self, process: &str, version: &str, index: u32, now: Tick) {
        let count = self
            .counts
            .entry((process.to_owned(), version.to_owned(), index))
            .or_insert(Count {
                crashes: 0,
                last: now,
            });
        if now.since(count.last) >= FORGIVEN {
            count.crashes = 0;
        }
        count.crashes = count.crashes.saturating_add(1);
        count.last = now;
    }

    /// When the instance may be started again.
    pub(crate) fn due(&self, process: &str, version: &str, index: u32) -> Option<Tick> {
        let key = (process.to_owned(), version.to_owned(), index);
        let count = self.counts.get(&key)?;
        Some(count.last.plus(pause(count.crashes)))
    }

    /// Forgets what was long ago.
    pub(crate) fn forget(&mut self, now: Tick) {
        self.counts
            .retain(|_, count| now.since(count.last) < FORGIVEN);
    }
}

/// The pause after so many crashes.
fn pause(crashes: u32) -> Duration {
    let beyond = crashes.saturating_sub(FREE);
    if beyond == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << (beyond - 1).min(10));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_crashes_are_free_and_pauses_double() {
        for (crashes, seconds) in [
            (1, 0),
            (3, 0),
            (4, 30),
            (5, 60),
            (8, 480),
            (9, 960),
            (99, 960),
        ] {
            assert_eq!(pause(crashes), Duration::from_secs(seconds), "{crashes}");
        }
    }

    #[test]
    fn crashes_are_forgiven() {
        let mut crashes = Crashes::default();
        let at = |seconds: u64| Tick::from_millis(seconds * 1_000);
        for second in 0..4 {
            crashes.add("p", "v", 0, at(second));
        }
        assert_eq!(crashes.due("p", "v", 0), Some(at(33)));
        assert_eq!(
            crashes.due("p", "w", 0),
            None,
            "another version begins anew"
        );
        crashes.add("p", "v", 0, at(2_000));
        assert_eq!(crashes.due("p", "v", 0), Some(at(2_000)));
        crashes.forget(at(3_200));
        assert_eq!(crashes.due("p", "v", 0), None);
    }
}

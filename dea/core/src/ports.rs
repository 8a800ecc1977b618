//! The ports that instances are given.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// The ports that instances are given. One that was given back rests for a while, because a router may
/// still take its address for that of the instance before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The port after the one that was given last.
    next: u16,
    taken: BTreeSet<u16>,
    /// Ports that rest, with the time in milliseconds since 1970 at which they have rested.
    resting: VecDeque<(u16, u64)>,
    #[serde(skip, default = "whole_range")]
    range: RangeInclusive<u16>,
    #[serde(skip)]
    rest_ms: u64,
}

impl Ports {
    /// Ports of `range`, which rest for `rest_ms`.
    #[must_use]
    pub fn new(range: RangeInclusive<u16>, rest_ms: u64) -> Self {
        Self {
            next: *range.start(),
            taken: BTreeSet::new(),
            resting: VecDeque::new(),
            range,
            rest_ms,
        }
    }

    /// Goes on with the ports of the last run.
    #[must_use]
    pub fn resumed(self, range: RangeInclusive<u16>, rest_ms: u64) -> Self {
        Self {
            range,
            rest_ms,
            ..self
        }
    }

    /// Returns a port that nobody has had for a while; none when there is none.
    pub fn take(&mut self, now_ms: u64) -> Option<u16> {
        while let Some((_, until_ms)) = self.resting.front()
            && *until_ms <= now_ms
        {
            self.resting.pop_front();
        }
        let (start, end) = (*self.range.start(), *self.range.end());
        let middle = self.next.clamp(start, end);
        let resting: BTreeSet<u16> = self.resting.iter().map(|(port, _)| *port).collect();
        let port = (middle..=end)
            .chain(start..middle)
            .find(|port| !self.taken.contains(port) && !resting.contains(port))?;
        self.taken.insert(port);
        self.next = if port == end { start } else { port + 1 };
        Some(port)
    }

    /// Lets `port` rest.
    pub fn give_back(&mut self, port: u16, now_ms: u64) {
        if self.taken.remove(&port) {
            let until_ms = now_ms.saturating_add(self.rest_ms);
            self.resting.push_back((port, until_ms));
        }
    }
}

fn whole_range() -> RangeInclusive<u16> {
    1..=u16::MAX
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_port_rests_and_the_last_ones_are_used_up() {
        let mut ports = Ports::new(10..=12, 100);
        assert_eq!(ports.take(0), Some(10));
        ports.give_back(10, 5);
        ports.give_back(10, 6);
        ports.give_back(99, 6);
        assert_eq!(ports.take(6), Some(11));
        assert_eq!(ports.take(6), Some(12));
        assert_eq!(ports.take(104), None);
        let kept = serde_json::to_string(&ports).unwrap();
        let mut ports: Ports = serde_json::from_str::<Ports>(&kept)
            .unwrap()
            .resumed(10..=12, 100);
        assert_eq!(ports.take(104), None);
        assert_eq!(ports.take(105), Some(10));
        assert_eq!(ports.take(106), None);
        let mut last = Ports::new(u16::MAX..=u16::MAX, 0);
        assert_eq!(last.take(0), Some(u16::MAX));
        assert_eq!(last.take(0), None);
    }

    proptest! {
        #[test]
        fn no_port_is_given_twice_within_its_rest(
            steps in prop::collection::vec((any::<bool>(), 0..60_u64, any::<prop::sample::Index>()), 0..80),
        ) {
            let mut ports = Ports::new(1000..=1009, 100);
            let (mut now, mut held, mut free_since) = (0, Vec::new(), BTreeMap::new());
            for (takes, pause, which) in steps {
                now += pause;
                if takes {
                    if let Some(port) = ports.take(now) {
                        prop_assert!(!held.contains(&port));
                        prop_assert!((1000..=1009).contains(&port));
                        if let Some(since) = free_since.get(&port) {
                            prop_assert!(now - since >= 100);
                        }
                        held.push(port);
                    }
                } else if !held.is_empty() {
                    let port = held.swap_remove(which.index(held.len()));
                    ports.give_back(port, now);
                    free_since.insert(port, now);
                }
            }
        }
    }
}

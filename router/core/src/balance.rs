//! How one endpoint among several is chosen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rule by which a pool takes turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Each endpoint in its turn, as often as its weight says.
    #[default]
    RoundRobin,
    /// The endpoint with the fewest exchanges under way for its weight.
    LeastConnection,
}

impl Balance {
    /// Reads the name used in configuration and in registrations.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "round-robin" => Some(Self::RoundRobin),
            "least-connection" => Some(Self::LeastConnection),
            _ => None,
        }
    }

    /// The name used in configuration and in registrations.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnection => "least-connection",
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The order of turns among endpoints of different weights.
///
/// Turns of one endpoint lie as far apart as its weight allows, so that no endpoint gets a burst.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Schedule(Box<[u32]>);

impl Schedule {
    /// Longest round; weights that need a longer one are scaled down to it.
    const MAX_TURNS: u64 = 4096;

    /// A round for endpoints of these weights; `None` when all weigh the same.
    pub(crate) fn new(weights: &[u16]) -> Option<Self> {
        let divisor = weights
            .iter()
            .fold(0, |divisor, weight| gcd(divisor, *weight))
            .max(1);
        let turns: u64 = weights
            .iter()
            .map(|weight| u64::from(weight / divisor))
            .sum();
        let scale = |weight: u16| match u64::from(weight / divisor) {
            share if turns <= Self::MAX_TURNS => share,
            share => (share * Self::MAX_TURNS / turns).max(1),
        };
        if weights.iter().all(|weight| *weight == weights[0]) {
            return None;
        }
        // Turn k of n falls at (2k + 1) / 2n of the round; compared as whole numbers.
        let mut round: Vec<(u64, u32)> = Vec::new();
        for (index, weight) in (0u32..).zip(weights) {
            let share = scale(*weight);
            round.extend((0..share).map(|turn| (((2 * turn + 1) << 32) / (2 * share), index)));
        }
        round.sort_unstable();
        Some(Self(round.into_iter().map(|(_, index)| index).collect()))
    }

    /// Whose turn number `turn` is.
    pub(crate) fn at(&self, turn: u32) -> usize {
        self.0[turn as usize % self.0.len()] as usize
    }
}

fn gcd(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(weights: &[u16], round: &[u32]) {
        assert_eq!(
            Schedule::new(weights).map(|s| s.0.to_vec()),
            Some(round.to_vec())
        );
    }

    #[test]
    fn turns_are_spread_over_the_round() {
        check(&[2, 1], &[0, 1, 0]);
        check(&[1, 3], &[1, 0, 1, 1]);
        check(&[20, 10], &[0, 1, 0]);
        check(&[3, 2, 1], &[0, 1, 0, 2, 1, 0]);
        assert_eq!(Schedule::new(&[7, 7, 7]), None);
        assert_eq!(Schedule::new(&[7]), None);
        assert_eq!(Schedule::new(&[]), None);
    }

    proptest! {
        #[test]
        fn everybody_gets_about_his_share(
            weights in proptest::collection::vec(1u16..=1000, 2..40)
        ) {
            if let Some(schedule) = Schedule::new(&weights) {
                let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
                let turns = schedule.0.len() as f64;
                prop_assert!(schedule.0.len() <= 4096 + weights.len());
                for (index, weight) in weights.iter().enumerate() {
                    let got = schedule.0.iter().filter(|i| **i as usize == index).count() as f64;
                    prop_assert!(got >= 1.0);
                    let due = f64::from(*weight) / total * turns;
                    prop_assert!((got - due).abs() <= 1.0 + due * 0.02, "{got} of {due}");
                }
            }
        }
    }
}

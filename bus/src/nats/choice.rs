//! Which server to try next, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The pause after a first failure, and the most by which clients spread themselves when they all
/// lost their server in the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The memory of the attempts to connect, and of connections that did not last.
#[derive(Debug)]
pub(super) struct Choice {
    max_pause: Duration,
    /// Failures in a row by server. Never longer than the list of servers it was asked about.
    failures: BTreeMap<Arc<str>, u32>,
    /// Whether there was an attempt before.
    tried: bool,
}

impl Choice {
    pub(super) fn new(max_pause: Duration) -> Self {
        Self {
            max_pause: max_pause.max(FIRST_PAUSE),
            failures: BTreeMap::new(),
            tried: false,
        }
    }

    /// The server could not be reached, or was lost soon after it had been.
    pub(super) fn failed(&mut self, server: &Arc<str>) {
        let failures = self.failures.entry(Arc::clone(server)).or_default();
        *failures = failures.saturating_add(1);
    }

    /// The server was lost, and had been good for long.
    pub(super) fn lasted(&mut self, server: &Arc<str>) {
        self.failures.remove(server);
    }

    /// The index of the server to try next, one of those that failed least, and the pause before.
    /// None when there is none.
    pub(super) fn next(
        &mut self,
        servers: &[Arc<str>],
        random: &mut fastrand::Rng,
    ) -> Option<(usize, Duration)> {
        self.failures.retain(|server, _| servers.contains(server));
        let failures = |server: &Arc<str>| self.failures.get(server).copied().unwrap_or(0);
        let least = servers.iter().map(failures).min()?;
        let best: Vec<usize> = (0..servers.len())
            .filter(|&index| failures(&servers[index]) == least)
            .collect();
        let index = *random.choice(&best)?;
        let pause = self.pause(least).mul_f64(0.5 + random.f64() / 2.0);
        self.tried = true;
        Some((index, pause))
    }

    /// The longest pause before a server that failed so often in a row.
    fn pause(&self, failures: u32) -> Duration {
        match failures {
            0 if !self.tried => Duration::ZERO,
            0 => FIRST_PAUSE,
            n => FIRST_PAUSE
                .saturating_mul(1_u32.checked_shl(n - 1).unwrap_or(u32::MAX))
                .min(self.max_pause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn pauses_grow_up_to_the_limit_and_start_anew_after_a_good_connection() {
        let mut choice = Choice::new(Duration::from_secs(4));
        let mut random = fastrand::Rng::with_seed(1);
        let servers = servers(&["a:1"]);
        let mut pause = |choice: &mut Choice, upper: u64| {
            let (_, pause) = choice.next(&servers, &mut random).unwrap();
            let upper = Duration::from_millis(upper);
            assert!(pause >= upper / 2 && pause <= upper, "{pause:?} {upper:?}");
        };
        pause(&mut choice, 0);
        for upper in [100, 200, 400, 800, 1_600, 3_200, 4_000, 4_000] {
            choice.failed(&servers[0]);
            pause(&mut choice, upper);
        }
        for _ in 0..100 {
            choice.failed(&servers[0]);
            pause(&mut choice, 4_000);
        }
        choice.lasted(&servers[0]);
        pause(&mut choice, 100);
        choice.failed(&servers[0]);
        choice.failed(&servers[0]);
        pause(&mut choice, 200);
    }

    #[test]
    fn a_server_that_failed_waits_for_the_others() {
        let mut random = fastrand::Rng::with_seed(2);
        let servers = servers(&["a:1", "b:1", "c:1"]);
        let mut choice = Choice::new(Duration::from_secs(4));
        for round in 0..20 {
            let mut tried: Vec<usize> = (0..3)
                .map(|_| {
                    let (index, _) = choice.next(&servers, &mut random).unwrap();
                    choice.failed(&servers[index]);
                    index
                })
                .collect();
            tried.sort_unstable();
            assert_eq!(tried, [0, 1, 2], "round {round}");
        }
    }

    #[test]
    fn a_server_that_left_the_list_is_forgotten() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut choice = Choice::new(Duration::from_secs(4));
        for n in 0..100 {
            let servers = servers(&[&format!("{n}:1")]);
            choice.next(&servers, &mut random).unwrap();
            choice.failed(&servers[0]);
        }
        assert!(choice.failures.len() <= 2);
        assert!(choice.next(&[], &mut random).is_none());
    }
}

//! Which server to try next, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The pause after a first failure, and the most by which clients spread themselves when they all
/// lost their server in the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The memory of the attempts to connect. It counts by itself: the client library does not count
/// a name that cannot be resolved as a failure of that server.
#[derive(Debug)]
pub(super) struct Choice {
    max_pause: Duration,
    /// Failures in a row by server. Never longer than the list of servers it was asked about.
    failures: BTreeMap<Arc<str>, u32>,
    trying: Option<Arc<str>>,
    /// The last connection, as its server and its number there.
    connection: Option<(String, u64)>,
}

/// How the attempt before this one ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// There was none.
    Nothing,
    /// It connected.
    Connected,
    /// It failed.
    Failed(Arc<str>),
}

impl Choice {
    pub(super) fn new(max_pause: Duration) -> Self {
        Self {
            max_pause: max_pause.max(FIRST_PAUSE),
            failures: BTreeMap::new(),
            trying: None,
            connection: None,
        }
    }

    /// The server that was chosen last.
    pub(super) fn current(&self) -> Option<Arc<str>> {
        self.trying.clone()
    }

    /// Takes note of how the last attempt ended. `connection` is the last one that was made, as its
    /// server and its number there; an empty server is none.
    pub(super) fn learn(&mut self, (server, number): (&str, u64)) -> Past {
        let connection = (!server.is_empty()).then(|| (server.to_owned(), number));
        let connected = connection != self.connection;
        self.connection = connection;
        let Some(server) = self.trying.take() else {
            return Past::Nothing;
        };
        if connected {
            self.failures.remove(&server);
            return Past::Connected;
        }
        let failures = self.failures.entry(Arc::clone(&server)).or_default();
        *failures = failures.saturating_add(1);
        Past::Failed(server)
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
        self.trying = Some(Arc::clone(&servers[index]));
        Some((index, pause))
    }

    /// The longest pause before a server that failed so often in a row.
    fn pause(&self, failures: u32) -> Duration {
        match failures {
            0 if self.connection.is_none() => Duration::ZERO,
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

    const NONE: (&str, u64) = ("", 0);

    fn servers(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn pauses_grow_up_to_the_limit_and_start_anew_after_a_connection() {
        let mut choice = Choice::new(Duration::from_secs(4));
        let mut random = fastrand::Rng::with_seed(1);
        let servers = servers(&["a:1"]);
        let mut pause = |connection, upper: u64| {
            choice.learn(connection);
            let (_, pause) = choice.next(&servers, &mut random).unwrap();
            let upper = Duration::from_millis(upper);
            assert!(pause >= upper / 2 && pause <= upper, "{pause:?} {upper:?}");
        };
        pause(NONE, 0);
        for upper in [100, 200, 400, 800, 1_600, 3_200, 4_000, 4_000] {
            pause(NONE, upper);
        }
        for _ in 0..100 {
            pause(NONE, 4_000);
        }
        pause(("A", 1), 100);
        pause(("A", 1), 100);
        pause(("A", 1), 200);
        pause(("A", 2), 100);
        pause(("B", 2), 100);
    }

    #[test]
    fn a_server_that_failed_waits_for_the_others() {
        let mut random = fastrand::Rng::with_seed(2);
        let servers = servers(&["a:1", "b:1", "c:1"]);
        let mut choice = Choice::new(Duration::from_secs(4));
        for round in 0..20 {
            let mut tried: Vec<usize> = (0..3)
                .map(|_| {
                    choice.learn(NONE);
                    choice.next(&servers, &mut random).unwrap().0
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
            choice.learn(NONE);
            let name = format!("{n}:1");
            choice.next(&servers(&[&name]), &mut random).unwrap();
        }
        assert!(choice.failures.len() <= 1);
        assert!(choice.next(&[], &mut random).is_none());
    }

    #[test]
    fn the_past_is_told_once() {
        let mut random = fastrand::Rng::with_seed(4);
        let mut choice = Choice::new(Duration::from_secs(4));
        let servers = servers(&["a:1"]);
        assert_eq!(choice.learn(NONE), Past::Nothing);
        choice.next(&servers, &mut random);
        assert_eq!(choice.learn(NONE), Past::Failed("a:1".into()));
        choice.next(&servers, &mut random);
        assert_eq!(choice.learn(("A", 1)), Past::Connected);
        assert_eq!(choice.learn(("A", 1)), Past::Nothing);
    }
}

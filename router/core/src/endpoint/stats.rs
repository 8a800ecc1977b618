//! Counts and marks of an endpoint, shared by all workers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::news::News;
use component_core::tick::{Tick, millis};

/// Counts and marks of one endpoint.
///
/// Outlives the table it is read from: an ejection must survive a registration. All accesses are
/// relaxed; nothing else is ordered by them.
#[derive(Debug, Default)]
pub struct EndpointStats {
    in_flight: AtomicU32,
    failures: AtomicU32,
    requests: AtomicU64,
    /// Milliseconds on the clock of [`Tick`]; 0 for no mark.
    failed_at: AtomicU64,
    /// Lines about its failures, since it has had one.
    news: OnceLock<Box<News>>,
}

impl EndpointStats {
    /// Counts one exchange, unless `max` are under way already; 0 is no limit.
    pub fn begin(self: &Arc<Self>, max: u32) -> Option<InFlight> {
        if max == 0 {
            self.in_flight.fetch_add(1, Relaxed);
        } else {
            let below = |count: u32| (count < max).then_some(count + 1);
            self.in_flight.fetch_update(Relaxed, Relaxed, below).ok()?;
        }
        self.requests.fetch_add(1, Relaxed);
        Some(InFlight {
            stats: Arc::clone(self),
        })
    }

    /// Exchanges under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Exchanges begun so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Failures so far.
    pub fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// For how much longer it is out of rotation, when ejections last `ejection`.
    pub fn ejected_for(&self, ejection: Duration, now: Tick) -> Option<Duration> {
        match self.failed_at.load(Relaxed) {
            0 => None,
            failed_at => {
                let left = ejection.saturating_sub(now.since(Tick::from_millis(failed_at)));
                (!left.is_zero()).then_some(left)
            }
        }
    }

    /// Whether a failure at `now` is worth a line in the log: one a second is. If so, how many since
    /// the last line were not.
    pub fn failure_line(&self, now: Tick) -> Option<u32> {
        self.news.get_or_init(Box::default).failed(now)
    }

    /// The same of its ejection, which must not have begun yet: one that is only prolonged is not
    /// worth a line.
    pub fn ejection_line(&self, ejection: Duration, now: Tick) -> Option<u32> {
        let out = self.is_ejected(ejection, now);
        (!out).then(|| self.news.get_or_init(Box::default).ejected(now))?
    }

    /// The same of a response that came at `now`: the first after an ejection is over.
    #[inline]
    pub fn recovery_line(&self, ejection: Duration, now: Tick) -> Option<u32> {
        let news = self.news.get()?;
        (!self.is_ejected(ejection, now)).then(|| news.recovered(now))?
    }

    /// The same as a question, for the hot path.
    pub(crate) fn is_ejected(&self, ejection: Duration, now: Tick) -> bool {
        match self.failed_at.load(Relaxed) {
            0 => false,
            failed_at => now.as_millis().saturating_sub(failed_at) < millis(ejection),
        }
    }

    pub(crate) fn mark_failed(&self, now: Tick) {
        self.failures.fetch_add(1, Relaxed);
        self.failed_at.store(now.as_millis().max(1), Relaxed);
    }

    /// Reads first: a healthy endpoint's cache line stays as it is.
    pub(crate) fn mark_healthy(&self) {
        if self.failed_at.load(Relaxed) != 0 {
            self.failed_at.store(0, Relaxed);
        }
    }
}

/// One exchange under way; the count goes down when this is dropped, so hold it to the end of the
/// body.
#[derive(Debug)]
pub struct InFlight {
    stats: Arc<EndpointStats>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.stats.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_until_an_exchange_ends() {
        let stats = Arc::new(EndpointStats::default());
        let first = stats.begin(2).unwrap();
        let _second = stats.begin(2).unwrap();
        assert!(stats.begin(2).is_none());
        assert!(stats.begin(0).is_some());
        assert_eq!((stats.in_flight(), stats.requests()), (2, 3));
        drop(first);
        assert!(stats.begin(2).is_some());
    }

    #[test]
    fn an_ejection_and_its_end_are_told_once() {
        let stats = EndpointStats::default();
        let (ejection, at) = (Duration::from_secs(30), Tick::from_millis);
        assert_eq!(stats.recovery_line(ejection, at(1)), None);
        assert_eq!(stats.ejection_line(ejection, at(1_000)), Some(0));
        stats.mark_failed(at(1_000));
        assert_eq!(stats.ejection_line(ejection, at(9_000)), None);
        assert_eq!(stats.recovery_line(ejection, at(9_000)), None);
        assert_eq!(stats.recovery_line(ejection, at(31_000)), Some(0));
        assert_eq!(stats.recovery_line(ejection, at(31_001)), None);
        assert_eq!(stats.ejection_line(ejection, at(40_000)), Some(0));
    }

    #[test]
    fn an_ejection_ends_by_time_or_by_success() {
        let stats = EndpointStats::default();
        let (ejection, at) = (Duration::from_secs(30), Tick::from_millis);
        stats.mark_failed(at(0));
        assert!(stats.is_ejected(ejection, at(30_000)));
        assert!(!stats.is_ejected(ejection, at(30_001)));
        stats.mark_failed(at(1_000));
        assert_eq!(
            stats.ejected_for(ejection, at(11_000)),
            Some(Duration::from_secs(20))
        );
        assert_eq!(stats.ejected_for(ejection, at(31_000)), None);
        stats.mark_failed(at(50_000));
        stats.mark_healthy();
        assert_eq!(stats.ejected_for(ejection, at(50_000)), None);
        assert_eq!(stats.failures(), 3);
    }
}

//! What is known of names, and for how long it holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{PATIENCE_WITH_ANSWER, ResolveError};

/// Names that are remembered. One more takes the place of the one that was asked for least lately.
const NAMES: usize = 4096;

/// How long a failure holds, so that a name that does not exist is not looked up by each request.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// The addresses of a name, or why there are none.
pub(super) type Answer = Result<Arc<[IpAddr]>, ResolveError>;

/// A lookup that is under way, for those who wait for it.
pub(super) type Lookup = watch::Receiver<Option<Answer>>;

/// What is known of names.
#[derive(Debug)]
pub(super) struct Cache {
    interval: Duration,
    names: HashMap<Box<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The last good answer. It is never forgotten for a bad one.
    addresses: Option<Arc<[IpAddr]>>,
    /// Until when it, or the failure, holds.
    holds_until: Instant,
    failure: Option<ResolveError>,
    /// The lookup that is under way, and since when.
    lookup: Option<(watch::Sender<Option<Answer>>, Instant)>,
    asked: Instant,
}

/// What to do for somebody who asks for a name. With each goes the last good answer, however old.
#[derive(Debug)]
pub(super) enum Next {
    /// It is known.
    Use(Answer),
    /// It is known, but not for much longer: look it up for those who ask later.
    Refresh(Arc<[IpAddr]>),
    /// It is being looked up.
    Wait(Lookup, Option<Arc<[IpAddr]>>),
    /// It must be looked up.
    LookUp(Option<Arc<[IpAddr]>>),
}

impl Cache {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            names: HashMap::new(),
        }
    }

    pub(super) fn next(&mut self, name: &str, now: Instant) -> Next {
        let Some(entry) = self.names.get_mut(name) else {
            return Next::LookUp(None);
        };
        entry.asked = now;
        let last = entry.addresses.clone();
        let holds = now < entry.holds_until;
        match (&entry.lookup, last) {
            (_, Some(last)) if holds => {
                // The last quarter of its time. Failures have just been tried.
                let aging = entry.holds_until - now < self.interval / 4;
                if aging && entry.lookup.is_none() && entry.failure.is_none() {
                    Next::Refresh(last)
                } else {
                    Next::Use(Ok(last))
                }
            }
            // The next try may fail as slowly as this one did.
            (None, Some(last)) if entry.failure.is_some() => Next::Refresh(last),
            // The lookup under way may fail as the last one did, or hang: nobody else waits for that.
            (Some((_, since)), Some(last))
                if entry.failure.is_some() || now - *since >= PATIENCE_WITH_ANSWER =>
            {
                Next::Use(Ok(last))
            }
            (Some((lookup, _)), last) => Next::Wait(lookup.subscribe(), last),
            (None, last) => match &entry.failure {
                Some(failure) if holds => Next::Use(Err(failure.clone())),
                _ => Next::LookUp(last),
            },
        }
    }

    /// Notes that a lookup is under way.
    pub(super) fn begin(&mut self, name: &str, now: Instant) -> Lookup {
        if !self.names.contains_key(name) {
            self.make_room();
        }
        let entry = self.names.entry(name.into()).or_insert_with(|| Entry {
            addresses: None,
            holds_until: now,
            failure: None,
            lookup: None,
            asked: now,
        });
        let (sender, lookup) = watch::channel(None);
        entry.lookup = Some((sender, now));
        lookup
    }

    /// Notes what a lookup came to, and tells those who wait for it.
    pub(super) fn finish(&mut self, name: &str, answer: Answer, now: Instant) {
        // It may have made room for another name meanwhile; then nobody waits either.
        let Some(entry) = self.names.get_mut(name) else {
            return;
        };
        match &answer {
            Ok(addresses) => {
                entry.addresses = Some(Arc::clone(addresses));
                entry.failure = None;
                entry.holds_until = now + self.interval;
            }
            Err(error) => {
                entry.failure = Some(error.clone());
                entry.holds_until = now + FAILURE_HOLDS.min(self.interval);
            }
        }
        if let Some((lookup, _)) = entry.lookup.take() {
            lookup.send_replace(Some(answer));
        }
    }

    fn make_room(&mut self) {
        if self.names.len() < NAMES {
            return;
        }
        let oldest = self.names.iter().min_by_key(|(_, entry)| entry.asked);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.names.remove(&name);
        }
    }

    #[cfg(test)]
    pub(super) fn is_looking_up(&self, name: &str) -> bool {
        let entry = self.names.get(name);
        entry.is_some_and(|entry| entry.lookup.is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_lookup_that_hangs_or_has_just_failed() {
        let mut cache = Cache::new(Duration::from_secs(30));
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let address: Arc<[IpAddr]> = [IpAddr::from([10, 0, 0, 1])].into();
        drop(cache.begin("a", at(0)));
        cache.finish("a", Ok(Arc::clone(&address)), at(0));
        // What was known holds no longer.
        assert!(matches!(cache.next("a", at(31_000)), Next::LookUp(Some(_))));
        drop(cache.begin("a", at(31_000)));
        assert!(matches!(
            cache.next("a", at(31_100)),
            Next::Wait(_, Some(_))
        ));
        assert!(matches!(cache.next("a", at(31_500)), Next::Use(Ok(_))));
        let failure = ResolveError::Unknown(Arc::new(std::io::ErrorKind::NotFound.into()));
        cache.finish("a", Err(failure), at(36_000));
        assert!(matches!(cache.next("a", at(37_100)), Next::Refresh(_)));
        drop(cache.begin("a", at(37_100)));
        assert!(matches!(cache.next("a", at(37_101)), Next::Use(Ok(_))));
    }

    #[test]
    fn names_are_bounded() {
        let mut cache = Cache::new(Duration::from_secs(30));
        let start = Instant::now();
        for n in 0..NAMES + 100 {
            let now = start + Duration::from_millis(u64::try_from(n).unwrap());
            cache.begin(&n.to_string(), now);
            cache.next("0", now);
        }
        assert_eq!(cache.len(), NAMES);
        let later = start + Duration::from_secs(60);
        assert!(matches!(cache.next("0", later), Next::Wait(..)));
        assert!(matches!(cache.next("1", later), Next::LookUp(None)));
    }
}

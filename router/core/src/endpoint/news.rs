//! What is worth a line in the log about one endpoint, at most one of a kind a second.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use component_core::tick::Tick;

/// Milliseconds between two lines of a kind.
const PAUSE: u64 = 1000;

/// The lines about an endpoint that has failed; others have none of this.
#[derive(Debug, Default)]
pub(super) struct News {
    failed: LineCount,
    ejected: LineCount,
    recovered: LineCount,
    /// Its ejection was told of, and its return was not.
    out: AtomicBool,
}

impl News {
    pub(super) fn failed(&self, now: Tick) -> Option<u32> {
        self.failed.take(now)
    }

    pub(super) fn ejected(&self, now: Tick) -> Option<u32> {
        self.out.store(true, Relaxed);
        self.ejected.take(now)
    }

    pub(super) fn recovered(&self, now: Tick) -> Option<u32> {
        // Reads first: after the first response there is nothing to tell any more.
        let told = self.out.load(Relaxed) && self.out.swap(false, Relaxed);
        told.then(|| self.recovered.take(now)).flatten()
    }
}

/// LineCount of one kind.
#[derive(Debug, Default)]
struct LineCount {
    /// When the last was written, in milliseconds; 0 for never.
    written: AtomicU64,
    left_out: AtomicU32,
}

impl LineCount {
    /// Whether a line is due, and if so, how many were left out before it.
    fn take(&self, now: Tick) -> Option<u32> {
        let now = now.as_millis().max(1);
        let written = self.written.load(Relaxed);
        let due = written == 0 || now.saturating_sub(written) >= PAUSE;
        // Of several at the same moment one is written.
        let mine = due
            && self
                .written
                .compare_exchange(written, now, Relaxed, Relaxed)
                .is_ok();
        if mine {
            Some(self.left_out.swap(0, Relaxed))
        } else {
            self.left_out.fetch_add(1, Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_that_counts_the_others() {
        let news = News::default();
        let at = Tick::from_millis;
        assert_eq!(news.failed(at(0)), Some(0));
        for millis in 1..500 {
            assert_eq!(news.failed(at(millis)), None);
        }
        assert_eq!(news.ejected(at(500)), Some(0));
        assert_eq!(news.failed(at(1_001)), Some(499));
        assert_eq!(news.failed(at(9_000)), Some(0));
    }

    #[test]
    fn a_return_is_told_once_and_only_after_an_ejection() {
        let news = News::default();
        let at = Tick::from_millis;
        assert_eq!(news.recovered(at(5)), None);
        assert!(news.ejected(at(10)).is_some());
        assert_eq!(news.recovered(at(20)), Some(0));
        assert_eq!(news.recovered(at(5_000)), None);
    }
}

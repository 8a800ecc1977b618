//! Whether the writer is idle, told without a lock.
//!
//! While the writer is idle the reader renews an endpoint itself, by storing a time in it, and need not
//! wake the writer. The two must not miss each other: a writer that is about to remove the endpoint has
//! to see the new time, or the reader has to learn that it must hand its message over.
//!
//! | reader | writer |
//! |---|---|
//! | [`idle`](WriterEpoch::idle): the epoch is even, and all that was offered is applied | [`begin`](WriterEpoch::begin): the epoch becomes odd; fence |
//! | loads the table, stores the time | loads times, edits the table, publishes it |
//! | fence; [`is_still`](WriterEpoch::is_still): the epoch is the same | [`end`](WriterEpoch::end): the epoch becomes even |
//!
//! The fences order each side's store before its own load. So at least one of the two loads sees the
//! other side's store: the writer finds the new time, or the reader finds another epoch. A reader whose
//! epoch is from before the writer's whole work finds another epoch too; one whose epoch is from after it
//! has the table that the writer published.

use super::atomics::{AtomicU64, Ordering::SeqCst, fence};

/// Shared by one reader and one writer.
#[derive(Debug, Default)]
pub(super) struct WriterEpoch {
    /// Odd while the writer is at work.
    epoch: AtomicU64,
    /// Batches that the reader has offered.
    offered: AtomicU64,
    /// Batches of these that are in the published table.
    applied: AtomicU64,
}

/// A moment in which the writer was idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle(u64);

impl WriterEpoch {
    /// Counts a batch that the reader hands over.
    pub(super) fn offer(&self) {
        self.offered.fetch_add(1, SeqCst);
    }

    /// Returns how many batches were offered so far.
    pub(super) fn offered(&self) -> u64 {
        self.offered.load(SeqCst)
    }

    /// Returns the moment if the writer is idle and the published table has all that was offered. For
    /// the reader.
    pub(super) fn idle(&self) -> Option<Idle> {
        let epoch = self.epoch.load(SeqCst);
        let is_idle =
            epoch.is_multiple_of(2) && self.offered.load(SeqCst) == self.applied.load(SeqCst);
        is_idle.then_some(Idle(epoch))
    }

    /// Returns whether the writer has not begun anything since that moment. If it has, what the reader
    /// stored since may have been missed. For the reader.
    pub(super) fn is_still(&self, idle: Idle) -> bool {
        fence(SeqCst);
        self.epoch.load(SeqCst) == idle.0
    }

    /// Begins the writer's work.
    pub(super) fn begin(&self) {
        self.epoch.fetch_add(1, SeqCst);
        fence(SeqCst);
    }

    /// Ends the writer's work: what came of the first `offered` batches is published.
    pub(super) fn end(&self, offered: u64) {
        self.applied.store(offered, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
    }

    /// Ends the work of a writer that is gone, wherever it was. For whoever starts the next one.
    pub(super) fn abandon(&self) {
        self.applied.store(self.offered.load(SeqCst), SeqCst);
        if !self.epoch.load(SeqCst).is_multiple_of(2) {
            self.epoch.fetch_add(1, SeqCst);
        }
    }
}

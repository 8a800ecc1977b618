//! What a registration said, in eight bytes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Stands for the bytes of a message: the same bytes have the same digest, and others almost surely
/// another. Whoever reads messages computes it, with a secret of its own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Of no message; nothing is known to repeat it.
    pub const NONE: Self = Self(0);

    /// Of a message with that hash.
    #[must_use]
    pub fn of(hash: u64) -> Self {
        Self(hash.max(1))
    }
}

/// The digest of the message that last said what is known of an endpoint.
#[derive(Debug)]
pub(super) struct Said(AtomicU64);

impl Said {
    pub(super) const fn new(digest: Digest) -> Self {
        Self(AtomicU64::new(digest.0))
    }

    pub(super) fn again(&self, digest: Digest) {
        self.0.store(digest.0, Relaxed);
    }

    pub(super) fn is(&self, digest: Digest) -> bool {
        digest != Digest::NONE && self.0.load(Relaxed) == digest.0
    }
}

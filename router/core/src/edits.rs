//! What a rule changes in a head.

use std::ops::Range;

use crate::{byte_scan, decimal};

/// What changes in a head. Reused from message to message.
#[derive(Debug, Default)]
pub struct Edits {
    dropped: [u64; 16],
    /// Whether anything is dropped.
    drops: bool,
    /// Added fields as lines with their line ends.
    pub(crate) added: Vec<u8>,
    /// Where the value of `X-Forwarded-For` lies in `added`.
    pub(crate) forwarded_for: Range<usize>,
}

/// Fields beyond this index cannot be dropped one by one; limits on their count stay below.
pub const MOST_FIELDS: usize = 16 * 64;

impl Edits {
    /// Forgets the last head.
    pub fn clear(&mut self) {
        if self.drops {
            self.dropped = [0; 16];
            self.drops = false;
        }
        self.added.clear();
        self.forwarded_for = 0..0;
    }

    /// Drops the field at `index`.
    #[inline]
    pub fn drop_field(&mut self, index: usize) {
        self.drops = true;
        if let Some(word) = self.dropped.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Whether the field at `index` is dropped.
    #[inline]
    #[must_use]
    pub fn is_dropped(&self, index: usize) -> bool {
        self.dropped
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether every field stays.
    #[must_use]
    pub const fn drops_nothing(&self) -> bool {
        !self.drops
    }

    /// Adds a field. Bytes that would end the line are left out, whoever put them there.
    #[inline]
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.begin_line(name);
        self.add_value(value);
        self.end_line();
    }

    /// Begins a field whose value comes in pieces, by [`add_value`](Self::add_value).
    #[inline]
    pub fn begin_line(&mut self, name: &str) {
        self.added.extend_from_slice(name.as_bytes());
        self.added.extend_from_slice(b": ");
    }

    /// Adds a piece of a value.
    pub fn add_value(&mut self, value: &[u8]) {
        // Everything that ends a line is below this, and nothing else that is usual.
        if byte_scan::any(value, |block| byte_scan::below(block, b'\r' + 1)) {
            self.added.extend(
                value
                    .iter()
                    .filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)),
            );
        } else {
            self.added.extend_from_slice(value);
        }
    }

    /// Ends a field begun by [`begin_line`](Self::begin_line).
    #[inline]
    pub fn end_line(&mut self) {
        self.added.extend_from_slice(b"\r\n");
    }

    /// Adds a number as a piece of a value.
    pub fn add_number(&mut self, number: u64) {
        decimal::unsigned(number, &mut self.added);
    }

    /// The added fields, as lines with their line ends.
    #[must_use]
    pub fn added(&self) -> &[u8] {
        &self.added
    }

    /// The value of the added `X-Forwarded-For`, for the log; empty when there is none.
    #[must_use]
    pub fn forwarded_for(&self) -> &[u8] {
        self.added.get(self.forwarded_for.clone()).unwrap_or(&[])
    }
}

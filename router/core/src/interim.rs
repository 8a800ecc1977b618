//! How many interim responses one request may bring (RFC 9110 §15.2).
//!
//! Any number may precede the final one, and a backend that reports its progress for hours does
//! send many. What is bounded is their rate, and their bytes in all.

use component_core::tick::Tick;

/// Interim responses that may come at once.
const BURST: u64 = 64;

/// Milliseconds after which one more may come.
const EVERY_MS: u64 = 50;

/// Bytes of all of them together.
const BYTES: usize = 1 << 20;

/// What is left of the allowance of one request.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// When the next one is due if they came evenly.
    due_ms: u64,
    bytes: usize,
}

impl Allowance {
    /// The whole allowance.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            due_ms: 0,
            bytes: BYTES,
        }
    }

    /// Takes an interim response of `bytes` bytes that came at `now` from the allowance. Returns
    /// whether it was there.
    #[must_use]
    pub fn admits(&mut self, bytes: usize, now: Tick) -> bool {
        let now = now.as_millis();
        let due = self.due_ms.max(now);
        let Some(left) = self.bytes.checked_sub(bytes) else {
            return false;
        };
        if due - now > (BURST - 1) * EVERY_MS {
            return false;
        }
        self.due_ms = due + EVERY_MS;
        self.bytes = left;
        true
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(count: u64, apart_ms: u64, bytes: usize) -> u64 {
        let mut allowance = Allowance::new();
        let at = |number: u64| Tick::from_millis(1_000 + number * apart_ms);
        (0..count)
            .take_while(|&number| allowance.admits(bytes, at(number)))
            .count() as u64
    }

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        assert_eq!(admitted(BURST, 0, 60), BURST);
        assert_eq!(admitted(10 * BURST, 0, 60), BURST);
    }

    #[test]
    fn any_number_passes_at_a_moderate_rate() {
        assert_eq!(admitted(10_000, EVERY_MS, 60), 10_000);
        assert_eq!(admitted(10_000, EVERY_MS / 2, 60), 2 * BURST - 1);
    }

    #[test]
    fn their_bytes_are_bounded_in_all() {
        assert_eq!(admitted(1_000, 1_000, BYTES / 100), 100);
        assert_eq!(admitted(1, 0, BYTES + 1), 0);
    }
}

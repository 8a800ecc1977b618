//! Things of one worker that are used over and over, so that none is allocated anew.

use std::cell::RefCell;

/// Used things that wait for their next use, the last returned first out: it is still in the cache.
/// Whoever does not give a thing back has it freed, which is as well.
#[derive(Debug)]
pub(crate) struct Spares<T> {
    free: RefCell<Vec<T>>,
}

/// Spares kept for the next taker; more are freed.
const KEPT: usize = 16;

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self {
            free: RefCell::default(),
        }
    }
}

impl<T: Default> Spares<T> {
    /// A used one in the state that it was left in, or a new one.
    #[inline]
    #[must_use]
    pub(crate) fn take(&self) -> T {
        self.free.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps one for the next taker.
    #[inline]
    pub(crate) fn keep(&self, thing: T) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            free.push(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_back_is_the_next_out_and_no_more_are_kept_than_said() {
        let spares = Spares::default();
        for thing in 1..=20 {
            spares.keep(thing);
        }
        assert_eq!(spares.take(), 16);
        assert_eq!(spares.free.borrow().len(), 15);
        assert_eq!(Spares::<u8>::default().take(), 0);
    }
}

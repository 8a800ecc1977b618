//! Free lists: things of one worker that are used over and over, so that none is allocated anew.

use std::cell::{Cell, RefCell};

/// Used things that wait for their next use, the last returned first out: it is still in the cache.
/// Whoever does not give a thing back has it freed, which is as well.
#[derive(Debug)]
pub(crate) struct FreeList<T> {
    free: RefCell<Vec<T>>,
    /// More than so many are freed.
    most: usize,
    /// How many have not been taken since the last sweep.
    unused: Cell<usize>,
}

impl<T> FreeList<T> {
    /// Room for `most` of them.
    #[must_use]
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            free: RefCell::new(Vec::new()),
            most,
            unused: Cell::new(0),
        }
    }

    /// A used one in the state that it was left in, if there is one.
    #[inline]
    #[must_use]
    pub(crate) fn take(&self) -> Option<T> {
        let mut free = self.free.borrow_mut();
        let thing = free.pop();
        self.unused.set(self.unused.get().min(free.len()));
        thing
    }

    /// Keeps one for the next taker.
    #[inline]
    pub(crate) fn keep(&self, thing: T) {
        let mut free = self.free.borrow_mut();
        if free.len() < self.most {
            free.push(thing);
        }
    }

    /// Frees half of those that nobody has taken since the last sweep: what a crowd left behind is
    /// gone some sweeps later, and what is in use stays.
    pub(crate) fn sweep(&self) {
        let mut free = self.free.borrow_mut();
        let unused = self.unused.get().div_ceil(2);
        let old: Vec<T> = free.drain(..unused).collect();
        self.unused.set(free.len());
        drop(free);
        drop(old);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.free.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_back_is_the_next_out_and_no_more_are_kept_than_said() {
        let list = FreeList::new(16);
        for thing in 1..=20 {
            list.keep(thing);
        }
        assert_eq!(list.take(), Some(16));
        assert_eq!(list.len(), 15);
        assert_eq!(FreeList::<u8>::new(1).take(), None);
    }

    #[test]
    fn what_nobody_takes_is_freed_and_what_is_in_use_stays() {
        let list = FreeList::new(100);
        (0..100).for_each(|thing| list.keep(thing));
        // All of them are new: nobody can have had a use for them yet.
        list.sweep();
        assert_eq!(list.len(), 100);
        for _ in 0..10 {
            let taken: Vec<_> = (0..8).filter_map(|_| list.take()).collect();
            taken.into_iter().for_each(|thing| list.keep(thing));
            list.sweep();
        }
        assert_eq!(list.len(), 8);
        for _ in 0..10 {
            list.sweep();
        }
        assert_eq!(list.len(), 0);
    }
}

//! Deadlines of one worker: a flat table swept when the earliest of them passes.
//!
//! Arming one is a store. A connection moves its deadline several times in every request and nearly
//! none is ever reached, so a timer per wait would be work for nothing; one sleep serves them all.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use component::tick::Tick;
use tokio::sync::Notify;

use crate::io::clock::Clock;

/// The least time between two sweeps: how late a deadline may be noticed.
const GRAIN: Duration = Duration::from_millis(10);

/// The deadlines of one worker.
#[derive(Debug)]
pub(crate) struct Deadlines {
    slots: RefCell<Slots>,
    /// When the sweeper will look next, in milliseconds.
    planned: Cell<u64>,
    earlier: Notify,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Waiter>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Waiter {
    due: u64,
    expired: bool,
    waker: Option<Waker>,
}

const NEVER: u64 = u64::MAX;

impl Deadlines {
    /// An empty table.
    #[must_use]
    pub(crate) fn new(clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            slots: RefCell::default(),
            planned: Cell::new(NEVER),
            earlier: Notify::new(),
            clock,
        })
    }

    /// A deadline of its own for one task; not armed.
    #[must_use]
    pub(crate) fn issue(self: &Rc<Self>) -> Deadline {
        let slots = &mut *self.slots.borrow_mut();
        let slot = Waiter {
            due: NEVER,
            expired: false,
            waker: None,
        };
        let index = if let Some(index) = slots.free.pop() {
            slots.all[index as usize] = slot;
            index
        } else {
            slots.all.push(slot);
            u32::try_from(slots.all.len() - 1).unwrap_or(u32::MAX)
        };
        Deadline {
            index,
            table: Rc::clone(self),
        }
    }

    /// Wakes every task that waits with a deadline, whatever it says.
    pub(crate) fn wake_all(&self) {
        for slot in &mut self.slots.borrow_mut().all {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// Lets the deadline in that slot pass now.
    pub(crate) fn expire(&self, slot: u32) {
        if let Some(slot) = self.slots.borrow_mut().all.get_mut(slot as usize) {
            slot.pass();
        }
    }

    /// Wakes the tasks whose deadlines have passed; runs for as long as the worker does.
    pub(crate) async fn sweep(self: Rc<Self>) {
        loop {
            let now = self.clock.now().as_millis();
            let next = self.pass(now);
            self.planned.set(next);
            if next == NEVER {
                self.earlier.notified().await;
                continue;
            }
            let wait = Duration::from_millis(next.saturating_sub(now)).max(GRAIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Marks what is due at `now` and says when the next one is.
    fn pass(&self, now: u64) -> u64 {
        let mut next = NEVER;
        for slot in &mut self.slots.borrow_mut().all {
            if slot.due > now {
                next = next.min(slot.due);
                continue;
            }
            slot.pass();
        }
        next
    }
}

impl Waiter {
    fn pass(&mut self) {
        self.due = NEVER;
        self.expired = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The deadline of one task.
#[derive(Debug)]
pub(crate) struct Deadline {
    index: u32,
    table: Rc<Deadlines>,
}

impl Deadline {
    /// Its slot in the table of its worker, for [`Deadlines::expire`].
    pub(crate) const fn slot(&self) -> u32 {
        self.index
    }

    /// Arms it for `at`, whatever it was before.
    #[inline]
    pub(crate) fn set(&self, at: Tick) {
        let at = at.as_millis();
        {
            let slot = &mut self.table.slots.borrow_mut().all[self.index as usize];
            slot.due = at;
            slot.expired = false;
        }
        if at < self.table.planned.get() {
            self.table.planned.set(at);
            self.table.earlier.notify_one();
        }
    }

    /// Disarms it.
    pub(crate) fn clear(&self) {
        let slot = &mut self.table.slots.borrow_mut().all[self.index as usize];
        slot.due = NEVER;
        slot.expired = false;
    }

    /// Whether it has passed. If not, the task is woken when it does.
    #[inline]
    pub(crate) fn poll_expired(&self, cx: &Context<'_>) -> bool {
        let slot = &mut self.table.slots.borrow_mut().all[self.index as usize];
        if slot.expired {
            return true;
        }
        match &mut slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            other => *other = Some(cx.waker().clone()),
        }
        false
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let slots = &mut *self.table.slots.borrow_mut();
        let slot = &mut slots.all[self.index as usize];
        slot.due = NEVER;
        slot.waker = None;
        slots.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn deadlines_fire_in_order_and_disarmed_ones_do_not() {
        let clock = Clock::start();
        let table = Deadlines::new(clock.clone());
        let sweeper = Rc::clone(&table).sweep();
        let body = async {
            let (soon, late, never) = (table.issue(), table.issue(), table.issue());
            let start = clock.now();
            never.set(start.plus(Duration::from_millis(5)));
            late.set(start.plus(Duration::from_secs(60)));
            soon.set(start.plus(Duration::from_millis(30)));
            never.clear();
            poll_fn(|cx| {
                let expired = soon.poll_expired(cx);
                assert!(!late.poll_expired(cx) && !never.poll_expired(cx));
                if expired {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            assert!(clock.now().since(start) >= Duration::from_millis(30));
        };
        tokio::select! {
            () = sweeper => unreachable!(),
            () = body => {}
        }
    }

    #[test]
    fn a_dropped_deadline_frees_its_slot() {
        let table = Deadlines::new(Clock::start());
        let first = table.issue();
        let index = first.index;
        drop(first);
        assert_eq!(table.issue().index, index);
    }
}

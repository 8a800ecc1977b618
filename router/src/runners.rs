//! Futures that use the memory of earlier ones.
//!
//! A request's future is a few KiB. Held inside the task of its connection it would weigh on every
//! idle client; boxed it would be an allocation per request. Here it lives in a box that the last
//! request left behind.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Boxes kept for the next future; more are freed.
const KEPT: usize = 512;

/// Boxes for futures of one kind.
#[derive(Debug)]
pub(crate) struct FuturePool<F> {
    free: RefCell<Vec<Pin<Box<Option<F>>>>>,
}

impl<F> Default for FuturePool<F> {
    fn default() -> Self {
        Self {
            free: RefCell::default(),
        }
    }
}

impl<F: Future> FuturePool<F> {
    /// Places the future that `make` makes in a box, a used one if there is any.
    #[inline]
    pub(crate) fn place(self: &Rc<Self>, make: impl FnOnce() -> F) -> Pooled<F> {
        let mut slot = self
            .free
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Box::pin(None));
        // Made here and not by the caller: on the way it would be copied once more.
        slot.set(Some(make()));
        Pooled {
            slot: Some(slot),
            home: Rc::clone(self),
        }
    }
}

/// A future in a box of the pool. The box goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Pooled<F> {
    slot: Option<Pin<Box<Option<F>>>>,
    home: Rc<FuturePool<F>>,
}

impl<F: Future> Future for Pooled<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self
            .slot
            .as_mut()
            .and_then(|slot| slot.as_mut().as_pin_mut())
        {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Pooled<F> {
    fn drop(&mut self) {
        let Some(mut slot) = self.slot.take() else {
            return;
        };
        slot.set(None);
        let mut free = self.home.free.borrow_mut();
        if free.len() < KEPT {
            free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_box_serves_one_future_after_the_other() {
        let pool = Rc::new(FuturePool::default());
        let square = |number: u32| async move {
            tokio::task::yield_now().await;
            number * number
        };
        for number in 0..4 {
            assert_eq!(pool.place(|| square(number)).await, number * number);
            assert_eq!(pool.free.borrow().len(), 1);
        }
        drop(pool.place(|| square(9)));
        assert_eq!(pool.free.borrow().len(), 1);
    }
}

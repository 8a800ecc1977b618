//! Tasks that serve one exchange after the other.
//!
//! The state of an exchange is a few KiB. Held inside the task of its connection it would weigh on
//! every idle client; boxed for each burst of requests it costs an allocation and 590 instructions
//! of 18,900. A reused task never ends: it lives in its box, is lent to a connection for a burst,
//! and waits there for the next.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::io::free_list::FreeList;

/// Tasks kept for the next job; more are freed.
const KEPT: usize = 512;

/// Where a task takes its jobs from, and where it leaves their results.
pub(crate) struct Slot<J, R> {
    job: Cell<Option<J>>,
    result: Cell<Option<R>>,
}

impl<J, R> Slot<J, R> {
    /// The next job, once there is one.
    pub(crate) async fn next(&self) -> J {
        poll_fn(|_| self.job.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Leaves the result of the job. The next poll may be for another one.
    pub(crate) fn done(&self, result: R) {
        self.result.set(Some(result));
    }
}

/// A future that loops over the jobs of its slot.
pub(crate) type Looping = Pin<Box<dyn Future<Output = Infallible>>>;

/// The tasks of one worker.
pub(crate) struct ReusedTasks<J, R> {
    free: FreeList<Task<J, R>>,
    spawn: fn(Rc<Slot<J, R>>) -> Looping,
}

struct Task<J, R> {
    slot: Rc<Slot<J, R>>,
    body: Looping,
}

/// A task panicked over its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl<J, R> ReusedTasks<J, R> {
    /// Tasks made by `spawn`.
    #[must_use]
    pub(crate) fn new(spawn: fn(Rc<Slot<J, R>>) -> Looping) -> Rc<Self> {
        Rc::new(Self {
            free: FreeList::new(KEPT),
            spawn,
        })
    }

    /// Has a job done. A panic ends the task and nothing else, and so does whoever drops this
    /// half-way.
    ///
    /// # Errors
    /// The task panicked.
    pub(crate) async fn run(&self, job: J) -> Result<R, Panicked> {
        let mut task = self.take();
        task.slot.job.set(Some(job));
        let result = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| task.body.as_mut().poll(cx)));
            match (polled, task.slot.result.take()) {
                // Also when there was a result before: this task does nothing more.
                (Err(_), _) => Poll::Ready(Err(Panicked)),
                (Ok(_), Some(result)) => Poll::Ready(Ok(result)),
                (Ok(_), None) => Poll::Pending,
            }
        })
        .await;
        if result.is_ok() {
            self.free.keep(task);
        }
        result
    }

    fn take(&self) -> Task<J, R> {
        self.free.take().unwrap_or_else(|| {
            let slot = Rc::new(Slot {
                job: Cell::new(None),
                result: Cell::new(None),
            });
            Task {
                body: (self.spawn)(Rc::clone(&slot)),
                slot,
            }
        })
    }

    /// Frees those that nobody has used lately.
    pub(crate) fn sweep(&self) {
        self.free.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares numbers, and counts on its own stack how many it has had.
    fn squares(slot: Rc<Slot<u32, (u32, u32)>>) -> Looping {
        Box::pin(async move {
            let mut count = 0;
            loop {
                count += 1;
                let number = slot.next().await;
                assert_ne!(number, 13, "a defect");
                tokio::task::yield_now().await;
                slot.done((number * number, count));
            }
        })
    }

    #[tokio::test]
    async fn one_task_does_one_job_after_the_other() {
        let tasks = ReusedTasks::new(squares);
        for number in 0..4 {
            let result = tasks.run(number).await;
            assert_eq!(result, Ok((number * number, number + 1)));
            assert_eq!(tasks.free.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_or_is_left_half_way_gets_no_other_job() {
        let tasks = ReusedTasks::new(squares);
        assert_eq!(tasks.run(13).await, Err(Panicked));
        assert_eq!(tasks.free.len(), 0);
        {
            let mut left = std::pin::pin!(tasks.run(3));
            let first = poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_pending())).await;
            assert!(first);
        }
        assert_eq!(tasks.free.len(), 0);
        assert_eq!(tasks.run(3).await, Ok((9, 1)));
    }
}

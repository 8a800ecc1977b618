//! Coroutines that serve one exchange after the other.
//!
//! The state of an exchange is a few KiB. Held inside the task of its connection it would weigh on
//! every idle client; boxed it would be an allocation per request; moved into a box that an earlier
//! one left behind it would be copied whole. A runner never ends: it lives in its box, is lent to a
//! connection for an exchange, and waits there for the next.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::io::spares::Spares;

/// Runners kept for the next job; more are freed.
const KEPT: usize = 512;

/// Where a runner is handed its jobs, and where it leaves what came of them.
pub(crate) struct Desk<J, R> {
    job: Cell<Option<J>>,
    result: Cell<Option<R>>,
}

impl<J, R> Desk<J, R> {
    /// The next job, once there is one.
    pub(crate) async fn next(&self) -> J {
        poll_fn(|_| self.job.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Hands in what came of the job. The next poll may be for another one.
    pub(crate) fn done(&self, result: R) {
        self.result.set(Some(result));
    }
}

/// The runners of one worker, the last returned first out: it is still in the cache.
pub(crate) struct Runners<J, R, F, H> {
    free: Spares<Runner<J, R, F>>,
    hire: H,
}

struct Runner<J, R, F> {
    desk: Rc<Desk<J, R>>,
    body: Pin<Box<F>>,
}

/// A runner panicked over its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl<J, R, F, H> Runners<J, R, F, H>
where
    F: Future<Output = Infallible>,
    H: Fn(Rc<Desk<J, R>>) -> F,
{
    /// Runners made by `hire`, which loops over the jobs of its desk.
    #[must_use]
    pub(crate) fn new(hire: H) -> Rc<Self> {
        Rc::new(Self {
            free: Spares::new(KEPT),
            hire,
        })
    }

    /// Has a job done. A panic ends the runner and nothing else, and so does whoever drops this
    /// half-way.
    pub(crate) async fn run(&self, job: J) -> Result<R, Panicked> {
        let mut runner = self.take();
        runner.desk.job.set(Some(job));
        let result = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| runner.body.as_mut().poll(cx)));
            match (polled, runner.desk.result.take()) {
                // Also when the result was handed in before: this runner does nothing more.
                (Err(_), _) => Poll::Ready(Err(Panicked)),
                (Ok(_), Some(result)) => Poll::Ready(Ok(result)),
                (Ok(_), None) => Poll::Pending,
            }
        })
        .await;
        if result.is_ok() {
            self.free.keep(runner);
        }
        result
    }

    fn take(&self) -> Runner<J, R, F> {
        self.free.take().unwrap_or_else(|| {
            let desk = Rc::new(Desk {
                job: Cell::new(None),
                result: Cell::new(None),
            });
            Runner {
                body: Box::pin((self.hire)(Rc::clone(&desk))),
                desk,
            }
        })
    }

    /// Frees what has been of no use lately.
    pub(crate) fn sweep(&self) {
        self.free.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares numbers, and counts on its own stack how many it has had.
    async fn squares(desk: Rc<Desk<u32, (u32, u32)>>) -> Infallible {
        let mut count = 0;
        loop {
            count += 1;
            let number = desk.next().await;
            assert_ne!(number, 13, "a defect");
            tokio::task::yield_now().await;
            desk.done((number * number, count));
        }
    }

    #[tokio::test]
    async fn one_runner_does_one_job_after_the_other() {
        let runners = Runners::new(squares);
        for number in 0..4 {
            let result = runners.run(number).await;
            assert_eq!(result, Ok((number * number, number + 1)));
            assert_eq!(runners.free.len(), 1);
        }
    }

    #[tokio::test]
    async fn who_panics_or_is_left_half_way_gets_no_other_job() {
        let runners = Runners::new(squares);
        assert_eq!(runners.run(13).await, Err(Panicked));
        assert_eq!(runners.free.len(), 0);
        {
            let mut left = std::pin::pin!(runners.run(3));
            let first = poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_pending())).await;
            assert!(first);
        }
        assert_eq!(runners.free.len(), 0);
        assert_eq!(runners.run(3).await, Ok((9, 1)));
    }
}

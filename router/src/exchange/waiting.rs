//! The time of an exchange in which others have to move: the backend, or the client.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use super::Exchange;
use crate::clock::Moment;
use crate::worker::Worker;

impl Exchange {
    /// Waits for `work`, and counts the time that it does not go on as spent on others rather than
    /// in this router. Work that never has to wait costs no look at the clock.
    ///
    /// An attempt at an endpoint has its own time, from its beginning to the head of the response;
    /// what belongs to one is not counted here.
    pub(super) async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        on_others(&self.worker, &self.story.waited, work).await
    }
}

/// As [`Exchange::waiting`], for who has borrowed a part of the exchange.
pub(super) async fn on_others<T>(
    worker: &Worker,
    waited: &Cell<Duration>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut since: Option<Moment> = None;
    poll_fn(|cx| {
        if let Some(since) = since.take() {
            waited.set(waited.get() + worker.now().since(since));
        }
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            since = Some(worker.now());
        }
        polled
    })
    .await
}

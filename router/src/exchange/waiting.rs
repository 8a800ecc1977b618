//! The time of an exchange in which others have to move: the backend, or the client.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use super::Exchange;
use crate::io::clock::Moment;
use crate::worker::Worker;

impl Exchange {
    /// Waits for `work`, and counts the time in which it does not go on as spent on others rather than
    /// in this router. Work that never has to wait costs no look at the clock.
    ///
    /// An attempt at an endpoint has its own time, from its beginning to the head of the response;
    /// what belongs to one is not counted here.
    pub(super) fn waiting<F: Future + Unpin>(&self, work: F) -> impl Future<Output = F::Output> {
        on_others(&self.worker, &self.record.waited, work)
    }
}

/// As [`Exchange::waiting`], for who has borrowed a part of the exchange.
///
/// No async function, which would keep `work` twice: each byte here is one of every exchange.
pub(super) fn on_others<F: Future + Unpin>(
    worker: &Worker,
    waited: &Cell<Duration>,
    mut work: F,
) -> impl Future<Output = F::Output> {
    let mut since: Option<Moment> = None;
    poll_fn(move |cx| {
        if let Some(since) = since.take() {
            waited.set(waited.get() + worker.now().since(since));
        }
        let polled = Pin::new(&mut work).poll(cx);
        if polled.is_pending() {
            since = Some(worker.now());
        }
        polled
    })
}

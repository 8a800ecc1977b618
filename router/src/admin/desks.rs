//! Room for what costs something to answer, so that health checks always have some left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::health;
use super::places::{PLACES, Place};

/// Requests of one listener that are answered at a time, health checks aside. The next is told 503.
/// The places beyond them are for health checks alone.
pub(super) const DESKS: usize = PLACES - 32;

/// One caller, and the desks of its listener.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) place: Arc<Place>,
    pub(super) desks: Arc<Semaphore>,
}

/// Answers a request at a desk, if it needs one, and takes note of when that begins and ends.
pub(super) async fn receive(
    State(Caller { place, desks }): State<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let is_check = health::is_check(request.uri().path());
    let desk = if is_check {
        None
    } else {
        let Ok(desk) = desks.try_acquire_owned() else {
            return full();
        };
        Some(desk)
    };
    place.begins(is_check);
    let visit = Visit { place, _desk: desk };
    let response = next.run(request).await;
    response.map(|body| {
        Body::new(Attended {
            body,
            _visit: visit,
        })
    })
}

fn full() -> Response {
    let why = "as many requests as may be are being answered\n";
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(CONNECTION, "close")],
        why,
    )
        .into_response()
}

/// A request from its head to the end of its answer.
#[derive(Debug)]
struct Visit {
    place: Arc<Place>,
    _desk: Option<OwnedSemaphorePermit>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.place.ends();
    }
}

/// The body of an answer, which ends the visit when it has ended or is given up.
#[derive(Debug)]
struct Attended {
    body: Body,
    _visit: Visit,
}

impl HttpBody for Attended {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

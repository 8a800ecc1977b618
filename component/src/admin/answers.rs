//! How many requests are answered at a time, so that there is always room for health checks.

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

use super::connections::{Connection, MOST_CONNECTIONS};
use super::health;

/// Requests of one listener that are answered at a time, health checks aside. The next is told 503.
/// The connections beyond them are for health checks alone.
pub(super) const MOST_ANSWERS: usize = MOST_CONNECTIONS - 32;

/// One caller, and the room for answers of its listener.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) connection: Arc<Connection>,
    pub(super) room: Arc<Semaphore>,
}

/// Answers a request if there is room for its answer, and takes note of when that begins and ends.
pub(super) async fn receive(
    State(Caller { connection, room }): State<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let is_check = health::is_check(request.uri().path());
    let permit = if is_check {
        None
    } else {
        let Ok(permit) = room.try_acquire_owned() else {
            return full();
        };
        Some(permit)
    };
    connection.begins(is_check);
    let visit = Visit {
        connection,
        _permit: permit,
    };
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
    connection: Arc<Connection>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.connection.ends();
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

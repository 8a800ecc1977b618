//! Streams of server-sent events: the table's changes, and the requests of one host.
//!
//! A reader that falls behind is told how many events it missed and goes on with the newest.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use super::Admin;
use crate::observe::watch::Seen;

/// After so long without an event a comment is sent, which finds out whether anybody is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Changes of the table from now on.
pub(super) async fn changes(State(admin): State<Arc<Admin>>) -> Response {
    let Ok(place) = place(&admin) else {
        return full();
    };
    let changes = admin.shared.changes.subscribe();
    let hello = hello(&admin);
    stream(unfold(
        (changes, Some(hello), place),
        async |(mut changes, hello, place)| {
            let event = match hello {
                Some(hello) => hello,
                None => match changes.recv().await {
                    Ok(change) => Event::default().event("change").json_data(&*change).ok()?,
                    Err(RecvError::Lagged(missed)) => missed_event(missed),
                    Err(RecvError::Closed) => return None,
                },
            };
            Some((Ok(event), (changes, None, place)))
        },
    ))
}

#[derive(Deserialize)]
pub(super) struct Watched {
    host: Option<String>,
}

/// A sample of the finished requests of one host from now on.
pub(super) async fn watch(
    State(admin): State<Arc<Admin>>,
    Query(wish): Query<Watched>,
) -> Response {
    let Some(host) = wish.host.filter(|host| !host.is_empty()) else {
        return (
            StatusCode::BAD_REQUEST,
            "host= says whose requests to follow\n",
        )
            .into_response();
    };
    let Ok(place) = place(&admin) else {
        return full();
    };
    let watching = admin.shared.watch.subscribe(&host);
    let hello = hello(&admin);
    stream(unfold(
        (watching, Some(hello), place),
        async |(mut watching, hello, place)| {
            let event = match hello {
                Some(hello) => hello,
                None => match watching.next().await? {
                    Seen::Request(request) => Event::default().event("request").data(&*request),
                    Seen::Missed(missed) => missed_event(missed),
                },
            };
            Some((Ok(event), (watching, None, place)))
        },
    ))
}

/// The first event of every stream: it has begun, and what the table is now.
fn hello(admin: &Admin) -> Event {
    let table = admin.shared.routes.load();
    let (generation, routes) = (table.generation(), table.len());
    Event::default().event("hello").data(format!(
        "{{\"generation\":{generation},\"routes\":{routes}}}"
    ))
}

fn missed_event(missed: u64) -> Event {
    Event::default()
        .event("missed")
        .data(format!("{{\"missed\":{missed}}}"))
}

fn place(admin: &Admin) -> Result<OwnedSemaphorePermit, TryAcquireError> {
    Arc::clone(&admin.streams).try_acquire_owned()
}

fn full() -> Response {
    let why = "as many streams as there may be are open\n";
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

fn stream(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

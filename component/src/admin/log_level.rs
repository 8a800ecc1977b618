//! The level of the process's log, read and changed while it runs.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use tracing::info;

use crate::telemetry::{Level, LogLevel, UnknownLevel};

/// Bytes of a level's name, with room.
const BODY: usize = 64;
/// For the whole body.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// Returns `/log-level`, where GET shows the level of the log and PUT changes it.
pub fn log_level<S: Clone + Send + Sync + 'static>(level: LogLevel) -> Router<S> {
    let shown = level.clone();
    let show = get(async move || format!("{}\n", shown.get()));
    Router::new().route(
        "/log-level",
        show.put(async move |body| change(&level, body).await),
    )
}

/// Takes a level's name as the whole body.
async fn change(log: &LogLevel, body: Body) -> Response {
    let Ok(Ok(body)) = tokio::time::timeout(BODY_LIMIT, to_bytes(body, BODY)).await else {
        return (StatusCode::BAD_REQUEST, format!("{UnknownLevel}\n")).into_response();
    };
    match String::from_utf8_lossy(&body).trim().parse::<Level>() {
        Ok(level) => {
            let before = log.get();
            log.set(level);
            info!(%before, %level, "log-level-changed");
            format!("{level}\n").into_response()
        }
        Err(unknown) => (StatusCode::BAD_REQUEST, format!("{unknown}\n")).into_response(),
    }
}

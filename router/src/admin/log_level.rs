//! The level of the process's log, read and changed while it runs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use component::telemetry::{Level, UnknownLevel};
use tracing::info;

use super::Admin;

/// Bytes of a level's name, with room.
const BODY: usize = 64;
/// For the whole body.
const BODY_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new().route("/log-level", get(show).put(change))
}

async fn show(State(admin): State<Arc<Admin>>) -> String {
    format!("{}\n", admin.log_level.get())
}

/// Takes a level's name as the whole body.
async fn change(State(admin): State<Arc<Admin>>, body: Body) -> Response {
    let Ok(Ok(body)) = tokio::time::timeout(BODY_LIMIT, to_bytes(body, BODY)).await else {
        return (StatusCode::BAD_REQUEST, format!("{UnknownLevel}\n")).into_response();
    };
    match String::from_utf8_lossy(&body).trim().parse::<Level>() {
        Ok(level) => {
            let before = admin.log_level.get();
            admin.log_level.set(level);
            info!(%before, %level, "log-level-changed");
            format!("{level}\n").into_response()
        }
        Err(unknown) => (StatusCode::BAD_REQUEST, format!("{unknown}\n")).into_response(),
    }
}

//! `POST /config/reload`: reads the configuration again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::router::Reloaded;
use tokio::sync::{mpsc, oneshot};

use super::Admin;

/// Why a configuration was refused, whole: `file:line: reason` each.
pub type Refused = Vec<String>;

/// Where the outcome of a reload is told.
pub type ReloadAnswer = oneshot::Sender<Result<Reloaded, Refused>>;

/// Where a reload is asked for. Reloads are done one after the other.
pub type ReloadSender = mpsc::Sender<ReloadAnswer>;

pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Response {
    let (answer, told) = oneshot::channel();
    if admin.options.reloads.try_send(answer).is_err() {
        let why = "other reloads are under way, or the router ends\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    }
    match told.await {
        Ok(Ok(reloaded)) => Json(reloaded).into_response(),
        Ok(Err(faults)) => {
            let text = faults.join("\n") + "\n";
            (StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the router ends\n").into_response(),
    }
}

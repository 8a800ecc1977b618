//! The health checks: for load balancers, without credentials.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, EXPIRES};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Admin;

/// Nobody may keep an answer.
const FRESH: [(HeaderName, &str); 2] = [(CACHE_CONTROL, "private, max-age=0"), (EXPIRES, "0")];

const HEALTH: &str = "/health";
const HEALTHZ: &str = "/healthz";
const ALIVE: &str = "/is-process-alive-do-not-use-for-loadbalancing";

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route(HEALTH, get(health))
        .route(HEALTHZ, get(health))
        .route(ALIVE, get(alive))
}

/// Whether a request for `path` is a health check.
pub(super) fn is_check(path: &str) -> bool {
    [HEALTH, HEALTHZ, ALIVE].contains(&path)
}

/// Whether this router wants traffic, and if not, why.
async fn health(State(admin): State<Arc<Admin>>) -> Response {
    match admin.shared.health.state().reason() {
        None => (FRESH, "ok\n").into_response(),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            FRESH,
            format!("{reason}\n"),
        )
            .into_response(),
    }
}

/// That this process answers at all. A load balancer that asks this would not see a drain.
async fn alive() -> Response {
    (FRESH, "ok\n").into_response()
}

//! The health checks: for load balancers, without credentials.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, EXPIRES};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nobody may keep an answer.
const FRESH: [(HeaderName, &str); 2] = [(CACHE_CONTROL, "private, max-age=0"), (EXPIRES, "0")];

const HEALTH: &str = "/health";
const HEALTHZ: &str = "/healthz";
const ALIVE: &str = "/is-process-alive-do-not-use-for-loadbalancing";

/// Returns why a program does not want work; nothing when it does.
pub type HealthCheck = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

/// Returns the health checks: `/health` and `/healthz` answer 200, or 503 with the reason, and a
/// third path tells that the process answers at all.
pub fn health<S: Clone + Send + Sync + 'static>(check: HealthCheck) -> Router<S> {
    let asked = get(move || async move { answer(check()) });
    Router::new()
        .route(HEALTH, asked.clone())
        .route(HEALTHZ, asked)
        // A load balancer that asks this would not see a drain.
        .route(ALIVE, get(async || answer(None)))
}

/// Returns whether a request for `path` is a health check.
pub(super) fn is_check(path: &str) -> bool {
    [HEALTH, HEALTHZ, ALIVE].contains(&path)
}

fn answer(reason: Option<&'static str>) -> Response {
    match reason {
        None => (FRESH, "ok\n").into_response(),
        Some(reason) => {
            let text = format!("{reason}\n");
            (StatusCode::SERVICE_UNAVAILABLE, FRESH, text).into_response()
        }
    }
}

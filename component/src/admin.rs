//! The admin listener: health checks, figures, the level of the log, and what a program adds.
//!
//! Nothing here is on the path of a program's work. What an answer costs is bounded: connections,
//! answers at a time, the size of heads, and the time a caller may take.

mod answers;
mod auth;
mod connections;
mod health;
mod listener;
mod log_level;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

pub(crate) use self::auth::basic;
pub use self::auth::{Auth, Credentials, guarded, local_only};
pub use self::health::{HealthCheck, health};
pub use self::listener::serve_listener;
pub use self::log_level::log_level;
use crate::telemetry::LogLevel;

/// The content type of Prometheus' text format.
pub const EXPOSITION_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns what every program answers: health checks for all, `/metrics` and `/log-level` for callers
/// who pass `auth`. `metrics` writes the figures in Prometheus' text format.
pub fn basics(
    auth: Arc<Auth>,
    check: HealthCheck,
    level: LogLevel,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    let figures = get(async move || ([(CONTENT_TYPE, EXPOSITION_TYPE)], metrics()));
    let app = Router::new()
        .route("/metrics", figures)
        .merge(log_level(level));
    health(check).merge(guarded(app, auth))
}

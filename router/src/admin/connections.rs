//! `GET /connections`: who is connected, and what for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use protocol::router::Connections;
use serde::Deserialize;

use super::Admin;

/// Connections of each worker in one answer, at most.
const MOST: usize = 5_000;
/// The same when the caller does not say.
const USUAL: usize = 200;

#[derive(Deserialize)]
pub(super) struct ConnectionsQuery {
    /// Connections of each worker in the answer.
    limit: Option<usize>,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(wish): Query<ConnectionsQuery>,
) -> Json<Connections> {
    let limit = wish.limit.unwrap_or(USUAL).min(MOST);
    let (connections, silent_workers) = admin.shared.connections.list(limit).await;
    let open = admin.shared.metrics.totals().connections;
    Json(Connections {
        open,
        silent_workers,
        connections,
    })
}

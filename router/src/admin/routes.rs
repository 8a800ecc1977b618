//! `GET /routes`: the whole table in gorouter's JSON, in alphabetical order.
//!
//! The answer may be a hundred megabytes: it is made a chunk at a time, as fast as the caller
//! reads, from pools that are shared with the table.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use router_core::listing::route_entry;
use router_core::pool::Pool;
use router_core::table::RouteTable;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::Admin;

/// Bytes of JSON that are made at a time, or one route's when it has more.
const CHUNK: usize = 32 * 1024;

#[derive(Deserialize)]
pub(super) struct RoutesQuery {
    /// Only the routes of this host, or with a leading `.` of all hosts that end so.
    host: Option<String>,
}

/// Streams the table as it was when the request came.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(wish): Query<RoutesQuery>,
) -> Response {
    let Ok(permit) = Arc::clone(&admin.walks).try_acquire_owned() else {
        let why = "as many lists as there may be are under way\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let table = admin.shared.routes.load_full();
    // Sorting a large table takes tens of milliseconds.
    let sorted = tokio::task::spawn_blocking(move || {
        let host = wish.host.map(|host| host.to_ascii_lowercase());
        sorted(&table, host.as_deref())
    });
    let Ok(pools) = sorted.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let chunks = Chunks::new(pools, Some(permit)).map(Ok::<_, Infallible>);
    let body = Body::from_stream(stream::iter(chunks));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn sorted(table: &RouteTable, host: Option<&str>) -> Vec<Arc<Pool>> {
    let wanted = |pool: &&Arc<Pool>| match host {
        None => true,
        Some(host) if host.starts_with('.') => pool.key().host().ends_with(host),
        Some(host) => pool.key().host() == host,
    };
    let mut pools: Vec<_> = table.iter().filter(wanted).map(Arc::clone).collect();
    pools.sort_unstable_by(|a, b| a.key().as_str().cmp(b.key().as_str()));
    pools
}

/// The JSON of some pools, in pieces.
struct Chunks {
    pools: std::vec::IntoIter<Arc<Pool>>,
    stage: Position,
    /// Held until the last piece is made, or the caller goes away.
    _permit: Option<OwnedSemaphorePermit>,
}

#[derive(PartialEq)]
enum Position {
    Opening,
    Routes,
    Done,
}

impl Chunks {
    fn new(pools: Vec<Arc<Pool>>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            pools: pools.into_iter(),
            stage: Position::Opening,
            _permit: permit,
        }
    }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::with_capacity(CHUNK + CHUNK / 8);
        while self.stage != Position::Done && out.len() < CHUNK {
            let Some(pool) = self.pools.next() else {
                let end: &[u8] = if self.stage == Position::Opening {
                    b"{}"
                } else {
                    b"}"
                };
                out.extend_from_slice(end);
                self.stage = Position::Done;
                break;
            };
            out.push(if self.stage == Position::Opening {
                b'{'
            } else {
                b','
            });
            self.stage = Position::Routes;
            route(&pool, &mut out);
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// Appends `"key":[..]`.
fn route(pool: &Pool, out: &mut Vec<u8>) {
    let entries: Vec<_> = pool
        .endpoints()
        .iter()
        .map(|endpoint| route_entry(endpoint))
        .collect();
    // Writing text and numbers to a vector cannot fail.
    serde_json::to_writer(&mut *out, pool.key().as_str()).unwrap_or_default();
    out.push(b':');
    serde_json::to_writer(&mut *out, &entries).unwrap_or_default();
}

//! Jobs: whether work that an answer did not wait for has ended.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::{Fault, FaultEntry};
use serde::Serialize;

use super::Shared;
use super::answer::{Answer, ok};
use super::call::Call;
use super::resource::{Head, ResourceLinks};
use crate::storage::JobRow;

/// What is answered of jobs.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v3/jobs/{guid}", get(show))
}

/// A job.
#[derive(Debug, Serialize)]
struct JobResource {
    #[serde(flatten)]
    head: Head,
    operation: String,
    state: String,
    errors: Vec<FaultEntry>,
    warnings: [(); 0],
    links: ResourceLinks,
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let found: Option<JobRow> = call.api.storage.find(&JobRow::LISTING, &guid).await?;
    let row = found.ok_or(Fault::NotFound("Job"))?;
    let path = format!("/v3/jobs/{}", row.guid);
    ok(JobResource {
        head: Head::new(&row.guid, row.created_at, row.updated_at),
        operation: row.operation,
        state: row.state,
        errors: serde_json::from_str(&row.errors).unwrap_or_default(),
        warnings: [],
        links: ResourceLinks::of(&call.links, &path),
    })
}

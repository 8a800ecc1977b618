//! Log Cache: the lines of apps, as clients read them.

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::routing::get;
use controller_core::output::ReadLines;
use controller_core::permission::Action;
use serde::Serialize;

use super::Shared;
use super::answer::{Answer, ok};
use super::call::Call;

/// What is answered of lines.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/info", get(info))
        .route("/api/v1/read/{guid}", get(read))
}

/// Which version of the protocol this is.
#[derive(Debug, Serialize)]
struct LogCacheInfo {
    version: &'static str,
    vm_uptime: &'static str,
}

async fn info() -> Answer {
    ok(LogCacheInfo {
        version: "3.2.1",
        vm_uptime: "0",
    })
}

async fn read(call: Call, Path(guid): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let asked = ReadLines::parse(&query.unwrap_or_default())?;
    let app = call.app(&guid, Action::ReadOutput).await?;
    let dispatch = &call.api.dispatch;
    let output = &call.api.output;
    let deas = usize::try_from(dispatch.counts().deas).unwrap_or(usize::MAX);
    ok(output.read(&app.guid, asked, &dispatch.bus, deas).await)
}

//! Processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use controller_core::fault::Fault;
use controller_core::permission::Action;
use controller_core::process::{ProcessChange, ProcessLimits, ProcessPatch, ScaleRequest};
use controller_core::stats::{self, StatsEntry, Wanted};
use protocol::bus::dea::HealthCheck;
use serde::Serialize;

use super::answer::{Answer, Refusal, ok};
use super::apps::place_of;
use super::body::Body;
use super::call::Call;
use super::droplets::OfApp;
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use super::{Api, Shared};
use crate::clock::now;
use crate::storage::{AppRow, ProcessRow, Storage};

/// What lists say instead of a command, which may hold secrets.
const HIDDEN: &str = "[PRIVATE DATA HIDDEN IN LISTS]";

/// How long a question about instances that are just being started waits for the first that runs.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long they count as that, in microseconds.
const NEW: i64 = 30_000_000;

/// What is answered of processes.
pub(super) fn routes() -> Router<Shared> {
    const OF_APP: &str = "/v3/apps/{guid}/processes";
    const ONE: &str = "/v3/processes/{guid}";
    Router::new()
        .route("/v3/processes", get(list))
        .route(ONE, get(show).patch(update))
        .route(&format!("{ONE}/stats"), get(stats_of))
        .route(&format!("{ONE}/sidecars"), get(sidecars))
        .route(&format!("{ONE}/actions/scale"), post(scale))
        .route(OF_APP, get(of_app))
        .route(
            &format!("{OF_APP}/{{kind}}"),
            get(show_of_app).patch(update_of_app),
        )
        .route(&format!("{OF_APP}/{{kind}}/stats"), get(stats_of_app))
        .route(
            &format!("{OF_APP}/{{kind}}/actions/scale"),
            post(scale_of_app),
        )
}

/// A process.
#[derive(Debug, Serialize)]
struct ProcessResource {
    #[serde(flatten)]
    head: Head,
    #[serde(rename = "type")]
    kind: String,
    command: Option<String>,
    user: &'static str,
    version: String,
    instances: i64,
    memory_in_mb: i64,
    disk_in_mb: i64,
    log_rate_limit_in_bytes_per_second: i64,
    health_check: CheckResource,
    readiness_health_check: CheckResource,
    relationships: OfApp,
    metadata: Metadata,
    links: ResourceLinks,
}

/// A health check.
#[derive(Debug, Serialize)]
struct CheckResource {
    #[serde(rename = "type")]
    kind: &'static str,
    data: CheckData,
}

#[derive(Debug, Default, Serialize)]
struct CheckData {
    timeout: Option<u64>,
    invocation_timeout: Option<u64>,
    interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

impl ProcessResource {
    fn new(row: &ProcessRow, links: &Links) -> Self {
        let path = format!("/v3/processes/{}", row.guid);
        let scale = links.to(&format!("{path}/actions/scale"));
        let stored = row.stored_check();
        let (kind, endpoint) = match stored.check {
            HealthCheck::Port => ("port", None),
            HealthCheck::Process => ("process", None),
            HealthCheck::Http { endpoint } => ("http", Some(endpoint)),
        };
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            kind: row.kind.clone(),
            command: row.command.clone(),
            user: "vcap",
            version: row.version.clone(),
            instances: row.instances,
            memory_in_mb: row.memory_in_mb,
            disk_in_mb: row.disk_in_mb,
            log_rate_limit_in_bytes_per_second: -1,
            health_check: CheckResource {
                kind,
                data: CheckData {
                    timeout: stored.timeout,
                    endpoint,
                    ..CheckData::default()
                },
            },
            readiness_health_check: CheckResource {
                kind: "process",
                data: CheckData::default(),
            },
            relationships: OfApp::new(&row.app_guid),
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &path)
                .with_method("scale", "POST", scale)
                .with("app", links.to(&format!("/v3/apps/{}", row.app_guid)))
                .with("space", links.to(&format!("/v3/spaces/{}", row.space_guid)))
                .with("stats", links.to(&format!("{path}/stats"))),
        }
    }
}

impl Api {
    /// What processes have, and may have.
    pub(crate) fn process_limits(&self) -> ProcessLimits {
        let apps = &self.config.apps;
        ProcessLimits {
            most_disk_mib: apps.most_disk,
            memory_mib: apps.memory,
            disk_mib: apps.disk,
            ..ProcessLimits::default()
        }
    }
}

impl Call {
    /// The process of that guid, if the caller may do `action` to it.
    async fn process(&self, guid: &str, action: Action) -> Result<ProcessRow, Refusal> {
        let found = self.api.storage.find(&ProcessRow::LISTING, guid);
        let row: ProcessRow = found.await?.ok_or(Fault::NotFound("Process"))?;
        let place = place_of(&row.organization_guid, &row.space_guid);
        self.check(action, place, "Process")?;
        Ok(row)
    }

    /// The process of that type of an app, if the caller may do `action` to it.
    async fn process_of(
        &self,
        app: &str,
        kind: &str,
        action: Action,
    ) -> Result<ProcessRow, Refusal> {
        let app = self.app(app, action).await?;
        let all = self.api.storage.processes_of(&app.guid).await?;
        let mut all = all.into_iter();
        let found = all.find(|process| process.kind == kind);
        Ok(found.ok_or(Fault::NotFound("Process"))?)
    }
}

async fn list(call: Call) -> Answer {
    listed(&call, None).await
}

async fn of_app(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    listed(&call, Some(guid)).await
}

async fn listed(call: &Call, app: Option<String>) -> Answer {
    let mut query = call.asked(&ProcessRow::LISTING, &[])?;
    if let Some(app) = app {
        query.restrict("app_guids", vec![app]);
    }
    let scope = call.scope(Action::ReadSpace);
    let found = call.api.storage.list(&ProcessRow::LISTING, &query, &scope);
    let (rows, total): (Vec<ProcessRow>, u64) = found.await?;
    let hidden = |row: &ProcessRow| {
        let mut resource = ProcessResource::new(row, &call.links);
        resource.command = resource.command.map(|_| HIDDEN.to_owned());
        resource
    };
    call.page(&query, total, rows.iter().map(hidden).collect())
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.process(&guid, Action::ReadSpace).await?;
    ok(ProcessResource::new(&row, &call.links))
}

async fn show_of_app(call: Call, Path((app, kind)): Path<(String, String)>) -> Answer {
    let row = call.process_of(&app, &kind, Action::ReadSpace).await?;
    ok(ProcessResource::new(&row, &call.links))
}

async fn update(call: Call, Path(guid): Path<String>, Body(asked): Body<ProcessPatch>) -> Answer {
    let wanted = ProcessChange::patch(asked)?;
    let row = call.process(&guid, Action::WriteApp).await?;
    let row = changed(&call, &row.guid, wanted).await?;
    ok(ProcessResource::new(&row, &call.links))
}

async fn update_of_app(
    call: Call,
    Path((app, kind)): Path<(String, String)>,
    Body(asked): Body<ProcessPatch>,
) -> Answer {
    let wanted = ProcessChange::patch(asked)?;
    let row = call.process_of(&app, &kind, Action::WriteApp).await?;
    let row = changed(&call, &row.guid, wanted).await?;
    ok(ProcessResource::new(&row, &call.links))
}

async fn scale(call: Call, Path(guid): Path<String>, Body(asked): Body<ScaleRequest>) -> Answer {
    let row = call.process(&guid, Action::OperateApp).await?;
    scaled(&call, &row.guid, asked).await
}

async fn scale_of_app(
    call: Call,
    Path((app, kind)): Path<(String, String)>,
    Body(asked): Body<ScaleRequest>,
) -> Answer {
    let row = call.process_of(&app, &kind, Action::OperateApp).await?;
    scaled(&call, &row.guid, asked).await
}

async fn scaled(call: &Call, guid: &str, asked: ScaleRequest) -> Answer {
    let wanted = ProcessChange::scale(&asked, &call.api.process_limits())?;
    let row = changed(call, guid, wanted).await?;
    let resource = ProcessResource::new(&row, &call.links);
    Ok((StatusCode::ACCEPTED, axum::Json(resource)).into_response())
}

/// Changes a process, and has it dispatched.
async fn changed(call: &Call, guid: &str, wanted: ProcessChange) -> Result<ProcessRow, Refusal> {
    let storage = &call.api.storage;
    let mut change = storage.change().await?;
    let found = storage.find(&ProcessRow::LISTING, guid);
    let mut row: ProcessRow = found.await?.ok_or(Fault::NotFound("Process"))?;
    let _intent = call.api.dispatch.intent([guid.to_owned()]);
    row.apply(wanted, now());
    Storage::save_process(&mut change, &row).await?;
    Storage::commit(change).await?;
    let app: Option<AppRow> = storage.find(&AppRow::LISTING, &row.app_guid).await?;
    if let Some(app) = app {
        call.note_app("audit.app.process.update", &app).await;
    }
    Ok(row)
}

/// How the instances of a process are.
#[derive(Debug, Serialize)]
struct StatsList {
    resources: Vec<StatsEntry>,
}

async fn stats_of(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.process(&guid, Action::ReadSpace).await?;
    instances(&call, &row).await
}

async fn stats_of_app(call: Call, Path((app, kind)): Path<(String, String)>) -> Answer {
    let row = call.process_of(&app, &kind, Action::ReadSpace).await?;
    instances(&call, &row).await
}

async fn instances(call: &Call, row: &ProcessRow) -> Answer {
    let found = call.api.storage.find(&AppRow::LISTING, &row.app_guid);
    let app: AppRow = found.await?.ok_or(Fault::NotFound("Process"))?;
    if !app.is_started() || row.wanted() == 0 {
        return ok(StatsList {
            resources: Vec::new(),
        });
    }
    let age = now().saturating_sub(row.updated_at.unwrap_or(row.created_at));
    if age < NEW {
        // Clients wait until one runs, or all have failed.
        let ended = call.api.dispatch.await_news(PATIENCE, || async move {
            let resources = entries(call, row).await;
            let settled = |entry: &StatsEntry| matches!(entry.state, "RUNNING" | "CRASHED");
            resources.iter().any(settled).then_some(resources)
        });
        if let Some(resources) = ended.await {
            return ok(StatsList { resources });
        }
    }
    ok(StatsList {
        resources: entries(call, row).await,
    })
}

async fn entries(call: &Call, row: &ProcessRow) -> Vec<StatsEntry> {
    let dispatch = &call.api.dispatch;
    let answers = dispatch.instances(row).await;
    let size = |mebibytes: i64| u64::try_from(mebibytes).unwrap_or(0);
    let wanted = Wanted {
        kind: &row.kind,
        version: &row.version,
        instances: row.wanted(),
        memory_mib: size(row.memory_in_mb),
        disk_mib: size(row.disk_in_mb),
    };
    let shortage = dispatch.shortage(&row.guid);
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    stats::entries(wanted, &answers, seconds, shortage.as_deref())
}

/// There are no sidecars.
async fn sidecars(call: Call, Path(guid): Path<String>) -> Answer {
    call.process(&guid, Action::ReadSpace).await?;
    call.page(&Default::default(), 0, Vec::<ToOne>::new())
}

//! Builds.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::permission::Action;
use controller_core::process::WEB;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::apps::{GivenLifecycle, Lifecycle, column, place_of};
use super::body::Body;
use super::call::{Call, Listed};
use super::droplets::OfApp;
use super::links::Links;
use super::resource::{Guid, Head, Metadata, ResourceLinks, ToOne};
use crate::clock::now;
use crate::storage::{AppRow, BuildRow, Listing, PackageRow, Storage, StorageError};

/// How long a question about a build waits for its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is answered of builds.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/builds", get(list).post(create))
        .route("/v3/builds/{guid}", get(show))
        .route("/v3/apps/{guid}/builds", get(of_app))
}

/// A build.
#[derive(Debug, Serialize)]
struct BuildResource {
    #[serde(flatten)]
    head: Head,
    state: String,
    error: Option<String>,
    staging_memory_in_mb: i64,
    staging_disk_in_mb: i64,
    staging_log_rate_limit_bytes_per_second: i64,
    lifecycle: Lifecycle,
    package: Guid,
    droplet: Option<Guid>,
    created_by: Creator,
    relationships: OfApp,
    metadata: Metadata,
    links: ResourceLinks,
}

/// Who made a build.
#[derive(Debug, Serialize)]
struct Creator {
    guid: String,
    name: String,
    email: String,
}

impl Listed for BuildResource {
    type Row = BuildRow;
    const LISTING: Listing = BuildRow::LISTING;

    fn new(row: &BuildRow, links: &Links) -> Self {
        let app = format!("/v3/apps/{}", row.app_guid);
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            state: row.state.clone(),
            error: row.error.clone(),
            staging_memory_in_mb: row.memory_in_mb,
            staging_disk_in_mb: row.disk_in_mb,
            staging_log_rate_limit_bytes_per_second: -1,
            lifecycle: Lifecycle::new(&row.buildpacks, &row.stack),
            package: Guid {
                guid: row.package_guid.clone(),
            },
            droplet: ToOne::new(row.droplet_guid.as_deref()).data,
            created_by: Creator {
                guid: row.user_guid.clone(),
                name: row.user_name.clone(),
                email: row.user_name.clone(),
            },
            relationships: OfApp::new(&row.app_guid),
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &format!("/v3/builds/{}", row.guid))
                .with("app", links.to(&app)),
        }
    }
}

/// What shall be built.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BuildRequest {
    package: Option<Guid>,
    lifecycle: Option<GivenLifecycle>,
}

async fn list(call: Call) -> Answer {
    call.list::<BuildResource>(Action::ReadSpace, None).await
}

async fn of_app(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    let within = Some(("app_guids", guid));
    call.list::<BuildResource>(Action::ReadSpace, within).await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let mut row = build(&call, &guid).await?;
    if row.state == "STAGING" {
        let (asking, guid) = (&call, guid.as_str());
        let ended = call.api.dispatch.await_news(PATIENCE, || async move {
            let row = build(asking, guid).await.ok()?;
            (row.state != "STAGING").then_some(row)
        });
        row = ended.await.unwrap_or(row);
    }
    ok(BuildResource::new(&row, &call.links))
}

async fn build(call: &Call, guid: &str) -> Result<BuildRow, Refusal> {
    let found = call.api.storage.find(&BuildRow::LISTING, guid);
    let row: BuildRow = found.await?.ok_or(Fault::NotFound("Build"))?;
    let place = place_of(&row.organization_guid, &row.space_guid);
    call.check(Action::ReadSpace, place, "Build")?;
    Ok(row)
}

async fn create(call: Call, Body(asked): Body<BuildRequest>) -> Answer {
    let (buildpacks, stack) = call.lifecycle(asked.lifecycle)?;
    let package = package(&call, asked.package).await?;
    let mut change = call.api.storage.change().await?;
    let app = call.app(&package.app_guid, Action::WriteApp).await?;
    let staging = call.api.storage.staging_builds(Some(&app.guid)).await?;
    if !staging.is_empty() {
        return Err(Fault::BuildInProgress.into());
    }
    let (memory, disk) = needs(&call, &app).await?;
    let row = BuildRow {
        guid: Uuid::new_v4().to_string(),
        app_guid: app.guid.clone(),
        package_guid: package.guid,
        droplet_guid: None,
        state: "STAGING".to_owned(),
        error: None,
        stack: stack.unwrap_or_else(|| app.stack.clone()),
        buildpacks: buildpacks.map_or_else(|| app.buildpacks.clone(), |names| column(&names)),
        memory_in_mb: memory,
        disk_in_mb: disk,
        user_guid: call.user.guid.clone(),
        user_name: call.user.name.clone(),
        metadata: "{}".to_owned(),
        created_at: now(),
        updated_at: None,
        space_guid: app.space_guid.clone(),
        organization_guid: app.organization_guid.clone(),
    };
    Storage::save_build(&mut change, &row).await?;
    Storage::commit(change).await?;
    call.api.dispatch.stage(&row.guid);
    call.note_app("audit.app.build.create", &app).await;
    created(BuildResource::new(&row, &call.links))
}

/// The package that shall be staged, if it can be.
async fn package(call: &Call, asked: Option<Guid>) -> Result<PackageRow, Refusal> {
    let asked = asked.ok_or_else(|| Fault::unprocessable("Package guid must be given"))?;
    let found = call.package(&asked.guid, Action::WriteApp).await;
    let package = found.map_err(|refusal| {
        refusal.in_body(Fault::unprocessable(
            "Unable to use package. Ensure that the package exists and you have access to it.",
        ))
    })?;
    if package.state != "READY" {
        return Err(Fault::PackageNotReady.into());
    }
    Ok(package)
}

/// MiB of memory and disk for staging: what the app has, and at least what staging takes.
async fn needs(call: &Call, app: &AppRow) -> Result<(i64, i64), StorageError> {
    let apps = &call.api.config.apps;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let processes = call.api.storage.processes_of(&app.guid).await?;
    let web = processes.iter().find(|process| process.kind == WEB);
    Ok((
        web.map_or(0, |web| web.memory_in_mb)
            .max(signed(apps.staging_memory)),
        web.map_or(0, |web| web.disk_in_mb)
            .max(signed(apps.staging_disk)),
    ))
}

//! Staging: a DEA makes a droplet of a package.

use std::time::Duration;

use bus::BusError;
use controller_core::placement::Need;
use protocol::bus::staging::{
    STAGING_ID_START, StagingFailure, StagingFault, StagingReply, StagingRequest, StagingStage,
};
use serde_json::json;
use tokio::time::sleep;

use super::prune::prune;
use crate::api::Api;
use crate::blobs::BlobKind;
use crate::clock::now;
use crate::storage::{AppRow, BuildRow, DropletRow, Storage, StorageError};

/// How often a DEA that can stage is looked for, and how long it is waited in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(3);
/// What a DEA gets beyond the time that staging may take, to bring the droplet and to answer.
const SLACK: Duration = Duration::from_secs(60);
/// How often it is looked whether the DEA is still there.
const WATCH: Duration = Duration::from_secs(1);
/// The answers of one staging.
const ANSWERS: usize = 2;

/// Fails the builds that were being staged when the controller ended: nobody hears their answers.
pub(crate) async fn settle(api: &Api) {
    let builds = match api.storage.staging_builds(None).await {
        Ok(builds) => builds,
        Err(error) => {
            tracing::error!(%error, "builds-not-read");
            return;
        }
    };
    for build in builds {
        api.dispatch.stop_staging(&build.app_guid).await;
        let restarted = failure(
            StagingFault::StagingError,
            "The controller was restarted while the app was staged",
        );
        finish(api, build, Err(restarted)).await;
    }
}

/// Has a build staged, and writes down what came of it.
pub(super) async fn stage(api: &Api, guid: &str) {
    let found: Result<Option<BuildRow>, StorageError> =
        api.storage.find(&BuildRow::LISTING, guid).await;
    match found {
        Ok(Some(build)) if build.state == "STAGING" => {
            let app = build.app_guid.clone();
            let outcome = attempt(api, &build).await;
            finish(api, build, outcome).await;
            prune(api, &app).await;
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, build = guid, "build-not-read"),
    }
}

async fn attempt(api: &Api, build: &BuildRow) -> Result<StagingReply, StagingFailure> {
    let found = api.storage.find(&AppRow::LISTING, &build.app_guid).await;
    let app: Option<AppRow> = found.map_err(|error| unknown(&error))?;
    let app = app.ok_or_else(|| failure(StagingFault::StagingError, "The app was deleted"))?;
    let dea = stager(api, build).await?;
    tracing::info!(build = build.guid, dea, "staging");
    let request = request(api, &app, build);
    let reply = tokio::select! {
        reply = ask(api, &dea, &request) => reply?,
        () = gone(api, &dea) => {
            let text = "The DEA that staged the app is gone";
            return Err(failure(StagingFault::StagingError, text));
        }
    };
    match reply.error_info {
        Some(error) => Err(error),
        None if reply.droplet_sha256.is_none() => Err(failure(
            StagingFault::StagingError,
            "The droplet has no digest",
        )),
        None => Ok(reply),
    }
}

/// Finds who stages. That nobody has room may pass.
async fn stager(api: &Api, build: &BuildRow) -> Result<String, StagingFailure> {
    let limits = Api::limits_of(build.memory_in_mb, build.disk_in_mb);
    let need = Need {
        process: "",
        stack: &build.stack,
        memory_mib: limits.mem,
        disk_mib: limits.disk,
    };
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(PAUSE).await;
        }
        let now = api.dispatch.tick();
        let mut known = api.dispatch.known();
        if let Some(dea) = known.pool.stager(need, now, fastrand::u64(..)) {
            return Ok(dea);
        }
    }
    let text = format!(
        "No DEA with stack {} has {} MiB of memory and {} MiB of disk left for staging",
        build.stack, limits.mem, limits.disk
    );
    Err(failure(StagingFault::InsufficientResources, &text))
}

fn request(api: &Api, app: &AppRow, build: &BuildRow) -> StagingRequest {
    let cache = format!("buildpack_cache/{}/{}", app.guid, build.stack);
    let cache = api.staging_uri(&cache);
    StagingRequest {
        app_id: app.guid.clone(),
        app_name: app.name.clone(),
        task_id: build.guid.clone(),
        stack: build.stack.clone(),
        buildpacks: serde_json::from_str(&build.buildpacks).unwrap_or_default(),
        limits: Api::limits_of(build.memory_in_mb, build.disk_in_mb),
        environment: api.environment_of(app),
        download_uri: api.staging_uri(&format!("packages/{}", build.package_guid)),
        upload_uri: api.staging_uri(&format!("droplets/{}/upload", build.guid)),
        buildpack_cache_download_uri: cache.clone(),
        buildpack_cache_upload_uri: cache,
        timeout: api.config.apps.staging_timeout.as_secs(),
    }
}

/// Asks a DEA, and waits for its last answer.
async fn ask(
    api: &Api,
    dea: &str,
    request: &StagingRequest,
) -> Result<StagingReply, StagingFailure> {
    let subject = STAGING_ID_START.subject(dea);
    let subject = subject.ok_or_else(|| unknown(&BusError::Closed))?;
    let limit = api.config.apps.staging_timeout.saturating_add(SLACK);
    let bus = &api.dispatch.bus;
    let answers = bus.gather(&subject, request, ANSWERS, limit).await;
    let answers = answers.map_err(|error| unknown(&error))?;
    if answers.is_empty() {
        let text = "The DEA that was to stage the app did not answer";
        return Err(failure(StagingFault::StagingError, text));
    }
    let replies = answers.iter().filter_map(|answer| answer.decode().ok());
    let done = replies
        .filter(|reply: &StagingReply| reply.stage == StagingStage::Done)
        .last();
    done.ok_or_else(|| {
        failure(
            StagingFault::StagingTimeExpired,
            "Staging did not end in time",
        )
    })
}

/// Returns when a DEA has been silent for too long.
async fn gone(api: &Api, dea: &str) {
    loop {
        sleep(WATCH).await;
        let now = api.dispatch.tick();
        if !api.dispatch.known().pool.knows(dea, now) {
            return;
        }
    }
}

async fn finish(api: &Api, build: BuildRow, outcome: Result<StagingReply, StagingFailure>) {
    let guid = build.guid.clone();
    if let Err(failure) = &outcome {
        tracing::warn!(build = guid, ?failure, "staging-failed");
        // Whatever was brought belongs to no droplet.
        api.blobs.delete(BlobKind::Droplet, &guid).await;
    }
    if let Err(error) = write(api, build, outcome).await {
        tracing::error!(%error, build = guid, "build-not-written");
    }
    api.dispatch.news.notify_waiters();
}

async fn write(
    api: &Api,
    mut build: BuildRow,
    outcome: Result<StagingReply, StagingFailure>,
) -> Result<(), StorageError> {
    let mut change = api.storage.change().await?;
    let there: Option<BuildRow> = api.storage.find(&BuildRow::LISTING, &build.guid).await?;
    if there.is_none() {
        // Its app was deleted meanwhile.
        api.blobs.delete(BlobKind::Droplet, &build.guid).await;
        return Ok(());
    }
    build.updated_at = Some(now());
    match outcome {
        Ok(reply) => {
            let droplet = droplet(&build, reply);
            Storage::save_droplet(&mut change, &droplet).await?;
            build.droplet_guid = Some(droplet.guid);
            build.state = "STAGED".to_owned();
        }
        Err(failure) => {
            let kind = serde_json::to_value(failure.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or("StagingError");
            build.error = Some(format!("{kind} - {}", failure.message));
            build.state = "FAILED".to_owned();
        }
    }
    Storage::save_build(&mut change, &build).await?;
    Storage::commit(change).await
}

fn droplet(build: &BuildRow, reply: StagingReply) -> DropletRow {
    let name = reply.buildpack_key.unwrap_or_default();
    let buildpacks = json!([{
        "name": name,
        "detect_output": reply.detected_buildpack,
        "buildpack_name": name,
        "version": null,
    }]);
    DropletRow {
        guid: build.guid.clone(),
        app_guid: build.app_guid.clone(),
        package_guid: Some(build.package_guid.clone()),
        state: "STAGED".to_owned(),
        sha256: reply.droplet_sha256,
        stack: build.stack.clone(),
        buildpacks: buildpacks.to_string(),
        process_types: json!(reply.process_types).to_string(),
        metadata: "{}".to_owned(),
        created_at: now(),
        updated_at: None,
        space_guid: build.space_guid.clone(),
        organization_guid: build.organization_guid.clone(),
    }
}

fn failure(kind: StagingFault, message: &str) -> StagingFailure {
    StagingFailure {
        kind,
        message: message.to_owned(),
    }
}

fn unknown(error: &dyn std::error::Error) -> StagingFailure {
    failure(StagingFault::StagingError, &error.to_string())
}

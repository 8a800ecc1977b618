//! Manifests: apps made, or changed, as one text says.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path};
use axum::routing::post;
use controller_core::buildpack;
use controller_core::environment::VariableChanges;
use controller_core::fault::Fault;
use controller_core::manifest::{
    AppChange, AppManifest, LARGEST, Manifest, ManifestEffect, RouteWish,
};
use controller_core::permission::Action;
use controller_core::process::{ProcessChange, WEB};
use controller_core::route::{default_host, random_host};
use serde::Serialize;
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created};
use super::apps::{column, new_app, save_new};
use super::call::Call;
use super::resource::Metadata;
use super::routes::new_route;
use crate::clock::now;
use crate::storage::{AppRow, DestinationRow, DomainRow, ProcessRow, SpaceRow, Storage};

/// What is answered of manifests.
pub(super) fn routes() -> Router<Shared> {
    const SPACE: &str = "/v3/spaces/{guid}";
    Router::new()
        .route(&format!("{SPACE}/actions/apply_manifest"), post(apply))
        .route(&format!("{SPACE}/manifest_diff"), post(diff))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// What a manifest would change. Which is not told: clients then show it without marks.
#[derive(Debug, Serialize)]
struct ManifestDiff {
    diff: [(); 0],
}

async fn diff(call: Call, Path(guid): Path<String>, body: Bytes) -> Answer {
    call.space(&guid, Action::ReadSpace).await?;
    read(&call, &body)?;
    created(ManifestDiff { diff: [] })
}

async fn apply(call: Call, Path(guid): Path<String>, body: Bytes) -> Answer {
    let space = call.space(&guid, Action::WriteApp).await?;
    let manifest = read(&call, &body)?;
    let applied = apply_all(&call, &space, manifest).await;
    call.job("space.apply_manifest", applied).await
}

/// Reads a manifest, and checks what it can be checked for before anything is done.
fn read(call: &Call, body: &[u8]) -> Result<Manifest, Fault> {
    let text = std::str::from_utf8(body);
    let text = text.map_err(|_| Fault::MessageParse("Manifest is no UTF-8".to_owned()))?;
    let mut manifest = Manifest::parse(text, &call.api.process_limits())?;
    let mut problems = Vec::new();
    for app in &mut manifest.apps {
        for effect in &mut app.effects {
            let ManifestEffect::ChangeApp(change) = effect else {
                continue;
            };
            if let Err(fault) = known(call, change) {
                problems.push(format!("For application '{}': {fault}", app.name));
            }
        }
    }
    if problems.is_empty() {
        Ok(manifest)
    } else {
        Err(Fault::Unprocessable(problems))
    }
}

fn known(call: &Call, change: &mut AppChange) -> Result<(), Fault> {
    let apps = &call.api.config.apps;
    if let Some(names) = &mut change.buildpacks {
        *names = buildpack::known(names, &apps.buildpacks)?;
    }
    let stack = change.stack.as_deref();
    stack.map_or(Ok(()), |stack| buildpack::known_stack(stack, &apps.stack))
}

async fn apply_all(call: &Call, space: &SpaceRow, manifest: Manifest) -> Result<(), Refusal> {
    for app in manifest.apps {
        apply_one(call, space, app).await?;
    }
    Ok(())
}

async fn apply_one(call: &Call, space: &SpaceRow, manifest: AppManifest) -> Result<(), Refusal> {
    let storage = &call.api.storage;
    let app = match storage.app_named(&space.guid, &manifest.name).await? {
        Some(app) => app,
        None => {
            let app = new_app(call, space, &manifest.name).await?;
            save_new(call, &app).await?;
            app
        }
    };
    for effect in manifest.effects {
        match effect {
            ManifestEffect::ChangeProcess(kind, change) => {
                change_process(call, &app, &kind, change).await?;
            }
            ManifestEffect::ChangeApp(change) => change_app(call, &app.guid, change).await?,
            ManifestEffect::RemoveMappings => remove_mappings(call, &app).await?,
            ManifestEffect::MapRoutes(wishes) => {
                for wish in wishes {
                    map_wish(call, space, &app, wish).await?;
                }
            }
            ManifestEffect::MapDefaultRoute => {
                let host = default_host(&app.name);
                map_named(call, space, &app, host).await?;
            }
            ManifestEffect::MapRandomRoute => {
                let host = random_host(&app.name, fastrand::u64(..));
                map_named(call, space, &app, host).await?;
            }
            ManifestEffect::ChangeEnvironment(changes) => {
                change_environment(call, &app.guid, changes).await?;
            }
        }
    }
    call.note_app("audit.app.apply_manifest", &app).await;
    Ok(())
}

async fn change_process(
    call: &Call,
    app: &AppRow,
    kind: &str,
    wanted: ProcessChange,
) -> Result<(), Refusal> {
    let mut change = call.api.storage.change().await?;
    let there = call.api.storage.processes_of(&app.guid).await?;
    let found = there.into_iter().find(|process| process.kind == kind);
    let limits = call.api.process_limits();
    let mut row = found.unwrap_or_else(|| ProcessRow::new(app, kind, &limits, now()));
    let _intent = call.api.dispatch.intent([row.guid.clone()]);
    row.apply(wanted, now());
    Storage::save_process(&mut change, &row).await?;
    Storage::commit(change).await?;
    Ok(())
}

async fn change_app(call: &Call, guid: &str, wanted: AppChange) -> Result<(), Refusal> {
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(guid, Action::WriteApp).await?;
    if let Some(buildpacks) = wanted.buildpacks {
        app.buildpacks = column(&buildpacks);
    }
    app.stack = wanted.stack.unwrap_or(app.stack);
    let mut metadata = Metadata::stored(&app.metadata);
    metadata.merge(Metadata::changes(wanted.labels, wanted.annotations))?;
    app.metadata = metadata.column();
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    Ok(Storage::commit(change).await?)
}

async fn change_environment(
    call: &Call,
    guid: &str,
    changes: VariableChanges,
) -> Result<(), Refusal> {
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(guid, Action::WriteApp).await?;
    call.api.change_variables(&mut app, changes)?;
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    Ok(Storage::commit(change).await?)
}

async fn remove_mappings(call: &Call, app: &AppRow) -> Result<(), Refusal> {
    call.api.storage.unmap(&app.guid).await?;
    call.api.dispatch.rerouted(&app.guid);
    Ok(())
}

/// Maps a route of that host on the default domain, unless some route leads to the app.
async fn map_named(
    call: &Call,
    space: &SpaceRow,
    app: &AppRow,
    host: Result<String, String>,
) -> Result<(), Refusal> {
    let storage = &call.api.storage;
    if !storage.urls(&app.guid, WEB).await?.is_empty() {
        return Ok(());
    }
    let host = host.map_err(Fault::unprocessable)?;
    let domain = storage.default_domain(&app.organization_guid).await?;
    let domain = domain.ok_or_else(|| Fault::unprocessable("No default domains available"))?;
    let target = Target { call, space, app };
    target.map(&domain, &host, "", None).await
}

async fn map_wish(
    call: &Call,
    space: &SpaceRow,
    app: &AppRow,
    wish: RouteWish,
) -> Result<(), Refusal> {
    for (host, name) in wish.route.candidates() {
        let found = call.api.storage.domain_named(name).await?;
        let ours = |domain: &DomainRow| {
            let owner = domain.organization_guid.as_ref();
            owner.is_none_or(|owner| *owner == app.organization_guid)
        };
        if let Some(domain) = found.filter(ours) {
            let path = wish.route.path();
            let target = Target { call, space, app };
            return target.map(&domain, host, path, wish.options).await;
        }
    }
    let problem = format!("No domains exist for route {}", wish.text);
    Err(Fault::unprocessable(problem).into())
}

/// The app that routes shall lead to.
struct Target<'a> {
    call: &'a Call,
    space: &'a SpaceRow,
    app: &'a AppRow,
}

impl Target<'_> {
    /// Lets a route lead to the app. The route is made if it is not there.
    async fn map(
        &self,
        domain: &DomainRow,
        host: &str,
        path: &str,
        options: Option<BTreeMap<String, String>>,
    ) -> Result<(), Refusal> {
        let Self { call, space, app } = self;
        let storage = &call.api.storage;
        let mut change = storage.change().await?;
        let found = storage.route_at(&domain.guid, host, path).await?;
        let mut route = match found {
            Some(route) if route.space_guid == app.space_guid => route,
            Some(_) => {
                let problem = "Routes cannot be mapped to destinations in different spaces";
                return Err(Fault::unprocessable(problem).into());
            }
            None => {
                let platform = &call.api.config.domain;
                new_route(space, domain, host, path, platform)?
            }
        };
        if let Some(options) = options {
            route.options = serde_json::to_string(&options).unwrap_or_default();
            route.updated_at = Some(now());
        }
        Storage::save_route(&mut change, &route).await?;
        let destination = DestinationRow {
            guid: Uuid::new_v4().to_string(),
            route_guid: route.guid,
            app_guid: app.guid.clone(),
            process_type: WEB.to_owned(),
            port: None,
            protocol: "http1".to_owned(),
            created_at: now(),
            updated_at: None,
        };
        Storage::save_destination(&mut change, &destination).await?;
        Storage::commit(change).await?;
        call.api.dispatch.rerouted(&app.guid);
        Ok(())
    }
}

//! What is done to apps: started, stopped, restarted, given a droplet.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use controller_core::fault::Fault;
use controller_core::permission::Action;
use serde::Serialize;

use super::Shared;
use super::answer::{Answer, ok};
use super::apps::AppResource;
use super::body::Body;
use super::call::{Call, Listed as _};
use super::droplets::DropletResource;
use super::resource::{Guid, ResourceLinks, ToOne};
use super::spaces::Feature;
use crate::clock::now;
use crate::storage::{AppRow, DropletRow, ProcessRow, Storage};

/// What is answered of actions.
pub(super) fn routes() -> Router<Shared> {
    const ONE: &str = "/v3/apps/{guid}";
    let path = |rest: &str| format!("{ONE}/{rest}");
    Router::new()
        .route(&path("actions/start"), post(start))
        .route(&path("actions/stop"), post(stop))
        .route(&path("actions/restart"), post(restart))
        .route(
            &path("relationships/current_droplet"),
            get(current_droplet).patch(set_droplet),
        )
        .route(&path("droplets/current"), get(droplet))
        .route(&path("ssh_enabled"), get(ssh_enabled))
        .route(&path("features/ssh"), get(ssh))
        .route(&path("features/revisions"), get(revisions_feature))
        .route(&path("revisions"), get(revisions))
        .route(&path("revisions/deployed"), get(revisions))
}

async fn start(call: Call, Path(guid): Path<String>) -> Answer {
    run(&call, &guid, false).await
}

async fn restart(call: Call, Path(guid): Path<String>) -> Answer {
    run(&call, &guid, true).await
}

/// Starts an app. One that is started already is left alone, or all that runs of it is replaced.
async fn run(call: &Call, guid: &str, anew: bool) -> Answer {
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(guid, Action::OperateApp).await?;
    if app.droplet_guid.is_none() {
        return Err(Fault::NoDroplet.into());
    }
    if app.is_started() && !anew {
        return ok(AppResource::new(&app, &call.links));
    }
    let processes = call.api.storage.processes_of(guid).await?;
    let _intent = call.api.dispatch.intent(guids(&processes));
    app.state = "STARTED".to_owned();
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    Storage::renew_versions(&mut change, &processes, now()).await?;
    Storage::commit(change).await?;
    let event = if anew {
        "audit.app.restart"
    } else {
        "audit.app.start"
    };
    told(call, &app, event).await
}

async fn stop(call: Call, Path(guid): Path<String>) -> Answer {
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(&guid, Action::OperateApp).await?;
    if !app.is_started() {
        return ok(AppResource::new(&app, &call.links));
    }
    let processes = call.api.storage.processes_of(&guid).await?;
    let _intent = call.api.dispatch.intent(guids(&processes));
    app.state = "STOPPED".to_owned();
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    Storage::commit(change).await?;
    told(&call, &app, "audit.app.stop").await
}

fn guids(processes: &[ProcessRow]) -> Vec<String> {
    let guids = processes.iter().map(|process| process.guid.clone());
    guids.collect()
}

/// Tells everybody that an app has another state, and the client how it is now.
async fn told(call: &Call, app: &AppRow, event: &str) -> Answer {
    call.note_app(event, app).await;
    let said = format!("Updated app with guid {} ({})", app.guid, app.state);
    call.api.dispatch.say(app, &said).await;
    ok(AppResource::new(app, &call.links))
}

/// The droplet of an app, as a relation.
#[derive(Debug, Serialize)]
struct CurrentDroplet {
    data: Option<Guid>,
    links: ResourceLinks,
}

impl CurrentDroplet {
    fn new(call: &Call, app: &AppRow) -> Self {
        let path = format!("/v3/apps/{}", app.guid);
        let own = format!("{path}/relationships/current_droplet");
        let related = call.links.to(&format!("{path}/droplets/current"));
        Self {
            data: ToOne::new(app.droplet_guid.as_deref()).data,
            links: ResourceLinks::of(&call.links, &own).with("related", related),
        }
    }
}

async fn current_droplet(call: Call, Path(guid): Path<String>) -> Answer {
    let app = call.app(&guid, Action::ReadSpace).await?;
    ok(CurrentDroplet::new(&call, &app))
}

async fn set_droplet(call: Call, Path(guid): Path<String>, Body(asked): Body<ToOne>) -> Answer {
    let wanted = asked.required("droplet")?;
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(&guid, Action::WriteApp).await?;
    let found = call.api.storage.find(&DropletRow::LISTING, wanted);
    let droplet: Option<DropletRow> = found.await?;
    let droplet = droplet.filter(|one| one.app_guid == app.guid && one.state == "STAGED");
    let droplet = droplet.ok_or_else(|| {
        Fault::unprocessable(
            "Unable to assign current droplet. Ensure the droplet exists and belongs to this app.",
        )
    })?;
    app.droplet_guid = Some(droplet.guid.clone());
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    // A droplet brings the processes that it knows how to start.
    let there = call.api.storage.processes_of(&guid).await?;
    let types: BTreeMap<String, String> =
        serde_json::from_str(&droplet.process_types).unwrap_or_default();
    for kind in types.keys() {
        if !there.iter().any(|process| process.kind == *kind) {
            let process = ProcessRow::new(&app, kind, &call.api.process_limits(), now());
            Storage::save_process(&mut change, &process).await?;
        }
    }
    Storage::commit(change).await?;
    call.note_app("audit.app.droplet.mapped", &app).await;
    ok(CurrentDroplet::new(&call, &app))
}

async fn droplet(call: Call, Path(guid): Path<String>) -> Answer {
    let app = call.app(&guid, Action::ReadSpace).await?;
    let current = app.droplet_guid.ok_or(Fault::NotFound("Droplet"))?;
    let found = call.api.storage.find(&DropletRow::LISTING, &current);
    let row: DropletRow = found.await?.ok_or(Fault::NotFound("Droplet"))?;
    ok(DropletResource::new(&row, &call.links))
}

/// Whether one can log in to an app, and why not.
#[derive(Debug, Serialize)]
struct SshEnabled {
    enabled: bool,
    reason: &'static str,
}

async fn ssh_enabled(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    ok(SshEnabled {
        enabled: false,
        reason: "SSH is not supported yet",
    })
}

async fn ssh(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    ok(Feature::SSH)
}

async fn revisions_feature(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    ok(Feature::REVISIONS)
}

/// There are no revisions.
async fn revisions(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    call.page(&Default::default(), 0, Vec::<ToOne>::new())
}

//! Which apps serve a route.

use axum::Router;
use axum::extract::Path;
use axum::routing::{delete, get};
use controller_core::fault::Fault;
use controller_core::permission::Action;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::route;
use crate::api::Shared;
use crate::api::answer::{Answer, Refusal, nothing, ok};
use crate::api::body::Body;
use crate::api::call::Call;
use crate::api::resource::{ResourceLinks, Stamp};
use crate::clock::now;
use crate::storage::{DestinationRow, RouteRow, Storage};

/// The type of process that serves a route unless another is named.
const WEB: &str = "web";

pub(super) fn routes() -> Router<Shared> {
    const ALL: &str = "/v3/routes/{guid}/destinations";
    Router::new()
        .route(ALL, get(list).post(add))
        .route(&format!("{ALL}/{{destination}}"), delete(remove))
}

/// An app that serves a route.
#[derive(Debug, Serialize)]
pub(super) struct DestinationResource {
    guid: String,
    app: AppOf,
    weight: Option<u32>,
    /// The port that others believe in; ours is chosen anew for each instance.
    port: u16,
    protocol: String,
    created_at: Stamp,
    updated_at: Stamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct AppOf {
    guid: String,
    #[serde(default)]
    process: ProcessOf,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProcessOf {
    #[serde(rename = "type")]
    kind: String,
}

impl Default for ProcessOf {
    fn default() -> Self {
        Self {
            kind: WEB.to_owned(),
        }
    }
}

impl DestinationResource {
    pub(super) fn new(row: &DestinationRow) -> Self {
        Self {
            guid: row.guid.clone(),
            app: AppOf {
                guid: row.app_guid.clone(),
                process: ProcessOf {
                    kind: row.process_type.clone(),
                },
            },
            weight: None,
            port: row.port.unwrap_or(8080),
            protocol: row.protocol.clone(),
            created_at: Stamp(row.created_at),
            updated_at: Stamp(row.updated_at.unwrap_or(row.created_at)),
        }
    }
}

#[derive(Debug, Serialize)]
struct DestinationList {
    destinations: Vec<DestinationResource>,
    links: ResourceLinks,
}

/// Apps that shall serve a route.
#[derive(Debug, Deserialize)]
struct DestinationsRequest {
    destinations: Vec<DestinationRequest>,
}

#[derive(Debug, Deserialize)]
struct DestinationRequest {
    app: AppOf,
    port: Option<u16>,
    protocol: Option<String>,
}

async fn list(call: Call, Path(guid): Path<String>) -> Answer {
    let row = route(&call, &guid, Action::ReadSpace).await?;
    answer(&call, &row).await
}

async fn answer(call: &Call, row: &RouteRow) -> Answer {
    let all = call.api.storage.destinations([row.guid.as_str()]).await?;
    let path = format!("/v3/routes/{}", row.guid);
    ok(DestinationList {
        destinations: all.iter().map(DestinationResource::new).collect(),
        links: ResourceLinks::of(&call.links, &format!("{path}/destinations"))
            .with("route", call.links.to(&path)),
    })
}

async fn add(
    call: Call,
    Path(guid): Path<String>,
    Body(asked): Body<DestinationsRequest>,
) -> Answer {
    let row = route(&call, &guid, Action::WriteRoute).await?;
    let mut added = Vec::new();
    for one in &asked.destinations {
        added.push(destination(&call, &row, one).await?);
    }
    let mut change = call.api.storage.change().await?;
    for one in &added {
        Storage::save_destination(&mut change, one).await?;
    }
    Storage::commit(change).await?;
    for one in &added {
        call.api.dispatch.rerouted(&one.app_guid);
    }
    answer(&call, &row).await
}

/// What shall serve a route: an app of the same space.
async fn destination(
    call: &Call,
    route: &RouteRow,
    asked: &DestinationRequest,
) -> Result<DestinationRow, Refusal> {
    let guid = &asked.app.guid;
    let missing = || Fault::unprocessable(format!("App(s) with guid(s) \"{guid}\" do not exist."));
    let app = call.app(guid, Action::ReadSpace).await;
    let app = app.map_err(|refusal| refusal.in_body(missing()))?;
    if app.space_guid != route.space_guid {
        return Err(Fault::unprocessable(
            "Routes cannot be mapped to destinations in different spaces",
        )
        .into());
    }
    let protocol = asked.protocol.as_deref().unwrap_or("http1");
    if !matches!(protocol, "http1" | "http2") {
        return Err(Fault::unprocessable("Destination protocol must be 'http1' or 'http2'").into());
    }
    Ok(DestinationRow {
        guid: Uuid::new_v4().to_string(),
        route_guid: route.guid.clone(),
        app_guid: app.guid,
        process_type: asked.app.process.kind.clone(),
        port: asked.port,
        protocol: protocol.to_owned(),
        created_at: now(),
        updated_at: None,
    })
}

async fn remove(call: Call, Path((guid, destination)): Path<(String, String)>) -> Answer {
    let row = route(&call, &guid, Action::WriteRoute).await?;
    let storage = &call.api.storage;
    let all = storage.destinations([row.guid.as_str()]).await?;
    let found = all.into_iter().find(|one| one.guid == destination);
    let missing = "Unable to unmap route from destination. Ensure the route has a destination with this guid.";
    let found = found.ok_or_else(|| Fault::unprocessable(missing))?;
    storage.delete("destinations", &found.guid).await?;
    call.api.dispatch.rerouted(&found.app_guid);
    nothing()
}

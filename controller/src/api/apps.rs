//! Apps.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::buildpack;
use controller_core::fault::Fault;
use controller_core::name;
use controller_core::permission::{Action, Place};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::body::Body;
use super::call::{Call, Include, Listed};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use super::spaces::SpaceResource;
use crate::blobs::BlobKind;
use crate::clock::now;
use crate::storage::{
    AppRow, DropletRow, Listing, OrganizationRow, PackageRow, ProcessRow, SpaceRow, Storage,
};

/// What is answered of apps.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/apps", get(list).post(create))
        .route("/v3/apps/{guid}", get(show).patch(update).delete(delete))
}

/// An app.
#[derive(Debug, Serialize)]
pub(super) struct AppResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    state: String,
    lifecycle: Lifecycle,
    relationships: AppRelations,
    metadata: Metadata,
    links: ResourceLinks,
}

/// How an app is staged.
#[derive(Debug, Serialize)]
pub(super) struct Lifecycle {
    #[serde(rename = "type")]
    kind: &'static str,
    data: LifecycleData,
}

#[derive(Debug, Serialize)]
struct LifecycleData {
    buildpacks: Vec<String>,
    stack: String,
}

#[derive(Debug, Serialize)]
struct AppRelations {
    space: ToOne,
    current_droplet: ToOne,
}

impl Lifecycle {
    /// The one of `buildpacks`, as they are stored.
    pub(super) fn new(buildpacks: &str, stack: &str) -> Self {
        Self {
            kind: "buildpack",
            data: LifecycleData {
                buildpacks: serde_json::from_str(buildpacks).unwrap_or_default(),
                stack: stack.to_owned(),
            },
        }
    }
}

impl Listed for AppResource {
    type Row = AppRow;
    const LISTING: Listing = AppRow::LISTING;

    fn new(row: &AppRow, links: &Links) -> Self {
        let path = format!("/v3/apps/{}", row.guid);
        let below = |name: &str| links.to(&format!("{path}/{name}"));
        let mut all = ResourceLinks::of(links, &path)
            .with("space", links.to(&format!("/v3/spaces/{}", row.space_guid)));
        for name in ["processes", "packages", "environment_variables"] {
            all = all.with(name, below(name));
        }
        all = all.with("current_droplet", below("droplets/current"));
        for name in ["start", "stop"] {
            all = all.with_method(name, "POST", below(&format!("actions/{name}")));
        }
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            name: row.name.clone(),
            state: row.state.clone(),
            lifecycle: Lifecycle::new(&row.buildpacks, &row.stack),
            relationships: AppRelations {
                space: ToOne::new(Some(&row.space_guid)),
                current_droplet: ToOne::new(row.droplet_guid.as_deref()),
            },
            metadata: Metadata::stored(&row.metadata),
            links: all,
        }
    }
}

/// What an app shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppRequest {
    name: Option<String>,
    lifecycle: Option<GivenLifecycle>,
    relationships: GivenAppRelations,
    environment_variables: serde_json::Map<String, serde_json::Value>,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenAppRelations {
    space: ToOne,
}

/// How an app, or one build of it, shall be staged.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GivenLifecycle {
    #[serde(rename = "type")]
    kind: Option<String>,
    data: GivenLifecycleData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenLifecycleData {
    buildpacks: Option<Vec<String>>,
    stack: Option<String>,
}

/// Where an app is, for permissions.
pub(crate) fn place_of<'a>(organization: &'a str, space: &'a str) -> Place<'a> {
    Place::Space {
        organization,
        space,
    }
}

impl Call {
    /// The app of that guid, if the caller may do `action` to it.
    ///
    /// # Errors
    /// [`Fault::NotFound`], [`Fault::NotAuthorized`].
    pub(crate) async fn app(&self, guid: &str, action: Action) -> Result<AppRow, Refusal> {
        let found = self.api.storage.find(&AppRow::LISTING, guid);
        let row: AppRow = found.await?.ok_or(Fault::NotFound("App"))?;
        let place = place_of(&row.organization_guid, &row.space_guid);
        self.check(action, place, "App")?;
        Ok(row)
    }

    /// The buildpacks and the stack that a request names.
    ///
    /// # Errors
    /// It names what there is not.
    pub(super) fn lifecycle(
        &self,
        asked: Option<GivenLifecycle>,
    ) -> Result<(Option<Vec<String>>, Option<String>), Fault> {
        let GivenLifecycle { kind, data } = asked.unwrap_or_default();
        if !matches!(kind.as_deref(), None | Some("buildpack")) {
            return Err(Fault::Unserved("Lifecycle types other than buildpack are"));
        }
        let apps = &self.api.config.apps;
        let known = |names: &[String]| buildpack::known(names, &apps.buildpacks);
        let buildpacks = data.buildpacks.as_deref().map(known).transpose()?;
        if let Some(stack) = &data.stack {
            buildpack::known_stack(stack, &apps.stack)?;
        }
        Ok((buildpacks, data.stack))
    }

    /// The app that a request names in its relations, if the caller may do `action` to it. One that is
    /// not seen is as good as none.
    ///
    /// # Errors
    /// It names none that there is.
    pub(crate) async fn related_app(&self, app: &ToOne, action: Action) -> Result<AppRow, Refusal> {
        let found = self.app(app.required("app")?, action).await;
        found.map_err(|refusal| {
            refusal.in_body(Fault::unprocessable(
                "App is invalid. Ensure it exists and you have access to it.",
            ))
        })
    }
}

async fn list(call: Call) -> Answer {
    let include = Include {
        name: "space",
        kind: "spaces",
        guid: |row: &AppRow| &row.space_guid,
    };
    call.list_including::<AppResource, SpaceResource>(Action::ReadSpace, include)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.app(&guid, Action::ReadSpace).await?;
    ok(AppResource::new(&row, &call.links))
}

async fn create(call: Call, Body(asked): Body<AppRequest>) -> Answer {
    let space = asked.relationships.space.required("space")?;
    let found = call.space(space, Action::ReadSpace).await;
    let space = found.map_err(|refusal| refusal.named_in_body("space"))?;
    let place = place_of(&space.organization_guid, &space.guid);
    call.check(Action::WriteApp, place, "Space")?;
    let (buildpacks, stack) = call.lifecycle(asked.lifecycle)?;
    let name = asked.name.unwrap_or_default();
    let mut row = new_app(&call, &space, &name).await?;
    row.buildpacks = column(&buildpacks.unwrap_or_default());
    row.stack = stack.unwrap_or(row.stack);
    let variables = controller_core::environment::changes(&asked.environment_variables)?;
    call.api.change_variables(&mut row, variables)?;
    let mut metadata = Metadata::default();
    metadata.merge(asked.metadata)?;
    row.metadata = metadata.column();
    save_new(&call, &row).await?;
    created(AppResource::new(&row, &call.links))
}

/// A new app of that name.
///
/// # Errors
/// The name cannot be one.
pub(super) async fn new_app(call: &Call, space: &SpaceRow, name: &str) -> Result<AppRow, Refusal> {
    if let Some(problem) = name::problem(name) {
        return Err(Fault::unprocessable(problem).into());
    }
    let storage = &call.api.storage;
    let found = storage.find(&OrganizationRow::LISTING, &space.organization_guid);
    let organization: OrganizationRow = found.await?.ok_or(Fault::NotFound("Space"))?;
    Ok(AppRow {
        guid: Uuid::new_v4().to_string(),
        space_guid: space.guid.clone(),
        name: name.to_owned(),
        state: "STOPPED".to_owned(),
        buildpacks: "[]".to_owned(),
        stack: call.api.config.apps.stack.clone(),
        droplet_guid: None,
        environment: String::new(),
        metadata: "{}".to_owned(),
        created_at: now(),
        updated_at: None,
        space_name: space.name.clone(),
        organization_guid: organization.guid,
        organization_name: organization.name,
    })
}

/// Writes a new app down, with its process `web`.
///
/// # Errors
/// [`Fault::AppNameTaken`].
pub(super) async fn save_new(call: &Call, row: &AppRow) -> Result<(), Refusal> {
    let web = ProcessRow::new(row, "web", &call.api.process_limits(), row.created_at);
    let mut change = call.api.storage.change().await?;
    Storage::save_app(&mut change, row)
        .await
        .map_err(|error| error.or_taken(Fault::AppNameTaken(row.name.clone())))?;
    Storage::save_process(&mut change, &web).await?;
    Storage::commit(change).await?;
    call.note_app("audit.app.create", row).await;
    let said = format!("Created app with guid {}", row.guid);
    call.api.dispatch.say(row, &said).await;
    Ok(())
}

async fn update(call: Call, Path(guid): Path<String>, Body(asked): Body<AppRequest>) -> Answer {
    let (buildpacks, stack) = call.lifecycle(asked.lifecycle)?;
    // Read while nobody else writes.
    let mut change = call.api.storage.change().await?;
    let mut row = call.app(&guid, Action::WriteApp).await?;
    if let Some(name) = asked.name {
        if let Some(problem) = name::problem(&name) {
            return Err(Fault::unprocessable(problem).into());
        }
        row.name = name;
    }
    if let Some(buildpacks) = buildpacks {
        row.buildpacks = column(&buildpacks);
    }
    row.stack = stack.unwrap_or(row.stack);
    let mut metadata = Metadata::stored(&row.metadata);
    metadata.merge(asked.metadata)?;
    row.metadata = metadata.column();
    row.updated_at = Some(now());
    Storage::save_app(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(Fault::AppNameTaken(row.name.clone())))?;
    Storage::commit(change).await?;
    call.note_app("audit.app.update", &row).await;
    ok(AppResource::new(&row, &call.links))
}

/// A list as it is stored.
pub(super) fn column(list: &[String]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.app(&guid, Action::WriteApp).await?;
    let deleted = delete_app(&call, &row).await;
    call.job("app.delete", deleted).await
}

/// Deletes the apps whose `column` has that value, so that nothing of them goes on running.
///
/// # Errors
/// The database failed.
pub(super) async fn delete_apps(call: &Call, column: &str, value: &str) -> Result<(), Refusal> {
    let found = call.api.storage.find_all(&AppRow::LISTING, column, [value]);
    let apps: Vec<AppRow> = found.await?;
    for app in apps {
        delete_app(call, &app).await?;
    }
    Ok(())
}

async fn delete_app(call: &Call, row: &AppRow) -> Result<(), Refusal> {
    let storage = &call.api.storage;
    let processes = storage.processes_of(&row.guid).await?;
    let packages: Vec<PackageRow> = storage
        .find_all(&PackageRow::LISTING, "k.app_guid", [&row.guid])
        .await?;
    let droplets: Vec<DropletRow> = storage
        .find_all(&DropletRow::LISTING, "d.app_guid", [&row.guid])
        .await?;
    let guids = processes.into_iter().map(|process| process.guid);
    let intent = call.api.dispatch.intent(guids);
    storage.delete("apps", &row.guid).await?;
    drop(intent);
    call.note_app("audit.app.delete-request", row).await;
    call.api.dispatch.stop_staging(&row.guid).await;
    call.api.output.forget(&row.guid);
    let blobs = &call.api.blobs;
    for package in packages {
        blobs.delete(BlobKind::Package, &package.guid).await;
    }
    for droplet in droplets {
        blobs.delete(BlobKind::Droplet, &droplet.guid).await;
    }
    blobs.delete(BlobKind::Cache, &row.guid).await;
    Ok(())
}

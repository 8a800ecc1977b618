//! Spaces.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::name;
use controller_core::permission::{Action, Place};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, created, ok};
use super::apps::delete_apps;
use super::body::Body;
use super::call::{Call, Include, Listed, place};
use super::links::Links;
use super::organizations::OrganizationResource;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use crate::clock::now;
use crate::storage::{Listing, SpaceRow, Storage};

/// What is answered of spaces.
pub(super) fn routes() -> Router<Shared> {
    const ONE: &str = "/v3/spaces/{guid}";
    Router::new()
        .route("/v3/spaces", get(list).post(create))
        .route(ONE, get(show).patch(update).delete(delete))
        .route(
            &format!("{ONE}/relationships/isolation_segment"),
            get(isolation_segment),
        )
        .route(&format!("{ONE}/features/ssh"), get(ssh))
}

/// A space.
#[derive(Debug, Serialize)]
pub(super) struct SpaceResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    suspended: bool,
    relationships: SpaceRelations,
    metadata: Metadata,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct SpaceRelations {
    organization: ToOne,
    quota: ToOne,
}

impl Listed for SpaceResource {
    type Row = SpaceRow;
    const LISTING: Listing = SpaceRow::LISTING;

    fn new(row: &SpaceRow, links: &Links) -> Self {
        let path = format!("/v3/spaces/{}", row.guid);
        let organization = format!("/v3/organizations/{}", row.organization_guid);
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            name: row.name.clone(),
            suspended: false,
            relationships: SpaceRelations {
                organization: ToOne::new(Some(&row.organization_guid)),
                quota: ToOne::default(),
            },
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &path)
                .with("organization", links.to(&organization))
                .with_method(
                    "apply_manifest",
                    "POST",
                    links.to(&format!("{path}/actions/apply_manifest")),
                ),
        }
    }
}

/// What a space shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpaceRequest {
    name: Option<String>,
    relationships: GivenSpaceRelations,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenSpaceRelations {
    organization: ToOne,
}

async fn list(call: Call) -> Answer {
    let include = Include {
        name: "organization",
        kind: "organizations",
        guid: |row: &SpaceRow| &row.organization_guid,
    };
    call.list_including::<SpaceResource, OrganizationResource>(Action::ReadSpace, include)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.space(&guid, Action::ReadSpace).await?;
    ok(SpaceResource::new(&row, &call.links))
}

async fn create(call: Call, Body(asked): Body<SpaceRequest>) -> Answer {
    let guid = asked.relationships.organization.required("organization")?;
    let found = call.organization(guid, Action::ReadOrganization).await;
    let organization = found.map_err(|refusal| {
        refusal.in_body(Fault::unprocessable(
            "Invalid organization. Ensure the organization exists and you have access to it.",
        ))
    })?;
    let place = Place::Organization(&organization.guid);
    call.check(Action::AdministerSpaces, place, "Organization")?;
    let mut row = SpaceRow {
        guid: Uuid::new_v4().to_string(),
        organization_guid: organization.guid.clone(),
        name: String::new(),
        metadata: String::new(),
        created_at: now(),
        updated_at: None,
    };
    apply(&mut row, asked.name.unwrap_or_default(), asked.metadata)?;
    save(&call, &row).await?;
    created(SpaceResource::new(&row, &call.links))
}

async fn update(call: Call, Path(guid): Path<String>, Body(asked): Body<SpaceRequest>) -> Answer {
    let mut row = call.space(&guid, Action::ReadSpace).await?;
    call.check(Action::UpdateSpace, place(&row), "Space")?;
    let name = asked.name.unwrap_or_else(|| row.name.clone());
    apply(&mut row, name, asked.metadata)?;
    row.updated_at = Some(now());
    save(&call, &row).await?;
    ok(SpaceResource::new(&row, &call.links))
}

fn apply(row: &mut SpaceRow, name: String, changes: Metadata) -> Result<(), Fault> {
    if let Some(problem) = name::problem(&name) {
        return Err(Fault::unprocessable(problem));
    }
    row.name = name;
    let mut metadata = Metadata::stored(&row.metadata);
    metadata.merge(changes)?;
    row.metadata = metadata.column();
    Ok(())
}

async fn save(call: &Call, row: &SpaceRow) -> Result<(), Fault> {
    let mut change = call.api.storage.change().await?;
    Storage::save_space(&mut change, row)
        .await
        .map_err(|error| error.or_taken(Fault::SpaceNameTaken))?;
    Ok(Storage::commit(change).await?)
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.space(&guid, Action::ReadSpace).await?;
    let organization = Place::Organization(&row.organization_guid);
    call.check(Action::AdministerSpaces, organization, "Space")?;
    delete_apps(&call, "a.space_guid", &row.guid).await?;
    call.delete("spaces", &row.guid, "space.delete").await
}

/// There are no isolation segments.
async fn isolation_segment(call: Call, Path(guid): Path<String>) -> Answer {
    call.space(&guid, Action::ReadSpace).await?;
    ok(ToOne::default())
}

/// A switch of a space or an app.
#[derive(Debug, Serialize)]
pub(super) struct Feature {
    name: &'static str,
    description: &'static str,
    enabled: bool,
}

impl Feature {
    /// Whether one can log in to running instances, which nobody can.
    pub(super) const SSH: Self = Self {
        name: "ssh",
        description: "Enable SSHing into apps",
        enabled: false,
    };
    /// Whether versions of apps are kept, which they are not.
    pub(super) const REVISIONS: Self = Self {
        name: "revisions",
        description: "Enable versioning of an application",
        enabled: false,
    };
}

async fn ssh(call: Call, Path(guid): Path<String>) -> Answer {
    call.space(&guid, Action::ReadSpace).await?;
    ok(Feature::SSH)
}

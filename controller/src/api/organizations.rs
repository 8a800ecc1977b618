//! Organizations.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::name;
use controller_core::permission::{Action, Place, Role, Scope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::apps::delete_apps;
use super::body::Body;
use super::call::{Call, Listed};
use super::domains::DomainResource;
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use crate::clock::now;
use crate::storage::{DomainRow, Listing, OrganizationRow, RoleRow, Storage};

/// What is answered of organizations.
pub(super) fn routes() -> Router<Shared> {
    const ONE: &str = "/v3/organizations/{guid}";
    Router::new()
        .route("/v3/organizations", get(list).post(create))
        .route(ONE, get(show).patch(update).delete(delete))
        .route(&format!("{ONE}/domains"), get(domains))
        .route(&format!("{ONE}/domains/default"), get(default_domain))
        .route(
            &format!("{ONE}/relationships/default_isolation_segment"),
            get(isolation_segment),
        )
}

/// An organization.
#[derive(Debug, Serialize)]
pub(super) struct OrganizationResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    suspended: bool,
    relationships: OrganizationRelations,
    metadata: Metadata,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct OrganizationRelations {
    quota: ToOne,
}

impl Listed for OrganizationResource {
    type Row = OrganizationRow;
    const LISTING: Listing = OrganizationRow::LISTING;

    fn new(row: &OrganizationRow, links: &Links) -> Self {
        let path = format!("/v3/organizations/{}", row.guid);
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            name: row.name.clone(),
            suspended: row.suspended,
            relationships: OrganizationRelations {
                quota: ToOne::default(),
            },
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &path)
                .with("domains", links.to(&format!("{path}/domains"))),
        }
    }
}

/// What an organization shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OrganizationRequest {
    name: Option<String>,
    suspended: Option<bool>,
    metadata: Metadata,
}

async fn list(call: Call) -> Answer {
    call.list::<OrganizationResource>(Action::ReadOrganization, None)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.organization(&guid, Action::ReadOrganization).await?;
    ok(OrganizationResource::new(&row, &call.links))
}

/// Whoever creates one without being an administrator manages it.
async fn create(call: Call, Body(asked): Body<OrganizationRequest>) -> Answer {
    call.check(
        Action::AdministerOrganizations,
        Place::Platform,
        "Organization",
    )?;
    let mut row = OrganizationRow {
        guid: Uuid::new_v4().to_string(),
        name: String::new(),
        suspended: false,
        metadata: String::new(),
        created_at: now(),
        updated_at: None,
    };
    let name = asked.name.clone().unwrap_or_default();
    apply(&mut row, asked)?;
    let mut change = call.api.storage.change().await?;
    Storage::save_organization(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(Fault::OrganizationNameTaken(name)))?;
    if !call.caller.is_admin {
        let role = RoleRow {
            guid: Uuid::new_v4().to_string(),
            kind: Role::OrganizationManager.name().to_owned(),
            user_guid: call.user.guid.clone(),
            organization_guid: Some(row.guid.clone()),
            space_guid: None,
            created_at: now(),
            updated_at: None,
        };
        Storage::save_role(&mut change, &role).await?;
    }
    Storage::commit(change).await?;
    created(OrganizationResource::new(&row, &call.links))
}

async fn update(
    call: Call,
    Path(guid): Path<String>,
    Body(asked): Body<OrganizationRequest>,
) -> Answer {
    let mut row = call.organization(&guid, Action::UpdateOrganization).await?;
    if asked
        .suspended
        .is_some_and(|suspended| suspended != row.suspended)
    {
        let place = Place::Organization(&row.guid);
        call.check(Action::AdministerOrganizations, place, "Organization")?;
    }
    let name = asked.name.clone().unwrap_or_else(|| row.name.clone());
    apply(
        &mut row,
        OrganizationRequest {
            name: Some(name.clone()),
            ..asked
        },
    )?;
    row.updated_at = Some(now());
    let mut change = call.api.storage.change().await?;
    Storage::save_organization(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(Fault::OrganizationNameTaken(name)))?;
    Storage::commit(change).await?;
    ok(OrganizationResource::new(&row, &call.links))
}

fn apply(row: &mut OrganizationRow, asked: OrganizationRequest) -> Result<(), Fault> {
    let name = asked.name.unwrap_or_default();
    if let Some(problem) = name::problem(&name) {
        return Err(Fault::unprocessable(problem));
    }
    row.name = name;
    row.suspended = asked.suspended.unwrap_or(row.suspended);
    let mut metadata = Metadata::stored(&row.metadata);
    metadata.merge(asked.metadata)?;
    row.metadata = metadata.column();
    Ok(())
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.organization(&guid, Action::ReadOrganization).await?;
    let place = Place::Organization(&row.guid);
    call.check(Action::AdministerOrganizations, place, "Organization")?;
    delete_apps(&call, "s.organization_guid", &row.guid).await?;
    call.delete("organizations", &row.guid, "organization.delete")
        .await
}

async fn domains(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.organization(&guid, Action::ReadOrganization).await?;
    let mut query = call.asked(&DomainRow::OF_ORGANIZATION, &[])?;
    query.restrict("organization_guids", vec![row.guid]);
    call.list_all::<DomainResource>(&DomainRow::OF_ORGANIZATION, &query, &Scope::Everywhere)
        .await
}

async fn default_domain(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.organization(&guid, Action::ReadOrganization).await?;
    let found = call.api.storage.default_domain(&row.guid).await?;
    let domain = found.ok_or(Refusal(Fault::NotFound("Domain")))?;
    ok(DomainResource::new(&domain, &call.links))
}

/// There are no isolation segments.
async fn isolation_segment(call: Call, Path(guid): Path<String>) -> Answer {
    call.organization(&guid, Action::ReadOrganization).await?;
    ok(ToOne::default())
}

//! Domains.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::permission::{Action, Place};
use controller_core::route::domain_problem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::body::Body;
use super::call::{Call, Listed};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToMany, ToOne};
use crate::clock::now;
use crate::storage::{DomainRow, Listing, Storage};

/// What is answered of domains.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/domains", get(list).post(create))
        .route("/v3/domains/{guid}", get(show).delete(delete))
}

/// A domain.
#[derive(Debug, Serialize)]
pub(super) struct DomainResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    internal: bool,
    router_group: Option<ToOne>,
    supported_protocols: [&'static str; 1],
    relationships: DomainRelations,
    metadata: Metadata,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct DomainRelations {
    organization: ToOne,
    shared_organizations: ToMany,
}

impl Listed for DomainResource {
    type Row = DomainRow;
    const LISTING: Listing = DomainRow::LISTING;

    fn new(row: &DomainRow, links: &Links) -> Self {
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            name: row.name.clone(),
            internal: row.internal,
            router_group: None,
            supported_protocols: ["http"],
            relationships: DomainRelations {
                organization: ToOne::new(row.organization_guid.as_deref()),
                shared_organizations: ToMany::default(),
            },
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &format!("/v3/domains/{}", row.guid)),
        }
    }
}

/// What a domain shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DomainRequest {
    name: String,
    internal: Option<bool>,
    relationships: GivenDomainRelations,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenDomainRelations {
    organization: ToOne,
}

async fn list(call: Call) -> Answer {
    call.list::<DomainResource>(Action::ReadOrganization, None)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = domain(&call, &guid).await?;
    ok(DomainResource::new(&row, &call.links))
}

async fn create(call: Call, Body(asked): Body<DomainRequest>) -> Answer {
    let organization = asked.relationships.organization.data;
    match &organization {
        None => call.check(Action::AdministerDomains, Place::Platform, "Domain")?,
        Some(organization) => {
            let found = call
                .organization(&organization.guid, Action::ReadOrganization)
                .await;
            let row = found.map_err(|refusal| refusal.named_in_body("organization"))?;
            let place = Place::Organization(&row.guid);
            call.check(Action::WritePrivateDomain, place, "Domain")?;
        }
    }
    let name = asked.name.to_lowercase();
    if let Some(problem) = domain_problem(&name) {
        return Err(Fault::unprocessable(problem).into());
    }
    if let Some(organization) = &organization {
        refuse_foreign_parent(&call, &name, &organization.guid).await?;
    }
    let mut metadata = Metadata::default();
    metadata.merge(asked.metadata)?;
    let row = DomainRow {
        guid: Uuid::new_v4().to_string(),
        name: name.clone(),
        internal: asked.internal.unwrap_or(false),
        organization_guid: organization.map(|organization| organization.guid),
        metadata: metadata.column(),
        created_at: now(),
        updated_at: None,
    };
    let mut change = call.api.storage.change().await?;
    Storage::save_domain(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(Fault::DomainNameTaken(name)))?;
    Storage::commit(change).await?;
    created(DomainResource::new(&row, &call.links))
}

/// Refuses a private domain below one that is shared or another organization's: its routes would stand
/// beside those of others.
async fn refuse_foreign_parent(call: &Call, name: &str, organization: &str) -> Result<(), Refusal> {
    let parents = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
    let found = call
        .api
        .storage
        .find_all(&DomainRow::LISTING, "d.name", parents);
    let found: Vec<DomainRow> = found.await?;
    let is_foreign = |row: &&DomainRow| row.organization_guid.as_deref() != Some(organization);
    match found.iter().find(is_foreign) {
        None => Ok(()),
        Some(reserved) => Err(Fault::unprocessable(format!(
            "The domain name \"{name}\" cannot be created because \"{}\" is already reserved by another domain",
            reserved.name
        ))
        .into()),
    }
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let row = domain(&call, &guid).await?;
    match &row.organization_guid {
        None => call.check(Action::AdministerDomains, Place::Platform, "Domain")?,
        Some(guid) => {
            let place = Place::Organization(guid);
            call.check(Action::WritePrivateDomain, place, "Domain")?;
        }
    }
    call.delete("domains", &row.guid, "domain.delete").await
}

/// The domain of that guid, if the caller can see it: all see the shared ones.
pub(super) async fn domain(call: &Call, guid: &str) -> Result<DomainRow, Refusal> {
    let found: Option<DomainRow> = call.api.storage.find(&DomainRow::LISTING, guid).await?;
    let row = found.ok_or(Fault::NotFound("Domain"))?;
    if let Some(guid) = &row.organization_guid {
        let place = Place::Organization(guid);
        call.check(Action::ReadOrganization, place, "Domain")?;
    }
    Ok(row)
}

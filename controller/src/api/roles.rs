//! Roles that users have in organizations and spaces.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::permission::{Action, Place, Role};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::body::Body;
use super::call::{Call, Include, Listed, place};
use super::links::Links;
use super::resource::{Head, ResourceLinks, ToOne};
use super::users::UserResource;
use crate::clock::now;
use crate::storage::{Listing, OrganizationRow, RoleRow, SpaceRow, Storage, UserRow};

/// What is answered of roles.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/roles", get(list).post(create))
        .route("/v3/roles/{guid}", get(show).delete(delete))
}

/// A role.
#[derive(Debug, Serialize)]
struct RoleResource {
    #[serde(flatten)]
    head: Head,
    #[serde(rename = "type")]
    kind: String,
    relationships: RoleRelations,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct RoleRelations {
    user: ToOne,
    organization: ToOne,
    space: ToOne,
}

impl Listed for RoleResource {
    type Row = RoleRow;
    const LISTING: Listing = RoleRow::LISTING;

    fn new(row: &RoleRow, links: &Links) -> Self {
        let user = links.to(&format!("/v3/users/{}", row.user_guid));
        let place = match (&row.space_guid, &row.organization_guid) {
            (Some(guid), _) => ("space", format!("/v3/spaces/{guid}")),
            (None, guid) => {
                let guid = guid.as_deref().unwrap_or_default();
                ("organization", format!("/v3/organizations/{guid}"))
            }
        };
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            kind: row.kind.clone(),
            relationships: RoleRelations {
                user: ToOne::new(Some(&row.user_guid)),
                organization: ToOne::new(row.organization_guid.as_deref()),
                space: ToOne::new(row.space_guid.as_deref()),
            },
            links: ResourceLinks::of(links, &format!("/v3/roles/{}", row.guid))
                .with("user", user)
                .with(place.0, links.to(&place.1)),
        }
    }
}

/// A role to be given.
#[derive(Debug, Deserialize)]
struct RoleRequest {
    #[serde(rename = "type")]
    kind: String,
    relationships: GivenRoleRelations,
}

#[derive(Debug, Deserialize)]
struct GivenRoleRelations {
    user: UserRelation,
    #[serde(default)]
    organization: ToOne,
    #[serde(default)]
    space: ToOne,
}

#[derive(Debug, Deserialize)]
struct UserRelation {
    data: NamedUser,
}

/// A user by guid, or by name and perhaps origin.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    guid: Option<String>,
    username: Option<String>,
    origin: Option<String>,
}

/// What a role is given for.
enum Ground {
    Organization(OrganizationRow),
    Space(SpaceRow),
}

async fn list(call: Call) -> Answer {
    let include = Include {
        name: "user",
        kind: "users",
        guid: |row: &RoleRow| &row.user_guid,
    };
    call.list_including::<RoleResource, UserResource>(Action::ReadOrganization, include)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let (row, _) = role(&call, &guid).await?;
    ok(RoleResource::new(&row, &call.links))
}

async fn create(call: Call, Body(asked): Body<RoleRequest>) -> Answer {
    let role = Role::from_name(&asked.kind)
        .ok_or_else(|| Fault::unprocessable("Type must be one of the allowed types"))?;
    let relations = &asked.relationships;
    let ground = if role.is_in_space() {
        let guid = relations.space.required("space")?;
        let found = call.space(guid, Action::ReadSpace).await;
        Ground::Space(found.map_err(|refusal| refusal.named_in_body("space"))?)
    } else {
        let guid = relations.organization.required("organization")?;
        let found = call.organization(guid, Action::ReadOrganization).await;
        Ground::Organization(found.map_err(|refusal| refusal.named_in_body("organization"))?)
    };
    check(&call, &ground)?;
    let user = user(&call, &relations.user.data).await?;
    let (organization_guid, space_guid, place, name) = match &ground {
        Ground::Organization(row) => (Some(row.guid.clone()), None, "organization", &row.name),
        Ground::Space(row) => (None, Some(row.guid.clone()), "space", &row.name),
    };
    let row = RoleRow {
        guid: Uuid::new_v4().to_string(),
        kind: role.name().to_owned(),
        user_guid: user.guid,
        organization_guid,
        space_guid,
        created_at: now(),
        updated_at: None,
    };
    let taken = Fault::RoleTaken {
        user: user.name,
        role: role.name(),
        place,
        name: name.clone(),
    };
    let mut change = call.api.storage.change().await?;
    Storage::save_role(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(taken))?;
    Storage::commit(change).await?;
    created(RoleResource::new(&row, &call.links))
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let (row, ground) = role(&call, &guid).await?;
    check(&call, &ground)?;
    call.delete("roles", &row.guid, "role.delete").await
}

/// Whether the caller may give and take roles there.
fn check(call: &Call, ground: &Ground) -> Result<(), Fault> {
    match ground {
        Ground::Organization(row) => {
            let place = Place::Organization(&row.guid);
            call.check(Action::AssignOrganizationRole, place, "Role")
        }
        Ground::Space(row) => call.check(Action::AssignSpaceRole, place(row), "Role"),
    }
}

/// The role of that guid, if the caller can see what it is for.
async fn role(call: &Call, guid: &str) -> Result<(RoleRow, Ground), Refusal> {
    let missing = || Fault::NotFound("Role");
    let found: Option<RoleRow> = call.api.storage.find(&RoleRow::LISTING, guid).await?;
    let row = found.ok_or_else(missing)?;
    let ground = match (&row.organization_guid, &row.space_guid) {
        (Some(guid), _) => call
            .organization(guid, Action::ReadOrganization)
            .await
            .map(Ground::Organization),
        (None, Some(guid)) => call.space(guid, Action::ReadSpace).await.map(Ground::Space),
        (None, None) => Err(missing().into()),
    };
    // That what it is for is not seen must not tell that there is a role.
    Ok((row, ground.map_err(|refusal| refusal.in_body(missing()))?))
}

/// The user who is meant. A name that several origins have needs its origin.
async fn user(call: &Call, named: &NamedUser) -> Result<UserRow, Refusal> {
    let storage = &call.api.storage;
    if let Some(guid) = &named.guid {
        let found: Option<UserRow> = storage.find(&UserRow::LISTING, guid).await?;
        let missing = || Fault::unprocessable("Invalid user. Ensure that the user exists.");
        return Ok(found.ok_or_else(missing)?);
    }
    let name = named.username.clone().unwrap_or_default();
    let mut users = storage.users_named(&name).await?;
    if let Some(origin) = &named.origin {
        users.retain(|user| user.origin == *origin);
    }
    let fault = if users.is_empty() {
        format!("No user exists with the username '{name}'.")
    } else {
        format!("User with username '{name}' exists in more than one origin.")
    };
    match <[UserRow; 1]>::try_from(users) {
        Ok([user]) => Ok(user),
        Err(_) => Err(Fault::unprocessable(fault).into()),
    }
}

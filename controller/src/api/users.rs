//! Users, as far as the API knows them; the token server keeps their passwords.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::claims::ORIGIN;
use controller_core::fault::Fault;
use controller_core::permission::{Action, Place, Scope};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::answer::{Answer, created, ok};
use super::body::Body;
use super::call::{Call, Listed};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks};
use crate::clock::now;
use crate::storage::{Listing, Storage, UserRow};

/// What is answered of users.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/users", get(list).post(create))
        .route("/v3/users/{guid}", get(show).delete(delete))
}

/// A user.
#[derive(Debug, Serialize)]
pub(super) struct UserResource {
    #[serde(flatten)]
    head: Head,
    username: String,
    presentation_name: String,
    origin: String,
    metadata: Metadata,
    links: ResourceLinks,
}

impl Listed for UserResource {
    type Row = UserRow;
    const LISTING: Listing = UserRow::LISTING;

    fn new(row: &UserRow, links: &Links) -> Self {
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            username: row.name.clone(),
            presentation_name: row.name.clone(),
            origin: row.origin.clone(),
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &format!("/v3/users/{}", row.guid)),
        }
    }
}

/// A user whom the token server knows and the API does not yet.
#[derive(Debug, Deserialize)]
struct UserRequest {
    guid: String,
}

/// Administrators see all users, anybody else themselves.
async fn list(call: Call) -> Answer {
    let mut query = call.asked(&UserRow::LISTING, &[])?;
    if !call.caller.is_admin {
        query.restrict("guids", vec![call.user.guid.clone()]);
    }
    call.list_all::<UserResource>(&UserRow::LISTING, &query, &Scope::Everywhere)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let found = call.api.storage.find(&UserRow::LISTING, &guid);
    let row: UserRow = found.await?.ok_or(Fault::NotFound("User"))?;
    if !call.caller.is_admin && row.guid != call.user.guid {
        return Err(Fault::NotFound("User").into());
    }
    ok(UserResource::new(&row, &call.links))
}

/// The token server made the user before, and both keep users in one table: what is there already is
/// what was asked for.
async fn create(call: Call, Body(asked): Body<UserRequest>) -> Answer {
    call.check(Action::AdministerUsers, Place::Platform, "User")?;
    let storage = &call.api.storage;
    let found: Option<UserRow> = storage.find(&UserRow::LISTING, &asked.guid).await?;
    let row = match found {
        Some(row) => row,
        None => {
            let row = UserRow {
                name: asked.guid.clone(),
                guid: asked.guid,
                origin: ORIGIN.to_owned(),
                password_hash: String::new(),
                is_admin: false,
                metadata: Metadata::default().column(),
                created_at: now(),
                updated_at: None,
            };
            let mut change = storage.change().await?;
            Storage::save_user(&mut change, &row).await?;
            Storage::commit(change).await?;
            row
        }
    };
    created(UserResource::new(&row, &call.links))
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    call.check(Action::AdministerUsers, Place::Platform, "User")?;
    let found: Option<UserRow> = call.api.storage.find(&UserRow::LISTING, &guid).await?;
    let row = found.ok_or(Fault::NotFound("User"))?;
    if row.guid == call.user.guid {
        return Err(Fault::unprocessable("You cannot delete yourself").into());
    }
    call.delete("users", &row.guid, "user.delete").await
}

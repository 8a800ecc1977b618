//! Audit events.

use axum::Router;
use axum::routing::get;
use controller_core::permission::Action;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Shared;
use super::answer::Answer;
use super::call::{Call, Listed};
use super::links::Links;
use super::resource::{Guid, Head, ResourceLinks};
use crate::clock::now;
use crate::storage::{AppRow, EventRow, Listing};

/// What is answered of events.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v3/audit_events", get(list))
}

/// An event.
#[derive(Debug, Serialize)]
struct EventResource {
    #[serde(flatten)]
    head: Head,
    #[serde(rename = "type")]
    kind: String,
    actor: Participant,
    target: Participant,
    data: Map<String, Value>,
    space: Guid,
    organization: Guid,
    links: ResourceLinks,
}

/// Who did something, or what it was done to.
#[derive(Debug, Serialize)]
struct Participant {
    guid: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

impl Listed for EventResource {
    type Row = EventRow;
    const LISTING: Listing = EventRow::LISTING;

    fn new(row: &EventRow, links: &Links) -> Self {
        let participant = |guid: &str, kind: &str, name: &str| Participant {
            guid: guid.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let guid = |guid: &str| Guid {
            guid: guid.to_owned(),
        };
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            kind: row.kind.clone(),
            actor: participant(&row.actor_guid, "user", &row.actor_name),
            target: participant(&row.target_guid, &row.target_type, &row.target_name),
            data: serde_json::from_str(&row.data).unwrap_or_default(),
            space: guid(&row.space_guid),
            organization: guid(&row.organization_guid),
            links: ResourceLinks::of(links, &format!("/v3/audit_events/{}", row.guid)),
        }
    }
}

impl Call {
    /// Notes that the caller did something to an app. What was done stands even if this is not noted.
    pub(crate) async fn note_app(&self, kind: &str, app: &AppRow) {
        let row = EventRow {
            guid: Uuid::new_v4().to_string(),
            kind: kind.to_owned(),
            actor_guid: self.user.guid.clone(),
            actor_name: self.user.name.clone(),
            target_guid: app.guid.clone(),
            target_type: "app".to_owned(),
            target_name: app.name.clone(),
            data: json!({"request": {"state": app.state}}).to_string(),
            space_guid: app.space_guid.clone(),
            organization_guid: app.organization_guid.clone(),
            created_at: now(),
            updated_at: None,
        };
        if let Err(error) = self.api.storage.note(&row).await {
            tracing::error!(%error, kind, app = app.guid, "event-not-noted");
        }
    }
}

async fn list(call: Call) -> Answer {
    call.list::<EventResource>(Action::ReadSpace, None).await
}

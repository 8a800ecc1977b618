//! Apps.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// An app, with the names of where it is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct AppRow {
    pub(crate) guid: String,
    pub(crate) space_guid: String,
    pub(crate) name: String,
    /// `STARTED` or `STOPPED`: what is wanted.
    pub(crate) state: String,
    /// A list of names.
    pub(crate) buildpacks: String,
    pub(crate) stack: String,
    pub(crate) droplet_guid: Option<String>,
    /// A map of names to values, encrypted; empty: there are none.
    pub(crate) environment: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) space_name: String,
    pub(crate) organization_guid: String,
    pub(crate) organization_name: String,
}

impl AppRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT a.*, s.name AS space_name, s.organization_guid, o.name AS organization_name
            FROM apps a JOIN spaces s ON s.guid = a.space_guid
            JOIN organizations o ON o.guid = s.organization_guid",
        table: "a",
        filters: &[
            ("names", Column::Exact("a.name")),
            ("guids", Column::Exact("a.guid")),
            ("space_guids", Column::Exact("a.space_guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
            ("stacks", Column::Exact("a.stack")),
        ],
        orders: &[("name", "a.name"), ("state", "a.state")],
        organization: Some("s.organization_guid"),
        space: Some("a.space_guid"),
    };

    /// Whether it shall run.
    pub(crate) fn is_started(&self) -> bool {
        self.state == "STARTED"
    }
}

impl Storage {
    /// Writes an app down, a new one or a changed one.
    pub(crate) async fn save_app(change: &mut Change, row: &AppRow) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "apps",
            [guid, space_guid, created_at],
            [
                name,
                state,
                buildpacks,
                stack,
                droplet_guid,
                environment,
                metadata
            ]
        )?;
        Ok(())
    }

    /// Returns the app of that name in a space.
    pub(crate) async fn app_named(
        &self,
        space: &str,
        name: &str,
    ) -> Result<Option<AppRow>, StorageError> {
        let guid: Option<String> =
            sqlx::query_scalar("SELECT guid FROM apps WHERE space_guid = $1 AND name = $2")
                .bind(space)
                .bind(name)
                .fetch_optional(self.read())
                .await?;
        match guid {
            Some(guid) => self.find(&AppRow::LISTING, &guid).await,
            None => Ok(None),
        }
    }
}

//! Audit events: who did what to which app.

use sqlx::FromRow;

use super::{Column, Listing, Storage, StorageError};

/// Something that a user did.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct EventRow {
    pub(crate) guid: String,
    #[sqlx(rename = "type")]
    pub(crate) kind: String,
    pub(crate) actor_guid: String,
    pub(crate) actor_name: String,
    pub(crate) target_guid: String,
    pub(crate) target_type: String,
    pub(crate) target_name: String,
    /// A JSON object.
    pub(crate) data: String,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl EventRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT e.* FROM audit_events e",
        table: "e",
        filters: &[
            ("types", Column::Exact("e.type")),
            ("target_guids", Column::Exact("e.target_guid")),
            ("space_guids", Column::Exact("e.space_guid")),
            ("organization_guids", Column::Exact("e.organization_guid")),
        ],
        orders: &[],
        organization: Some("e.organization_guid"),
        space: Some("e.space_guid"),
    };
}

impl Storage {
    /// Writes an event down.
    pub(crate) async fn note(&self, row: &EventRow) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO audit_events (guid, type, actor_guid, actor_type, actor_name,
                target_guid, target_type, target_name, data, space_guid, organization_guid,
                created_at, updated_at)
            VALUES ($1, $2, $3, 'user', $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&row.guid)
        .bind(&row.kind)
        .bind(&row.actor_guid)
        .bind(&row.actor_name)
        .bind(&row.target_guid)
        .bind(&row.target_type)
        .bind(&row.target_name)
        .bind(&row.data)
        .bind(&row.space_guid)
        .bind(&row.organization_guid)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Forgets events that are older.
    pub(crate) async fn forget_events(&self, older_than: i64) -> Result<(), StorageError> {
        sqlx::query("DELETE FROM audit_events WHERE created_at < $1")
            .bind(older_than)
            .execute(self.write())
            .await?;
        Ok(())
    }
}

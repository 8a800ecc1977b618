//! Organizations.

use sqlx::FromRow;

use super::{Change, Column, Listing, Storage, StorageError};

/// An organization.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct OrganizationRow {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) suspended: bool,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl OrganizationRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT o.* FROM organizations o",
        table: "o",
        filters: &[
            ("names", Column::Folded("o.name")),
            ("guids", Column::Exact("o.guid")),
        ],
        orders: &[("name", "o.name")],
        organization: Some("o.guid"),
        space: None,
    };
}

impl Storage {
    /// Writes an organization down, a new one or a changed one.
    pub(crate) async fn save_organization(
        change: &mut Change,
        row: &OrganizationRow,
    ) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO organizations (guid, name, suspended, metadata, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (guid) DO UPDATE SET name = excluded.name, suspended = excluded.suspended,
                metadata = excluded.metadata, updated_at = excluded.updated_at",
        )
        .bind(&row.guid)
        .bind(&row.name)
        .bind(row.suspended)
        .bind(&row.metadata)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(&mut **change)
        .await?;
        Ok(())
    }
}

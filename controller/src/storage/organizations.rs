//! Organizations.

use sqlx::FromRow;

use super::upsert::upsert;
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
        upsert!(
            change,
            row,
            "organizations",
            [guid, created_at],
            [name, suspended, metadata]
        )?;
        Ok(())
    }
}

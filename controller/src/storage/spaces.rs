//! Spaces.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A space.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SpaceRow {
    pub(crate) guid: String,
    pub(crate) organization_guid: String,
    pub(crate) name: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl SpaceRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT s.* FROM spaces s",
        table: "s",
        filters: &[
            ("names", Column::Folded("s.name")),
            ("guids", Column::Exact("s.guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
        ],
        orders: &[("name", "s.name")],
        organization: Some("s.organization_guid"),
        space: Some("s.guid"),
    };
}

impl Storage {
    /// Writes a space down, a new one or a changed one.
    pub(crate) async fn save_space(
        change: &mut Change,
        row: &SpaceRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "spaces",
            [guid, organization_guid, created_at],
            [name, metadata]
        )?;
        Ok(())
    }
}

//! Domains.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A domain.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DomainRow {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) internal: bool,
    /// None: shared by all.
    pub(crate) organization_guid: Option<String>,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl DomainRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT d.* FROM domains d",
        table: "d",
        filters: &[
            ("names", Column::Folded("d.name")),
            ("guids", Column::Exact("d.guid")),
            ("organization_guids", Column::Exact("d.organization_guid")),
        ],
        orders: &[],
        // A shared one is for everybody.
        organization: Some("d.organization_guid IS NULL OR d.organization_guid"),
        space: None,
    };

    /// The same, of those that one organization sees: its own and the shared ones.
    pub(crate) const OF_ORGANIZATION: Listing = Listing {
        filters: &[
            ("names", Column::Folded("d.name")),
            ("guids", Column::Exact("d.guid")),
            (
                "organization_guids",
                Column::Within(
                    "(d.organization_guid IS NULL OR d.organization_guid IN (",
                    "))",
                ),
            ),
        ],
        ..Self::LISTING
    };
}

impl Storage {
    /// Writes a domain down, a new one or a changed one.
    pub(crate) async fn save_domain(
        change: &mut Change,
        row: &DomainRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "domains",
            [guid, name, internal, organization_guid, created_at],
            [metadata]
        )?;
        Ok(())
    }

    /// Returns the domain of that name.
    pub(crate) async fn domain_named(&self, name: &str) -> Result<Option<DomainRow>, StorageError> {
        self.find_by(&DomainRow::LISTING, "d.name", &name.to_lowercase())
            .await
    }

    /// Returns where routes of `organization` go unless something else is said: the oldest shared domain,
    /// else its own oldest one.
    pub(crate) async fn default_domain(
        &self,
        organization: &str,
    ) -> Result<Option<DomainRow>, StorageError> {
        Ok(sqlx::query_as(
            "SELECT d.* FROM domains d
            WHERE d.internal = 0 AND (d.organization_guid IS NULL OR d.organization_guid = $1)
            ORDER BY d.organization_guid IS NOT NULL, d.created_at, d.guid LIMIT 1",
        )
        .bind(organization)
        .fetch_optional(self.read())
        .await?)
    }
}

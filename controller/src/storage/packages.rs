//! Packages: what developers upload.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A package, with where its app is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PackageRow {
    pub(crate) guid: String,
    pub(crate) app_guid: String,
    /// `AWAITING_UPLOAD`, `PROCESSING_UPLOAD`, `READY` or `FAILED`.
    pub(crate) state: String,
    /// Why it failed.
    pub(crate) error: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
}

impl PackageRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT k.*, a.space_guid, s.organization_guid
            FROM packages k JOIN apps a ON a.guid = k.app_guid
            JOIN spaces s ON s.guid = a.space_guid",
        table: "k",
        filters: &[
            ("guids", Column::Exact("k.guid")),
            ("states", Column::Exact("k.state")),
            // There are no others.
            ("types", Column::Exact("'bits'")),
            ("app_guids", Column::Exact("k.app_guid")),
            ("space_guids", Column::Exact("a.space_guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
        ],
        orders: &[],
        organization: Some("s.organization_guid"),
        space: Some("a.space_guid"),
    };
}

impl Storage {
    /// Writes a package down, a new one or a changed one.
    pub(crate) async fn save_package(
        change: &mut Change,
        row: &PackageRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "packages",
            [guid, app_guid, created_at],
            [state, error, sha256, metadata]
        )?;
        Ok(())
    }

    /// Marks uploads as failed that a controller left behind which was ended itself.
    pub(crate) async fn settle_packages(&self, now: i64) -> Result<(), StorageError> {
        sqlx::query(
            "UPDATE packages SET state = 'FAILED', error = 'The upload was cut', updated_at = $1
            WHERE state = 'PROCESSING_UPLOAD'",
        )
        .bind(now)
        .execute(self.write())
        .await?;
        Ok(())
    }
}

//! Builds: a package being staged, and what came of it.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A build, with where its app is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct BuildRow {
    pub(crate) guid: String,
    pub(crate) app_guid: String,
    pub(crate) package_guid: String,
    pub(crate) droplet_guid: Option<String>,
    /// `STAGING`, `STAGED` or `FAILED`.
    pub(crate) state: String,
    /// Why it failed: the kind and the words, joined by ` - `.
    pub(crate) error: Option<String>,
    pub(crate) stack: String,
    /// A list of names.
    pub(crate) buildpacks: String,
    pub(crate) memory_in_mb: i64,
    pub(crate) disk_in_mb: i64,
    pub(crate) user_guid: String,
    pub(crate) user_name: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
}

impl BuildRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT b.*, a.space_guid, s.organization_guid
            FROM builds b JOIN apps a ON a.guid = b.app_guid
            JOIN spaces s ON s.guid = a.space_guid",
        table: "b",
        filters: &[
            ("states", Column::Exact("b.state")),
            ("app_guids", Column::Exact("b.app_guid")),
            ("package_guids", Column::Exact("b.package_guid")),
        ],
        orders: &[],
        organization: Some("s.organization_guid"),
        space: Some("a.space_guid"),
    };
}

impl Storage {
    /// Writes a build down, a new one or a changed one.
    pub(crate) async fn save_build(
        change: &mut Change,
        row: &BuildRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "builds",
            [
                guid,
                app_guid,
                package_guid,
                stack,
                buildpacks,
                memory_in_mb,
                disk_in_mb,
                user_guid,
                user_name,
                created_at
            ],
            [droplet_guid, state, error, metadata]
        )?;
        Ok(())
    }

    /// Returns the builds that are being staged, of one app or of all.
    pub(crate) async fn staging_builds(
        &self,
        app: Option<&str>,
    ) -> Result<Vec<BuildRow>, StorageError> {
        let staging: Vec<BuildRow> = self
            .find_all(&BuildRow::LISTING, "b.state", ["STAGING"])
            .await?;
        let wanted = |build: &BuildRow| app.is_none_or(|app| build.app_guid == app);
        Ok(staging.into_iter().filter(wanted).collect())
    }
}

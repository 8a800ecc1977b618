//! Droplets: what staging makes of packages.

use sqlx::FromRow;

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A droplet, with where its app is. It has the guid of the build that made it.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DropletRow {
    pub(crate) guid: String,
    pub(crate) app_guid: String,
    pub(crate) package_guid: Option<String>,
    /// `STAGED`.
    pub(crate) state: String,
    pub(crate) sha256: Option<String>,
    pub(crate) stack: String,
    /// A list of what clients are told of each buildpack.
    pub(crate) buildpacks: String,
    /// A map of types to start commands.
    pub(crate) process_types: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
}

impl DropletRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT d.*, a.space_guid, s.organization_guid
            FROM droplets d JOIN apps a ON a.guid = d.app_guid
            JOIN spaces s ON s.guid = a.space_guid",
        table: "d",
        filters: &[
            ("guids", Column::Exact("d.guid")),
            ("states", Column::Exact("d.state")),
            ("app_guids", Column::Exact("d.app_guid")),
            ("package_guids", Column::Exact("d.package_guid")),
            ("space_guids", Column::Exact("a.space_guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
        ],
        orders: &[],
        organization: Some("s.organization_guid"),
        space: Some("a.space_guid"),
    };
}

impl Storage {
    /// Writes a droplet down, a new one or a changed one.
    pub(crate) async fn save_droplet(
        change: &mut Change,
        row: &DropletRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "droplets",
            [
                guid,
                app_guid,
                package_guid,
                sha256,
                stack,
                buildpacks,
                process_types,
                created_at
            ],
            [state, metadata]
        )?;
        Ok(())
    }
}

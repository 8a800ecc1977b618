//! Roles of users in organizations and spaces.

use controller_core::permission::{Caller, Role};
use sqlx::FromRow;

use super::{Change, Column, Listing, Storage, StorageError, UserRow};

/// A role that a user has.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RoleRow {
    pub(crate) guid: String,
    #[sqlx(rename = "type")]
    pub(crate) kind: String,
    pub(crate) user_guid: String,
    /// None: it is a role in a space.
    pub(crate) organization_guid: Option<String>,
    pub(crate) space_guid: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl RoleRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT r.* FROM roles r LEFT JOIN spaces s ON s.guid = r.space_guid",
        table: "r",
        filters: &[
            ("guids", Column::Exact("r.guid")),
            ("types", Column::Exact("r.type")),
            ("user_guids", Column::Exact("r.user_guid")),
            ("organization_guids", Column::Exact("r.organization_guid")),
            ("space_guids", Column::Exact("r.space_guid")),
        ],
        orders: &[],
        organization: Some("coalesce(r.organization_guid, s.organization_guid)"),
        space: Some("r.space_guid"),
    };
}

impl Storage {
    /// Gives a role.
    pub(crate) async fn save_role(change: &mut Change, row: &RoleRow) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO roles
            (guid, type, user_guid, organization_guid, space_guid, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&row.guid)
        .bind(&row.kind)
        .bind(&row.user_guid)
        .bind(&row.organization_guid)
        .bind(&row.space_guid)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(&mut **change)
        .await?;
        Ok(())
    }

    /// Returns what `user` may do: whether they administer, and their roles.
    pub(crate) async fn caller(&self, user: &UserRow) -> Result<Caller, StorageError> {
        let roles: Vec<RoleRow> = self
            .find_all(&RoleRow::LISTING, "r.user_guid", [user.guid.as_str()])
            .await?;
        let place = |row: RoleRow| {
            let role = Role::from_name(&row.kind)?;
            Some((role, row.organization_guid.or(row.space_guid)?))
        };
        Ok(Caller {
            is_admin: user.is_admin,
            roles: roles.into_iter().filter_map(place).collect(),
        })
    }
}

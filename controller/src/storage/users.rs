//! Users.

use sqlx::FromRow;

use super::{Change, Column, Listing, Storage, StorageError};

/// A user.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct UserRow {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) origin: String,
    /// Empty: nobody can log in as this user.
    pub(crate) password_hash: String,
    pub(crate) is_admin: bool,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl UserRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT u.* FROM users u",
        table: "u",
        filters: &[
            ("guids", Column::Exact("u.guid")),
            ("usernames", Column::Folded("u.name")),
            ("origins", Column::Exact("u.origin")),
        ],
        orders: &[],
        organization: None,
        space: None,
    };
}

impl Storage {
    /// Writes a user down, a new one or a changed one.
    pub(crate) async fn save_user(change: &mut Change, row: &UserRow) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO users
            (guid, name, origin, password_hash, is_admin, metadata, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (guid) DO UPDATE SET password_hash = excluded.password_hash,
                is_admin = excluded.is_admin, metadata = excluded.metadata,
                updated_at = excluded.updated_at",
        )
        .bind(&row.guid)
        .bind(&row.name)
        .bind(&row.origin)
        .bind(&row.password_hash)
        .bind(row.is_admin)
        .bind(&row.metadata)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(&mut **change)
        .await?;
        Ok(())
    }

    /// Returns the users of that name, whoever keeps them.
    pub(crate) async fn users_named(&self, name: &str) -> Result<Vec<UserRow>, StorageError> {
        let named = [name.to_lowercase()];
        self.find_all(&UserRow::LISTING, "lower(u.name)", named)
            .await
    }
}

//! Users.

use sqlx::FromRow;

use super::upsert::upsert;
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
        upsert!(
            change,
            row,
            "users",
            [guid, name, origin, created_at],
            [password_hash, is_admin, metadata]
        )?;
        Ok(())
    }

    /// Returns the users of that name, whoever keeps them.
    pub(crate) async fn users_named(&self, name: &str) -> Result<Vec<UserRow>, StorageError> {
        let named = [name.to_lowercase()];
        self.find_all(&UserRow::LISTING, "lower(u.name)", named)
            .await
    }
}

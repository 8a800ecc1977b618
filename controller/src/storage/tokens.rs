//! Keys of the token server, and refresh tokens that were given out.

use sqlx::FromRow;

use super::{Storage, StorageError};

/// A key that access tokens are signed with.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SigningKeyRow {
    pub(crate) guid: String,
    /// Encrypted.
    pub(crate) private_key: String,
    pub(crate) created_at: i64,
}

/// A refresh token that was given out.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RefreshToken {
    /// The digest of the token, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) user_guid: String,
    /// The id of the access token that it came with.
    pub(crate) access_token: String,
    /// In seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Storage {
    /// Returns the keys that tokens are signed with, the newest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StorageError> {
        let all = "SELECT * FROM signing_keys ORDER BY created_at DESC, guid";
        Ok(sqlx::query_as(all).fetch_all(self.read()).await?)
    }

    /// Adds a key that tokens are signed with.
    pub(crate) async fn save_signing_key(&self, key: &SigningKeyRow) -> Result<(), StorageError> {
        sqlx::query("INSERT INTO signing_keys (guid, private_key, created_at) VALUES ($1, $2, $3)")
            .bind(&key.guid)
            .bind(&key.private_key)
            .bind(key.created_at)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Notes a refresh token, and forgets those that have ended.
    pub(crate) async fn save_refresh_token(
        &self,
        token: &RefreshToken,
        now: i64,
    ) -> Result<(), StorageError> {
        sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < $1")
            .bind(now)
            .execute(self.write())
            .await?;
        sqlx::query(
            "INSERT INTO refresh_tokens (digest, user_guid, access_token, expires_at)
            VALUES ($1, $2, $3, $4)",
        )
        .bind(&token.digest)
        .bind(&token.user_guid)
        .bind(&token.access_token)
        .bind(token.expires_at)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Returns the refresh token of that digest.
    pub(crate) async fn refresh_token(
        &self,
        digest: &str,
    ) -> Result<Option<RefreshToken>, StorageError> {
        Ok(
            sqlx::query_as("SELECT * FROM refresh_tokens WHERE digest = $1")
                .bind(digest)
                .fetch_optional(self.read())
                .await?,
        )
    }

    /// Revokes the refresh token of that digest, or those that came with that access token. Returns
    /// whether there was one.
    pub(crate) async fn revoke(&self, digest_or_id: &str) -> Result<bool, StorageError> {
        let revoked =
            sqlx::query("DELETE FROM refresh_tokens WHERE digest = $1 OR access_token = $1")
                .bind(digest_or_id)
                .execute(self.write())
                .await?;
        Ok(revoked.rows_affected() > 0)
    }
}

//! Columns that are encrypted.

use sqlx::AssertSqlSafe;

use super::{Change, Storage, StorageError};

impl Storage {
    /// Returns guid and encrypted `column` of at most `count` rows of `table` behind the guid `after`.
    pub(crate) async fn sealed(
        &self,
        table: &'static str,
        column: &'static str,
        after: &str,
        count: u32,
    ) -> Result<Vec<(String, String)>, StorageError> {
        let some =
            format!("SELECT guid, {column} FROM {table} WHERE guid > $1 ORDER BY guid LIMIT $2");
        let some = sqlx::query_as(AssertSqlSafe(some)).bind(after).bind(count);
        Ok(some.fetch_all(self.read()).await?)
    }

    /// Writes an encrypted column of a table anew, unless it has changed from `before` meanwhile.
    pub(crate) async fn replace_sealed(
        change: &mut Change,
        (table, column): (&'static str, &'static str),
        guid: &str,
        before: &str,
        sealed: &str,
    ) -> Result<(), StorageError> {
        let anew = format!("UPDATE {table} SET {column} = $1 WHERE guid = $2 AND {column} = $3");
        let anew = sqlx::query(AssertSqlSafe(anew)).bind(sealed);
        anew.bind(guid).bind(before).execute(&mut **change).await?;
        Ok(())
    }
}

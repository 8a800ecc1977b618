//! What shall run, as the health manager is told it.

use protocol::bus::health::DesiredProcess;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::{Storage, StorageError};

#[derive(Debug, FromRow)]
struct DesiredRow {
    guid: String,
    version: String,
    instances: i64,
}

impl Storage {
    /// Returns how at most `count` processes behind the guid `after` shall be, or how `only` that one shall.
    /// One that is stopped, or has nothing to run yet, has no instances.
    pub(crate) async fn desired(
        &self,
        after: &str,
        only: Option<&str>,
        count: u32,
    ) -> Result<Vec<DesiredProcess>, StorageError> {
        let mut all = QueryBuilder::<Sqlite>::new(
            "SELECT p.guid, p.version, CASE WHEN a.state = 'STARTED' AND a.droplet_guid IS NOT NULL
                THEN p.instances ELSE 0 END AS instances
            FROM processes p JOIN apps a ON a.guid = p.app_guid WHERE p.guid ",
        );
        match only {
            Some(only) => all.push("= ").push_bind(only),
            None => all.push("> ").push_bind(after),
        };
        all.push(" ORDER BY p.guid LIMIT ")
            .push_bind(i64::from(count));
        let rows: Vec<DesiredRow> = all.build_query_as().fetch_all(self.read()).await?;
        let process = |row: DesiredRow| DesiredProcess {
            droplet: row.guid,
            version: row.version,
            instances: u32::try_from(row.instances).unwrap_or(0),
        };
        Ok(rows.into_iter().map(process).collect())
    }
}

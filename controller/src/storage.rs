//! The database: SQLite in its own file, with statements that PostgreSQL takes as well.
//!
//! One connection writes, so that writers wait for each other here and not in the engine; several read.

mod apps;
mod builds;
mod desired;
mod domains;
mod droplets;
mod events;
mod jobs;
mod listing;
mod organizations;
mod packages;
mod processes;
mod roles;
mod routes;
mod sealed;
mod spaces;
mod tokens;
mod upsert;
mod users;

use std::path::Path;
use std::time::Duration;

use controller_core::fault::Fault;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, SqlStr, Sqlite, Transaction};
use thiserror::Error;

pub(crate) use self::apps::AppRow;
pub(crate) use self::builds::BuildRow;
pub(crate) use self::domains::DomainRow;
pub(crate) use self::droplets::DropletRow;
pub(crate) use self::events::EventRow;
pub(crate) use self::jobs::JobRow;
pub(crate) use self::listing::{Column, Listing};
pub(crate) use self::organizations::OrganizationRow;
pub(crate) use self::packages::PackageRow;
pub(crate) use self::processes::ProcessRow;
pub(crate) use self::roles::RoleRow;
pub(crate) use self::routes::{DestinationRow, RouteRow};
pub(crate) use self::spaces::SpaceRow;
pub(crate) use self::tokens::{RefreshToken, SigningKeyRow};
pub(crate) use self::users::UserRow;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a statement waits for a lock, or a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the engine notes which steps were taken.
const JOURNAL: &str = "_sqlx_migrations";
/// Every step from an empty database to today's, in order. One that was released never changes.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "model", include_str!("../migrations/0001_model.sql"))];

/// Why the database did not do what it was asked.
#[derive(Debug, Error)]
pub enum StorageError {
    /// It was made by a newer program.
    #[error("the database is of version {found}, made by a newer program; this one knows {known}")]
    Newer {
        /// The version of the database.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It cannot be brought to today's form.
    #[error("the database cannot be migrated")]
    Migration(#[from] MigrateError),
    /// There is such a thing already.
    #[error("there is such a thing already")]
    Taken,
    /// The engine failed.
    #[error("the database failed")]
    Engine(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        let is_taken = |error: &sqlx::Error| {
            error
                .as_database_error()
                .is_some_and(|error| error.is_unique_violation())
        };
        if is_taken(&error) {
            Self::Taken
        } else {
            Self::Engine(error)
        }
    }
}

impl StorageError {
    /// Returns `taken` for what is there already, and the usual fault for anything else.
    pub(crate) fn or_taken(self, taken: Fault) -> Fault {
        match self {
            Self::Taken => taken,
            other => other.into(),
        }
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = %component::error_chain::error_chain(&error), "storage-failed");
        Self::Unavailable("The database does not answer".to_owned())
    }
}

/// The database.
#[derive(Clone, Debug)]
pub struct Storage {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// A change that is made whole or not at all. Dropping it undoes it.
pub(crate) type Change = Transaction<'static, Sqlite>;

impl Storage {
    /// Opens the database in `file`, makes it if it is not there, and brings it to today's form.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn open(file: &Path) -> Result<Self, StorageError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        migrate(&writer).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { readers, writer })
    }

    /// Begins a change. Others wait until it is committed or dropped.
    pub(crate) async fn change(&self) -> Result<Change, StorageError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Ends a change well: all of it is there from now on.
    pub(crate) async fn commit(change: Change) -> Result<(), StorageError> {
        Ok(change.commit().await?)
    }

    /// Where to read.
    pub(crate) fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Where to write what needs no change of several steps.
    pub(crate) fn write(&self) -> &SqlitePool {
        &self.writer
    }

    /// Writes everything out and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Deletes the row of that guid from `table`. Returns whether there was one.
    pub(crate) async fn delete(
        &self,
        table: &'static str,
        guid: &str,
    ) -> Result<bool, StorageError> {
        let statement = format!("DELETE FROM {table} WHERE guid = $1");
        let deleted = sqlx::query(AssertSqlSafe(statement))
            .bind(guid)
            .execute(&self.writer)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

async fn migrate(pool: &SqlitePool) -> Result<(), StorageError> {
    let steps = MIGRATIONS.iter().map(|(version, name, sql)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
    });
    let migrator = Migrator::with_migrations(steps.collect());
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    let mut connection = pool.acquire().await?;
    connection.ensure_migrations_table(JOURNAL).await?;
    let applied = connection.list_applied_migrations(JOURNAL).await?;
    drop(connection);
    let found = applied.iter().map(|step| step.version).max().unwrap_or(0);
    if found > known {
        return Err(StorageError::Newer { found, known });
    }
    Ok(migrator.run(pool).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("controller.db");
        let storage = Storage::open(&file).await.unwrap();
        let row =
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (9999, 'later', 1, x'00', 0)";
        sqlx::query(row).execute(storage.write()).await.unwrap();
        storage.close().await;
        let refused = Storage::open(&file).await.unwrap_err();
        assert!(matches!(refused, StorageError::Newer { found: 9999, .. }));
        assert!(refused.to_string().contains("newer program"));
    }

    #[tokio::test]
    async fn a_database_is_opened_again_and_a_dropped_change_is_undone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("controller.db");
        for _ in 0..2 {
            let storage = Storage::open(&file).await.unwrap();
            let mut change = storage.change().await.unwrap();
            let insert = "INSERT INTO organizations (guid, name, created_at) VALUES ('o', 'a', 1)";
            sqlx::query(insert).execute(&mut *change).await.unwrap();
            drop(change);
            assert!(!storage.delete("organizations", "o").await.unwrap());
            storage.close().await;
        }
    }
}

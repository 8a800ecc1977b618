//! Jobs: work that an answer did not wait for.

use controller_core::fault::FaultEntry;
use sqlx::FromRow;

use super::{Listing, Storage, StorageError};

/// A job.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct JobRow {
    pub(crate) guid: String,
    pub(crate) operation: String,
    /// `PROCESSING`, `COMPLETE` or `FAILED`.
    pub(crate) state: String,
    /// A list of faults; not empty when it failed.
    pub(crate) errors: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl JobRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT j.* FROM jobs j",
        table: "j",
        filters: &[],
        orders: &[],
        organization: None,
        space: None,
    };
}

impl Storage {
    /// Writes down how a job ended, or that it goes on if there is no `outcome` yet.
    pub(crate) async fn save_job(
        &self,
        guid: &str,
        operation: &str,
        outcome: Option<&[FaultEntry]>,
        now: i64,
    ) -> Result<(), StorageError> {
        let state = match outcome {
            None => "PROCESSING",
            Some([]) => "COMPLETE",
            Some(_) => "FAILED",
        };
        let errors = serde_json::to_string(outcome.unwrap_or_default()).unwrap_or_default();
        sqlx::query(
            "INSERT INTO jobs (guid, operation, state, errors, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $5)
            ON CONFLICT (guid) DO UPDATE SET state = excluded.state, errors = excluded.errors,
                updated_at = excluded.updated_at",
        )
        .bind(guid)
        .bind(operation)
        .bind(state)
        .bind(errors)
        .bind(now)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Ends the jobs that a controller left behind which was ended itself, and forgets old ones.
    pub(crate) async fn settle_jobs(
        &self,
        reason: &FaultEntry,
        older_than: i64,
    ) -> Result<(), StorageError> {
        let errors = serde_json::to_string(&[reason]).unwrap_or_default();
        sqlx::query("UPDATE jobs SET state = 'FAILED', errors = $1 WHERE state = 'PROCESSING'")
            .bind(errors)
            .execute(self.write())
            .await?;
        sqlx::query("DELETE FROM jobs WHERE created_at < $1")
            .bind(older_than)
            .execute(self.write())
            .await?;
        Ok(())
    }
}

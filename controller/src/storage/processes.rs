//! Processes: what an app runs as.

use controller_core::process::{ProcessChange, ProcessLimits, WEB, default_health_check};
use protocol::bus::dea::HealthCheck;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::upsert::upsert;
use super::{AppRow, Change, Column, Listing, Storage, StorageError};

/// A process, with where its app is.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ProcessRow {
    pub(crate) guid: String,
    pub(crate) app_guid: String,
    pub(crate) kind: String,
    /// None: as the droplet says.
    pub(crate) command: Option<String>,
    pub(crate) instances: i64,
    pub(crate) memory_in_mb: i64,
    pub(crate) disk_in_mb: i64,
    /// A [`StoredCheck`].
    pub(crate) health_check: String,
    /// Changes with everything that makes running instances obsolete.
    pub(crate) version: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
}

/// A health check as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCheck {
    #[serde(flatten)]
    pub(crate) check: HealthCheck,
    /// Seconds until it must have been well; None: the platform's limit.
    pub(crate) timeout: Option<u64>,
}

impl ProcessRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT p.*, a.space_guid, s.organization_guid
            FROM processes p JOIN apps a ON a.guid = p.app_guid
            JOIN spaces s ON s.guid = a.space_guid",
        table: "p",
        filters: &[
            ("guids", Column::Exact("p.guid")),
            ("types", Column::Exact("p.kind")),
            ("app_guids", Column::Exact("p.app_guid")),
            ("space_guids", Column::Exact("a.space_guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
        ],
        orders: &[],
        organization: Some("s.organization_guid"),
        space: Some("a.space_guid"),
    };

    /// A new process of `app`: a `web` with one instance, or another with none.
    pub(crate) fn new(app: &AppRow, kind: &str, limits: &ProcessLimits, now: i64) -> Self {
        let is_web = kind == WEB;
        let stored = StoredCheck {
            check: default_health_check(kind),
            timeout: None,
        };
        Self {
            guid: if is_web { app.guid.clone() } else { new_guid() },
            app_guid: app.guid.clone(),
            kind: kind.to_owned(),
            command: None,
            instances: i64::from(is_web),
            memory_in_mb: i64::try_from(limits.memory_mib).unwrap_or(i64::MAX),
            disk_in_mb: i64::try_from(limits.disk_mib).unwrap_or(i64::MAX),
            health_check: serde_json::to_string(&stored).unwrap_or_default(),
            version: new_guid(),
            metadata: "{}".to_owned(),
            created_at: now,
            updated_at: None,
            space_guid: app.space_guid.clone(),
            organization_guid: app.organization_guid.clone(),
        }
    }

    /// Makes it as `change` says.
    pub(crate) fn apply(&mut self, change: ProcessChange, now: i64) {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut stored = self.stored_check();
        if let Some(instances) = change.instances {
            self.instances = i64::from(instances);
        }
        if let Some(memory) = change.memory_mib {
            self.memory_in_mb = signed(memory);
        }
        if let Some(disk) = change.disk_mib {
            self.disk_in_mb = signed(disk);
        }
        if let Some(command) = change.command {
            self.command = command;
        }
        if let Some(check) = change.health_check {
            stored.check = check;
        }
        if let Some(timeout) = change.timeout {
            stored.timeout = timeout;
        }
        self.health_check = serde_json::to_string(&stored).unwrap_or_default();
        self.updated_at = Some(now);
    }

    /// When it counts as running.
    pub(crate) fn stored_check(&self) -> StoredCheck {
        serde_json::from_str(&self.health_check).unwrap_or_default()
    }

    /// How many instances it shall have while its app is started.
    pub(crate) fn wanted(&self) -> u32 {
        u32::try_from(self.instances).unwrap_or(0)
    }
}

impl Storage {
    /// Writes a process down, a new one or a changed one.
    pub(crate) async fn save_process(
        change: &mut Change,
        row: &ProcessRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "processes",
            [guid, app_guid, kind, created_at],
            [
                command,
                instances,
                memory_in_mb,
                disk_in_mb,
                health_check,
                version,
                metadata
            ]
        )?;
        Ok(())
    }

    /// Gives every process of an app a new version, so that its running instances are obsolete.
    pub(crate) async fn renew_versions(
        change: &mut Change,
        processes: &[ProcessRow],
        now: i64,
    ) -> Result<(), StorageError> {
        for process in processes {
            sqlx::query("UPDATE processes SET version = $1, updated_at = $2 WHERE guid = $3")
                .bind(new_guid())
                .bind(now)
                .bind(&process.guid)
                .execute(&mut **change)
                .await?;
        }
        Ok(())
    }

    /// Returns the processes of an app, the oldest first.
    pub(crate) async fn processes_of(&self, app: &str) -> Result<Vec<ProcessRow>, StorageError> {
        self.find_all(&ProcessRow::LISTING, "p.app_guid", [app])
            .await
    }

    /// Returns the guids of all processes that shall run.
    pub(crate) async fn started_processes(&self) -> Result<Vec<String>, StorageError> {
        Ok(sqlx::query_scalar(
            "SELECT p.guid FROM processes p JOIN apps a ON a.guid = p.app_guid
            WHERE a.state = 'STARTED' AND p.instances > 0",
        )
        .fetch_all(self.read())
        .await?)
    }
}

fn new_guid() -> String {
    Uuid::new_v4().to_string()
}

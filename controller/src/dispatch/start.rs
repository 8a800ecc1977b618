//! The message that starts an instance.

use std::collections::BTreeMap;

use protocol::bus::dea::{Limits, StartInstance};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::storage::{AppRow, DropletRow, ProcessRow, StorageError};

/// Open files that an instance may have.
const FILES: u64 = 16_384;

impl Api {
    /// What may be used by one instance of a process.
    pub(crate) fn limits_of(memory: i64, disk: i64) -> Limits {
        Limits {
            mem: u64::try_from(memory).unwrap_or(0),
            disk: u64::try_from(disk).unwrap_or(0),
            fds: FILES,
        }
    }

    /// Where DEAs find `path`, with user and password.
    pub(crate) fn staging_uri(&self, path: &str) -> String {
        let staging = &self.config.staging;
        let user = controller_core::percent::encode(&staging.user);
        let password = controller_core::percent::encode(staging.password.reveal());
        let mut address = self.config.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{user}:{password}@{address}/staging/{path}")
    }

    /// The message for instance `index`, but for who gets it.
    pub(super) async fn start_message(
        &self,
        app: &AppRow,
        process: &ProcessRow,
        droplet: &DropletRow,
    ) -> Result<StartInstance, StorageError> {
        let uris = self.uris(app, process).await?;
        let types: BTreeMap<String, String> =
            serde_json::from_str(&droplet.process_types).unwrap_or_default();
        let check = process.stored_check();
        let command = process.command.clone();
        Ok(StartInstance {
            droplet: process.guid.clone(),
            app_id: app.guid.clone(),
            process_type: process.kind.clone(),
            name: app.name.clone(),
            version: process.version.clone(),
            index: 0,
            stack: droplet.stack.clone(),
            sha256: droplet.sha256.clone().unwrap_or_default(),
            executable_uri: self.staging_uri(&format!("droplets/{}/download", droplet.guid)),
            start_command: command.or_else(|| types.get(&process.kind).cloned()),
            limits: Self::limits_of(process.memory_in_mb, process.disk_in_mb),
            env: self.environment_of(app),
            vcap_application: application(app, process, &uris),
            services: Vec::new(),
            health_check: check.check,
            health_check_timeout: check.timeout,
            cc_partition: "default".to_owned(),
            uris,
        })
    }

    /// The URLs that lead to a process, without scheme.
    pub(super) async fn uris(
        &self,
        app: &AppRow,
        process: &ProcessRow,
    ) -> Result<Vec<String>, StorageError> {
        self.storage.urls(&app.guid, &process.kind).await
    }

    /// The variables of an app as `KEY=value`.
    pub(super) fn environment_of(&self, app: &AppRow) -> Vec<String> {
        let variables = self.variables(app).into_iter();
        variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// What an app is told of itself in `VCAP_APPLICATION`, but for what only its DEA knows.
pub(crate) fn application(
    app: &AppRow,
    process: &ProcessRow,
    uris: &[String],
) -> Map<String, Value> {
    let facts = [
        ("application_id", json!(app.guid)),
        ("application_name", json!(app.name)),
        ("application_uris", json!(uris)),
        ("application_version", json!(process.version)),
        (
            "limits",
            json!({"mem": process.memory_in_mb, "disk": process.disk_in_mb, "fds": FILES}),
        ),
        ("name", json!(app.name)),
        ("organization_id", json!(app.organization_guid)),
        ("organization_name", json!(app.organization_name)),
        ("process_id", json!(process.guid)),
        ("process_type", json!(process.kind)),
        ("space_id", json!(app.space_guid)),
        ("space_name", json!(app.space_name)),
        ("uris", json!(uris)),
        ("users", Value::Null),
        ("version", json!(process.version)),
    ];
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

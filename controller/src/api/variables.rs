//! The environment variables of apps.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::environment::{self, VariableChanges};
use controller_core::fault::Fault;
use controller_core::permission::Action;
use controller_core::process::WEB;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{Answer, ok};
use super::body::Body;
use super::call::Call;
use super::resource::ResourceLinks;
use super::{Api, Shared};
use crate::clock::now;
use crate::dispatch::application;
use crate::storage::{AppRow, Storage};

/// What is answered of variables.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v3/apps/{guid}/env", get(all)).route(
        "/v3/apps/{guid}/environment_variables",
        get(show).patch(update),
    )
}

/// Everything that is in the environment of an app.
#[derive(Debug, Serialize)]
struct EnvironmentResource {
    environment_variables: BTreeMap<String, String>,
    staging_env_json: Map<String, Value>,
    running_env_json: Map<String, Value>,
    system_env_json: SystemVariables,
    application_env_json: ApplicationVariables,
}

#[derive(Debug, Serialize)]
struct SystemVariables {
    #[serde(rename = "VCAP_SERVICES")]
    services: Map<String, Value>,
}

#[derive(Debug, Default, Serialize)]
struct ApplicationVariables {
    #[serde(rename = "VCAP_APPLICATION")]
    application: Map<String, Value>,
}

/// The variables that users set.
#[derive(Debug, Serialize)]
struct VariablesResource {
    var: BTreeMap<String, String>,
    links: ResourceLinks,
}

/// Which variables shall have which values.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VariablesRequest {
    var: Map<String, Value>,
}

impl Api {
    /// The variables of an app. Those that cannot be decrypted are as good as none, and the log says so.
    pub(crate) fn variables(&self, app: &AppRow) -> BTreeMap<String, String> {
        if app.environment.is_empty() {
            return BTreeMap::new();
        }
        match self.vault.open(&app.environment) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, app = app.guid, "variables-not-decrypted");
                BTreeMap::new()
            }
        }
    }

    /// Changes the variables of an app.
    ///
    /// # Errors
    /// They are too long, or cannot be encrypted.
    pub(crate) fn change_variables(
        &self,
        app: &mut AppRow,
        changes: VariableChanges,
    ) -> Result<(), Fault> {
        if changes.is_empty() {
            return Ok(());
        }
        let variables = environment::changed(self.variables(app), changes)?;
        let text = serde_json::to_vec(&variables).unwrap_or_default();
        app.environment = self.vault.seal(&text).map_err(|error| {
            tracing::error!(%error, "variables-not-encrypted");
            Fault::Internal
        })?;
        Ok(())
    }
}

async fn all(call: Call, Path(guid): Path<String>) -> Answer {
    let app = call.app(&guid, Action::ReadEnvironment).await?;
    let processes = call.api.storage.processes_of(&app.guid).await?;
    let mut known = ApplicationVariables::default();
    if let Some(web) = processes.iter().find(|process| process.kind == WEB) {
        let uris = call.api.storage.urls(&app.guid, WEB).await?;
        known.application = application(&app, web, &uris);
    }
    ok(EnvironmentResource {
        environment_variables: call.api.variables(&app),
        staging_env_json: Map::new(),
        running_env_json: Map::new(),
        system_env_json: SystemVariables {
            services: Map::new(),
        },
        application_env_json: known,
    })
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let app = call.app(&guid, Action::ReadEnvironment).await?;
    answer(&call, &app)
}

async fn update(
    call: Call,
    Path(guid): Path<String>,
    Body(asked): Body<VariablesRequest>,
) -> Answer {
    let changes = environment::changes(&asked.var)?;
    let mut change = call.api.storage.change().await?;
    let mut app = call.app(&guid, Action::WriteApp).await?;
    call.api.change_variables(&mut app, changes)?;
    app.updated_at = Some(now());
    Storage::save_app(&mut change, &app).await?;
    Storage::commit(change).await?;
    call.note_app("audit.app.update", &app).await;
    answer(&call, &app)
}

fn answer(call: &Call, app: &AppRow) -> Answer {
    let path = format!("/v3/apps/{}", app.guid);
    let own = format!("{path}/environment_variables");
    ok(VariablesResource {
        var: call.api.variables(app),
        links: ResourceLinks::of(&call.links, &own).with("app", call.links.to(&path)),
    })
}

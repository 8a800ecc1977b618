//! Droplets.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::permission::Action;
use serde::Serialize;
use serde_json::Value;

use super::Shared;
use super::answer::{Answer, ok};
use super::apps::{Lifecycle, place_of};
use super::call::{Call, Listed};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use crate::storage::{DropletRow, Listing, PackageRow};

/// What is answered of droplets.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/droplets", get(list))
        .route("/v3/droplets/{guid}", get(show))
        .route("/v3/packages/{guid}/droplets", get(of_package))
        .route("/v3/apps/{guid}/droplets", get(of_app))
}

/// A droplet.
#[derive(Debug, Serialize)]
pub(super) struct DropletResource {
    #[serde(flatten)]
    head: Head,
    state: String,
    error: Option<String>,
    lifecycle: Lifecycle,
    checksum: Checksum,
    buildpacks: Value,
    stack: String,
    image: Option<String>,
    execution_metadata: &'static str,
    process_types: BTreeMap<String, String>,
    relationships: OfApp,
    metadata: Metadata,
    links: ResourceLinks,
}

/// The digest of a blob.
#[derive(Debug, Serialize)]
pub(super) struct Checksum {
    #[serde(rename = "type")]
    kind: &'static str,
    value: Option<String>,
}

/// The relation to an app.
#[derive(Debug, Serialize)]
pub(super) struct OfApp {
    app: ToOne,
}

impl Checksum {
    pub(super) fn new(sha256: Option<&str>) -> Self {
        Self {
            kind: "sha256",
            value: sha256.map(str::to_owned),
        }
    }
}

impl OfApp {
    pub(super) fn new(guid: &str) -> Self {
        Self {
            app: ToOne::new(Some(guid)),
        }
    }
}

impl Listed for DropletResource {
    type Row = DropletRow;
    const LISTING: Listing = DropletRow::LISTING;

    fn new(row: &DropletRow, links: &Links) -> Self {
        let path = format!("/v3/droplets/{}", row.guid);
        let app = links.to(&format!("/v3/apps/{}", row.app_guid));
        let assign = format!("{app}/relationships/current_droplet");
        let mut all = ResourceLinks::of(links, &path)
            .with_method("assign_current_droplet", "PATCH", assign)
            .with("app", app);
        if let Some(package) = &row.package_guid {
            all = all.with("package", links.to(&format!("/v3/packages/{package}")));
        }
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            state: row.state.clone(),
            error: None,
            lifecycle: Lifecycle::new("[]", &row.stack),
            checksum: Checksum::new(row.sha256.as_deref()),
            buildpacks: serde_json::from_str(&row.buildpacks).unwrap_or_default(),
            stack: row.stack.clone(),
            image: None,
            execution_metadata: "",
            process_types: serde_json::from_str(&row.process_types).unwrap_or_default(),
            relationships: OfApp::new(&row.app_guid),
            metadata: Metadata::stored(&row.metadata),
            links: all,
        }
    }
}

async fn list(call: Call) -> Answer {
    call.list::<DropletResource>(Action::ReadSpace, None).await
}

async fn of_app(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    let within = Some(("app_guids", guid));
    call.list::<DropletResource>(Action::ReadSpace, within)
        .await
}

async fn of_package(call: Call, Path(guid): Path<String>) -> Answer {
    call.package(&guid, Action::ReadSpace).await?;
    let within = Some(("package_guids", guid));
    call.list::<DropletResource>(Action::ReadSpace, within)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let found = call.api.storage.find(&DropletRow::LISTING, &guid);
    let row: DropletRow = found.await?.ok_or(Fault::NotFound("Droplet"))?;
    let place = place_of(&row.organization_guid, &row.space_guid);
    call.check(Action::ReadSpace, place, "Droplet")?;
    ok(DropletResource::new(&row, &call.links))
}

impl Call {
    /// The package of that guid, if the caller may do `action` to it.
    ///
    /// # Errors
    /// [`Fault::NotFound`], [`Fault::NotAuthorized`].
    pub(super) async fn package(
        &self,
        guid: &str,
        action: Action,
    ) -> Result<PackageRow, super::answer::Refusal> {
        let found = self.api.storage.find(&PackageRow::LISTING, guid);
        let row: PackageRow = found.await?.ok_or(Fault::NotFound("Package"))?;
        let place = place_of(&row.organization_guid, &row.space_guid);
        self.check(action, place, "Package")?;
        Ok(row)
    }
}

//! Packages, and how they are uploaded.

use std::io;
use std::path::Path as FilePath;

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, Path};
use axum::routing::{get, post};
use controller_core::fault::Fault;
use controller_core::permission::Action;
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::body::Body;
use super::call::{Call, Listed};
use super::droplets::{Checksum, OfApp};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use crate::blobs::{ArrivedBlob, BlobError, BlobKind};
use crate::clock::now;
use crate::package_zip;
use crate::storage::{Listing, PackageRow, Storage, StorageError};

/// Bytes of the part `resources`.
const RESOURCES: usize = 1 << 20;

/// What is answered of packages.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/packages", get(list).post(create))
        .route("/v3/packages/{guid}", get(show))
        .route("/v3/apps/{guid}/packages", get(of_app))
        .route("/v3/resource_matches", post(matches))
}

/// Where packages are uploaded, `limit` bytes at most.
pub(super) fn uploads(limit: u64) -> Router<Shared> {
    // The bits themselves are counted as they arrive.
    let whole = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_add(2 * RESOURCES);
    let limit = DefaultBodyLimit::max(whole);
    Router::new().route("/v3/packages/{guid}/upload", post(upload).layer(limit))
}

/// A package.
#[derive(Debug, Serialize)]
struct PackageResource {
    #[serde(flatten)]
    head: Head,
    #[serde(rename = "type")]
    kind: &'static str,
    state: String,
    data: PackageData,
    relationships: OfApp,
    metadata: Metadata,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct PackageData {
    error: Option<String>,
    checksum: Checksum,
}

impl Listed for PackageResource {
    type Row = PackageRow;
    const LISTING: Listing = PackageRow::LISTING;

    fn new(row: &PackageRow, links: &Links) -> Self {
        let path = format!("/v3/packages/{}", row.guid);
        let upload = links.to(&format!("{path}/upload"));
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            kind: "bits",
            state: row.state.clone(),
            data: PackageData {
                error: row.error.clone(),
                checksum: Checksum::new(row.sha256.as_deref()),
            },
            relationships: OfApp::new(&row.app_guid),
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &path)
                .with_method("upload", "POST", upload)
                .with("app", links.to(&format!("/v3/apps/{}", row.app_guid))),
        }
    }
}

/// What a package shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PackageRequest {
    #[serde(rename = "type")]
    kind: String,
    relationships: RelatedApp,
}

/// The app that a request names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RelatedApp {
    pub(super) app: ToOne,
}

async fn list(call: Call) -> Answer {
    call.list::<PackageResource>(Action::ReadSpace, None).await
}

async fn of_app(call: Call, Path(guid): Path<String>) -> Answer {
    call.app(&guid, Action::ReadSpace).await?;
    let within = Some(("app_guids", guid));
    call.list::<PackageResource>(Action::ReadSpace, within)
        .await
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = call.package(&guid, Action::ReadSpace).await?;
    ok(PackageResource::new(&row, &call.links))
}

async fn create(call: Call, Body(asked): Body<PackageRequest>) -> Answer {
    match asked.kind.as_str() {
        "bits" => {}
        "docker" => return Err(Fault::FeatureDisabled("diego_docker").into()),
        _ => return Err(Fault::unprocessable("Type must be one of 'bits', 'docker'").into()),
    }
    let app = call
        .related_app(&asked.relationships.app, Action::WriteApp)
        .await?;
    let row = PackageRow {
        guid: Uuid::new_v4().to_string(),
        app_guid: app.guid.clone(),
        state: "AWAITING_UPLOAD".to_owned(),
        error: None,
        sha256: None,
        metadata: "{}".to_owned(),
        created_at: now(),
        updated_at: None,
        space_guid: app.space_guid.clone(),
        organization_guid: app.organization_guid.clone(),
    };
    save(&call, &row).await?;
    call.note_app("audit.app.package.create", &app).await;
    created(PackageResource::new(&row, &call.links))
}

async fn save(call: &Call, row: &PackageRow) -> Result<(), StorageError> {
    let mut change = call.api.storage.change().await?;
    Storage::save_package(&mut change, row).await?;
    Storage::commit(change).await
}

async fn upload(call: Call, Path(guid): Path<String>, form: Multipart) -> Answer {
    let mut row = call.package(&guid, Action::WriteApp).await?;
    if row.state != "AWAITING_UPLOAD" {
        let text = "Bits may be uploaded only once. Create a new package to upload different bits.";
        return Err(Fault::unprocessable(text).into());
    }
    // Until it is here and found good, the package goes on waiting.
    let arrived = bits(&call, form).await?;
    row.updated_at = Some(now());
    row.sha256 = Some(arrived.sha256.clone());
    let path = arrived.path().to_owned();
    if let Err(problem) = checked(&path).await? {
        row.state = "FAILED".to_owned();
        row.error = Some(problem.clone());
        save(&call, &row).await?;
        return Err(Fault::unprocessable(problem).into());
    }
    let blobs = &call.api.blobs;
    blobs
        .keep(BlobKind::Package, &guid, arrived)
        .await
        .map_err(refused)?;
    row.state = "READY".to_owned();
    save(&call, &row).await?;
    ok(PackageResource::new(&row, &call.links))
}

/// Looks into a zip, on a thread that may wait for the disk.
async fn checked(path: &FilePath) -> Result<Result<(), String>, Refusal> {
    let path = path.to_owned();
    let checking = tokio::task::spawn_blocking(move || package_zip::check(&path));
    match checking.await {
        Ok(Ok(verdict)) => Ok(verdict.map_err(|problem| problem.to_string())),
        Ok(Err(error)) => Err(lost(&error)),
        Err(error) => Err(lost(&io::Error::other(error))),
    }
}

/// Takes the parts of an upload: perhaps what is known already, and then the bits.
async fn bits(call: &Call, mut form: Multipart) -> Result<ArrivedBlob, Refusal> {
    let mut arrived = None;
    while let Some(field) = form.next_field().await.map_err(|error| cut(&error))? {
        match field.name() {
            Some("bits") => {
                let limit = call.api.config.apps.package.0;
                let parts = Box::pin(parts(field));
                let blob = call.api.blobs.arrive(parts, limit).await.map_err(refused)?;
                arrived = Some(blob);
            }
            Some("resources") => known(field).await?,
            _ => {}
        }
    }
    let missing = || Fault::unprocessable("Upload must include bits");
    Ok(arrived.ok_or_else(missing)?)
}

fn parts(field: Field<'_>) -> impl Stream<Item = Result<Bytes, MultipartError>> {
    stream::unfold(field, async |mut field| {
        let part = field.chunk().await.transpose()?;
        Some((part, field))
    })
}

/// Reads the list of files that we are said to know. We know none.
async fn known(field: Field<'_>) -> Result<(), Refusal> {
    let mut text = Vec::new();
    let mut parts = Box::pin(parts(field));
    while let Some(part) = parts.next().await {
        text.extend_from_slice(&part.map_err(|error| cut(&error))?);
        if text.len() > RESOURCES {
            return Err(Fault::unprocessable("The list of resources is too long").into());
        }
    }
    let list: Vec<Value> = serde_json::from_slice(&text).map_err(|error| {
        Refusal(Fault::unprocessable(format!(
            "Resources are no JSON: {error}"
        )))
    })?;
    if list.is_empty() {
        Ok(())
    } else {
        Err(Fault::unprocessable("Resources are not known").into())
    }
}

fn cut(error: &MultipartError) -> Refusal {
    Refusal(Fault::BadRequest(error.body_text()))
}

/// Why a blob was not taken, for whoever sent it.
pub(super) fn refused(error: BlobError) -> Refusal {
    Refusal(match error {
        BlobError::Missing => Fault::NotFound("Blob"),
        BlobError::TooLarge(limit) => Fault::TooLarge(limit),
        BlobError::Cut(reason) => Fault::BadRequest(format!("The upload was cut: {reason}")),
        BlobError::Store(source) => return lost(&*source),
    })
}

fn lost(error: &(dyn std::error::Error + 'static)) -> Refusal {
    let reason = component::error_chain::error_chain(error);
    tracing::error!(reason, "blob-not-stored");
    Refusal(Fault::Unavailable(
        "The upload cannot be stored, perhaps because the disk is full".to_owned(),
    ))
}

/// Which files of an upload are known. None ever is.
#[derive(Debug, Serialize)]
struct Matches {
    resources: [(); 0],
}

async fn matches(_call: Call, Body(_): Body<Value>) -> Answer {
    created(Matches { resources: [] })
}

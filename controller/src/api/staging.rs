//! What DEAs fetch and bring: packages, droplets, caches. Who they are is in the user and password.

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller_core::fault::Fault;
use subtle::ConstantTimeEq as _;

use super::answer::{Answer, Refusal};
use super::packages::refused;
use super::{Api, Shared};
use crate::blobs::BlobKind;
use crate::storage::{AppRow, BuildRow};

/// Bytes of a droplet or a cache.
const LARGEST: u64 = 2 << 30;

/// What DEAs are answered.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/staging/packages/{guid}", get(package))
        .route("/staging/droplets/{guid}/download", get(droplet))
        .route("/staging/droplets/{guid}/upload", post(bring_droplet))
        .route(
            "/staging/buildpack_cache/{app}/{stack}",
            get(cache).post(bring_cache),
        )
        // The bytes are counted as they arrive.
        .layer(DefaultBodyLimit::disable())
}

/// A DEA that says who it is.
struct Dea(Shared);

impl FromRequestParts<Shared> for Dea {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Refusal> {
        let ours = &api.config.staging;
        let expected = format!("{}:{}", ours.user, ours.password.reveal());
        let given = parts.headers.get(AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let given = given.and_then(|text| STANDARD.decode(text).ok());
        let same = given.is_some_and(|given| given.ct_eq(expected.as_bytes()).into());
        if same && !ours.password.is_empty() {
            Ok(Self(Shared::clone(api)))
        } else {
            Err(Fault::NotAuthenticated.into())
        }
    }
}

async fn package(Dea(api): Dea, Path(guid): Path<String>) -> Answer {
    send(&api, BlobKind::Package, &guid, "application/zip").await
}

async fn droplet(Dea(api): Dea, Path(guid): Path<String>) -> Answer {
    send(&api, BlobKind::Droplet, &guid, "application/gzip").await
}

async fn cache(Dea(api): Dea, Path((app, _stack)): Path<(String, String)>) -> Answer {
    send(&api, BlobKind::Cache, &app, "application/gzip").await
}

async fn send(api: &Api, kind: BlobKind, guid: &str, content: &'static str) -> Answer {
    let (size, parts) = api.blobs.read(kind, guid).await.map_err(refused)?;
    let head = [
        (CONTENT_TYPE, content.to_owned()),
        (CONTENT_LENGTH, size.to_string()),
    ];
    Ok((head, HttpBody::from_stream(parts)).into_response())
}

/// Takes the droplet of a build that is being staged, which will have the build's guid.
async fn bring_droplet(Dea(api): Dea, Path(guid): Path<String>, body: HttpBody) -> Answer {
    let build: Option<BuildRow> = api.storage.find(&BuildRow::LISTING, &guid).await?;
    let staging = build.filter(|build| build.state == "STAGING");
    staging.ok_or(Fault::NotFound("Build"))?;
    take(&api, BlobKind::Droplet, &guid, body).await
}

async fn bring_cache(
    Dea(api): Dea,
    Path((app, _stack)): Path<(String, String)>,
    body: HttpBody,
) -> Answer {
    let known: Option<AppRow> = api.storage.find(&AppRow::LISTING, &app).await?;
    known.ok_or(Fault::NotFound("App"))?;
    take(&api, BlobKind::Cache, &app, body).await
}

async fn take(api: &Api, kind: BlobKind, guid: &str, body: HttpBody) -> Answer {
    let parts = body.into_data_stream();
    let arrived = api.blobs.arrive(parts, LARGEST).await.map_err(refused)?;
    api.blobs.keep(kind, guid, arrived).await.map_err(refused)?;
    Ok(StatusCode::CREATED.into_response())
}

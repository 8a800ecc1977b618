//! The HTTP API: version 3 of Cloud Foundry's, and what clients ask on their way to it.

pub(crate) mod answer;
mod app_actions;
mod apps;
mod body;
mod builds;
pub(crate) mod call;
mod domains;
mod droplets;
mod empty;
mod events;
mod jobs;
pub(crate) mod links;
mod log_cache;
mod manifests;
mod organizations;
mod packages;
mod processes;
mod resource;
mod roles;
mod root;
mod routes;
mod spaces;
mod stacks;
mod staging;
mod users;
mod variables;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http;
use axum::http::uri::{PathAndQuery, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};

use self::answer::Refusal;
use self::links::Addresses;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::figures::Answers;
use crate::output::KeptOutput;
use crate::storage::Storage;
use crate::token_server::TokenServer;
use crate::vault::Vault;
use controller_core::fault::Fault;

/// Bytes of a body, but for those of uploads.
const BODY: usize = 1 << 20;
/// How long an answer may take, but for those to uploads and downloads.
const ANSWER: Duration = Duration::from_secs(60);

/// What every handler may use.
#[derive(Debug)]
pub struct Api {
    /// The configuration.
    pub(crate) config: Config,
    /// The addresses by which clients reach us.
    pub(crate) addresses: Addresses,
    /// The database.
    pub(crate) storage: Storage,
    /// Who is who.
    pub(crate) tokens: TokenServer,
    /// Secrets at rest.
    pub(crate) vault: Arc<Vault>,
    /// Packages and droplets.
    pub(crate) blobs: Blobs,
    /// What apps write.
    pub(crate) output: KeptOutput,
    /// What runs, and what shall run.
    pub(crate) dispatch: Dispatch,
    /// How requests were answered.
    pub(crate) answers: Answers,
}

/// One [`Api`] for all handlers.
pub(crate) type Shared = Arc<Api>;

/// Everything that is answered.
pub(crate) fn router(api: Shared) -> Router {
    let package = api.config.apps.package.0;
    Router::new()
        .merge(root::routes())
        .merge(organizations::routes())
        .merge(spaces::routes())
        .merge(roles::routes())
        .merge(users::routes())
        .merge(domains::routes())
        .merge(routes::routes())
        .merge(stacks::routes())
        .merge(apps::routes())
        .merge(app_actions::routes())
        .merge(variables::routes())
        .merge(processes::routes())
        .merge(packages::routes())
        .merge(builds::routes())
        .merge(droplets::routes())
        .merge(manifests::routes())
        .merge(events::routes())
        .merge(log_cache::routes())
        .merge(jobs::routes())
        .merge(empty::routes())
        .merge(crate::token_server::routes())
        .layer(from_fn(in_time))
        .merge(packages::uploads(package))
        .merge(staging::routes())
        .fallback(async || Refusal(Fault::UnknownRequest))
        .method_not_allowed_fallback(async || Refusal(Fault::UnknownRequest))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(map_response(answer::with_request_id))
        .layer(from_fn_with_state(Shared::clone(&api), counted))
        .with_state(api)
}

/// Gives up an answer that takes too long. Whatever it was about to change is not changed.
async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(ANSWER, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let fault = Fault::Unavailable("The request took too long".to_owned());
        Refusal(fault).into_response()
    })
}

/// Counts an answer and its time.
async fn counted(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let answer = next.run(request).await;
    api.answers.add(answer.status(), began.elapsed());
    answer
}

/// Takes the slashes away that some clients put at the beginning and the end of a path.
pub(crate) fn plain_path<B>(mut request: http::Request<B>) -> http::Request<B> {
    let path = request.uri().path();
    let plain = path.trim_start_matches('/').trim_end_matches('/');
    if plain.len() + 1 == path.len() || path == "/" {
        return request;
    }
    let text = match request.uri().query() {
        Some(query) => format!("/{plain}?{query}"),
        None => format!("/{plain}"),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(path) = PathAndQuery::try_from(text) {
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_around_a_path_do_not_count() {
        for (path, plain) in [
            ("/", "/"),
            ("/v3/apps", "/v3/apps"),
            ("//v3/apps", "/v3/apps"),
            ("/v3/organizations/o/", "/v3/organizations/o"),
            ("/v3/buildpacks/?a=b/", "/v3/buildpacks?a=b/"),
        ] {
            let request = Request::builder().uri(path).body(()).unwrap();
            assert_eq!(plain_path(request).uri().to_string(), plain, "{path}");
        }
    }
}

//! What a handler answers: a resource, a job, or why not.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use controller_core::fault::Fault;
use serde::Serialize;
use uuid::Uuid;

use crate::storage::StorageError;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-vcap-request-id");

/// What a handler returns.
pub(crate) type Answer = Result<Response, Refusal>;

/// A request that was refused or failed, in the form of the API.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Fault);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(fault) = self;
        let status = StatusCode::from_u16(fault.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(fault.body())).into_response()
    }
}

impl Refusal {
    /// What a body names and its sender cannot see is a mistake in the body: `mistake`. Other refusals
    /// stay as they are.
    pub(crate) fn in_body(self, mistake: Fault) -> Self {
        match self.0 {
            Fault::NotFound(_) => Self(mistake),
            _ => self,
        }
    }

    /// [`in_body`](Self::in_body) in the usual words.
    pub(crate) fn named_in_body(self, what: &str) -> Self {
        self.in_body(Fault::unprocessable(format!(
            "Invalid {what}. Ensure that the {what} exists and you have access to it."
        )))
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self(error.into())
    }
}

/// 200 with a resource.
pub(crate) fn ok(resource: impl Serialize) -> Answer {
    Ok(Json(resource).into_response())
}

/// 201 with what was made.
pub(crate) fn created(resource: impl Serialize) -> Answer {
    Ok((StatusCode::CREATED, Json(resource)).into_response())
}

/// 204.
pub(crate) fn nothing() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// 202 with the absolute URL of a job.
pub(crate) fn accepted(job: &str) -> Answer {
    Ok((StatusCode::ACCEPTED, [(LOCATION, job)]).into_response())
}

/// Gives every answer an id to be found again by.
pub(crate) async fn with_request_id(mut response: Response) -> Response {
    let id = Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

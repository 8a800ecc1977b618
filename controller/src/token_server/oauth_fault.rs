//! What the token server refuses, in its own form: that of OAuth 2 (RFC 6749 §5.2).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use controller_core::fault::Fault;
use serde::Serialize;

use crate::storage::StorageError;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OauthFault {
    /// The name or the password is wrong.
    BadCredentials,
    /// So many were wrong that none is looked at for a while.
    Locked,
    /// The refresh token is not known, was used, was revoked, or has ended.
    InvalidToken,
    /// Nobody is that client.
    InvalidClient,
    /// The form asks for something that there is not.
    UnsupportedGrant,
    /// We cannot say.
    Unavailable,
}

#[derive(Serialize)]
struct OauthBody {
    error: &'static str,
    error_description: &'static str,
}

impl IntoResponse for OauthFault {
    fn into_response(self) -> Response {
        let (status, error, error_description) = match self {
            Self::BadCredentials => (StatusCode::UNAUTHORIZED, "unauthorized", "Bad credentials"),
            Self::Locked => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "Your account has been locked because of too many failed attempts to login.",
            ),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The token expired, was revoked, or the token ID is incorrect.",
            ),
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "Bad client credentials",
            ),
            Self::UnsupportedGrant => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "Unsupported grant type",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "Try again later",
            ),
        };
        let body = OauthBody {
            error,
            error_description,
        };
        (status, Json(body)).into_response()
    }
}

impl From<StorageError> for OauthFault {
    fn from(error: StorageError) -> Self {
        // Into the log, as everything that the database does.
        drop(Fault::from(error));
        Self::Unavailable
    }
}

//! What the controller refuses, as the CLI tells it apart.

use std::fmt;

use serde::Deserialize;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `GET /v3/apps`.
    pub request: String,
    /// The status.
    pub status: u16,
    /// What is wrong, at least one thing.
    pub errors: Vec<ApiError>,
}

/// One entry of `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ApiError {
    /// The number.
    pub code: i64,
    /// The kind, `CF-...`.
    pub title: String,
    /// In words.
    pub detail: String,
}

impl Refused {
    /// The words of the first error: what the CLI compares.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.errors.first().map_or("", |error| &error.detail)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.status)?;
        self.errors
            .iter()
            .try_for_each(|error| write!(f, "; {}: {}", error.title, error.detail))
    }
}

impl std::error::Error for Refused {}

/// Returns what was refused, if that is why `error` came to be.
#[must_use]
pub fn refused(error: &anyhow::Error) -> Option<&Refused> {
    error.downcast_ref()
}

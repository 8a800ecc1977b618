//! What a client is told when a request fails: the status, and the error in the form of the API.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a request is refused or failed. Clients tell some of these apart by their text, so each text
/// stands here alone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The body is not of the form that the request needs; says what is wrong with it.
    #[error("Request invalid due to parse error: {0}")]
    MessageParse(String),
    /// A query parameter is unknown or has a bad value; says which and why.
    #[error("The query parameter is invalid: {0}")]
    BadQueryParameter(String),
    /// The request makes no sense; says why.
    #[error("Bad request: {0}")]
    BadRequest(String),
    /// A package is to be staged that has no bits.
    #[error("Bad request: Cannot stage package whose state is not ready.")]
    PackageNotReady,
    /// The token is expired, revoked or not ours.
    #[error("Invalid Auth Token")]
    InvalidAuthToken,
    /// There is no token.
    #[error("Authentication error")]
    NotAuthenticated,
    /// The roles of the caller do not suffice.
    #[error("You are not authorized to perform the requested action")]
    NotAuthorized,
    /// A feature flag forbids it; the name of the flag.
    #[error("Feature Disabled: {0}")]
    FeatureDisabled(&'static str),
    /// There is none, or the caller must not see it; what kind of thing: `App`.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// No request has this path and method.
    #[error("Unknown request")]
    UnknownRequest,
    /// The body is well-formed, and what it says cannot be done; one text for each problem, at least
    /// one.
    #[error("{}", .0.join(", "))]
    Unprocessable(Vec<String>),
    /// The space has an app of that name.
    #[error("App with the name '{0}' already exists.")]
    AppNameTaken(String),
    /// There is an organization of that name.
    #[error("Organization '{0}' already exists.")]
    OrganizationNameTaken(String),
    /// The organization has a space of that name.
    #[error("Name must be unique per organization")]
    SpaceNameTaken,
    /// There is a domain of that name.
    #[error("The domain name \"{0}\" is already in use")]
    DomainNameTaken(String),
    /// There is such a route; its URL.
    #[error("Route already exists: {0}")]
    RouteTaken(String),
    /// The user has the role already.
    #[error("User '{user}' already has '{role}' role in {place} '{name}'.")]
    RoleTaken {
        /// Whose.
        user: String,
        /// Which.
        role: &'static str,
        /// `organization` or `space`.
        place: &'static str,
        /// The name of the place.
        name: String,
    },
    /// A buildpack is named that does not exist.
    #[error("Buildpack must be an existing admin buildpack or a valid git URI")]
    BuildpackUnknown,
    /// An app is to be started that has never been staged.
    #[error("Assign a droplet before starting this app.")]
    NoDroplet,
    /// A build of this app is on its way.
    #[error("Only one build can be STAGING at a time per application.")]
    BuildInProgress,
    /// What is named is known to the API, and we do not serve it; says what.
    #[error("{0} not supported yet")]
    Unserved(&'static str),
    /// The body is longer than may be sent; the limit in bytes.
    #[error("The request body is longer than {0} bytes")]
    TooLarge(u64),
    /// Too many failed attempts, or too many requests.
    #[error("Rate Limit Exceeded")]
    RateLimitExceeded,
    /// Something that we need does not answer; says what. Asking again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of ours. The log has the cause, and the client gets none of it.
    #[error("An unknown error occurred.")]
    Internal,
}

/// The body of an answer that says what failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultBody {
    /// At least one. Clients match texts only when there is exactly one.
    pub errors: Vec<FaultEntry>,
}

/// One problem, as clients and jobs are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEntry {
    /// The number of its kind.
    pub code: u32,
    /// The name of its kind.
    pub title: String,
    /// In words.
    pub detail: String,
}

impl Fault {
    /// Returns the refusal of a request whose content has one problem.
    #[must_use]
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::Unprocessable(vec![detail.into()])
    }

    /// Returns the status code of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind().0
    }

    /// Returns the body of the answer.
    #[must_use]
    pub fn body(&self) -> FaultBody {
        FaultBody {
            errors: self.entries(),
        }
    }

    /// Returns what is told of it: an entry for each problem.
    #[must_use]
    pub fn entries(&self) -> Vec<FaultEntry> {
        let (_, code, title) = self.kind();
        let entry = |detail: String| FaultEntry {
            code,
            title: format!("CF-{title}"),
            detail,
        };
        match self {
            Self::Unprocessable(details) => details.iter().cloned().map(entry).collect(),
            other => vec![entry(other.to_string())],
        }
    }

    /// Returns status, code, and title without its prefix.
    fn kind(&self) -> (u16, u32, &'static str) {
        match self {
            Self::MessageParse(_) => (400, 1001, "MessageParseError"),
            Self::BadQueryParameter(_) => (400, 10005, "BadQueryParameter"),
            Self::BadRequest(_) | Self::PackageNotReady => (400, 1004, "BadRequest"),
            Self::InvalidAuthToken => (401, 1000, "InvalidAuthToken"),
            Self::NotAuthenticated => (401, 10002, "NotAuthenticated"),
            Self::NotAuthorized => (403, 10003, "NotAuthorized"),
            Self::FeatureDisabled(_) => (403, 330_002, "FeatureDisabled"),
            Self::NotFound(_) => (404, 10010, "ResourceNotFound"),
            Self::UnknownRequest => (404, 10000, "NotFound"),
            Self::TooLarge(_) => (413, 10008, "UnprocessableEntity"),
            Self::Unprocessable(_)
            | Self::AppNameTaken(_)
            | Self::OrganizationNameTaken(_)
            | Self::SpaceNameTaken
            | Self::DomainNameTaken(_)
            | Self::RouteTaken(_)
            | Self::RoleTaken { .. }
            | Self::BuildpackUnknown
            | Self::NoDroplet
            | Self::BuildInProgress
            | Self::Unserved(_) => (422, 10008, "UnprocessableEntity"),
            Self::RateLimitExceeded => (429, 10013, "RateLimitExceeded"),
            Self::Internal => (500, 10001, "UnknownError"),
            Self::Unavailable(_) => (503, 10015, "ServiceUnavailable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_the_form_that_clients_decode() {
        let check = |fault: Fault, status: u16, body: &str| {
            assert_eq!(fault.status(), status, "{fault:?}");
            assert_eq!(serde_json::to_string(&fault.body()).unwrap(), body);
        };
        check(
            Fault::NotFound("App"),
            404,
            r#"{"errors":[{"code":10010,"title":"CF-ResourceNotFound","detail":"App not found"}]}"#,
        );
        check(
            Fault::UnknownRequest,
            404,
            r#"{"errors":[{"code":10000,"title":"CF-NotFound","detail":"Unknown request"}]}"#,
        );
        check(
            Fault::InvalidAuthToken,
            401,
            r#"{"errors":[{"code":1000,"title":"CF-InvalidAuthToken","detail":"Invalid Auth Token"}]}"#,
        );
        check(
            Fault::Unprocessable(vec!["a".to_owned(), "b".to_owned()]),
            422,
            concat!(
                r#"{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"a"},"#,
                r#"{"code":10008,"title":"CF-UnprocessableEntity","detail":"b"}]}"#
            ),
        );
    }

    #[test]
    fn texts_that_clients_match_are_exact() {
        let check = |fault: Fault, expected: &str| assert_eq!(fault.to_string(), expected);
        let named = || "x".to_owned();
        check(
            Fault::AppNameTaken(named()),
            "App with the name 'x' already exists.",
        );
        check(
            Fault::OrganizationNameTaken(named()),
            "Organization 'x' already exists.",
        );
        check(
            Fault::SpaceNameTaken,
            "Name must be unique per organization",
        );
        check(
            Fault::NoDroplet,
            "Assign a droplet before starting this app.",
        );
        check(
            Fault::BuildpackUnknown,
            "Buildpack must be an existing admin buildpack or a valid git URI",
        );
        check(
            Fault::PackageNotReady,
            "Bad request: Cannot stage package whose state is not ready.",
        );
        let taken = Fault::RoleTaken {
            user: named(),
            role: "organization_user",
            place: "organization",
            name: "acme".to_owned(),
        };
        check(
            taken,
            "User 'x' already has 'organization_user' role in organization 'acme'.",
        );
        let route = Fault::RouteTaken("a.b".to_owned()).to_string();
        assert!(route.contains("Route already exists"));
        check(Fault::NotFound("Droplet"), "Droplet not found");
    }
}

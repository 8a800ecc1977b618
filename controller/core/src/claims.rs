//! What an access token says.

use serde::{Deserialize, Serialize};

/// The client that the command-line client logs in as. It has an empty secret.
pub const CLI_CLIENT: &str = "cf";
/// Where users come from: our own store.
pub const ORIGIN: &str = "uaa";
/// The scope of administrators.
pub const ADMIN_SCOPE: &str = "cloud_controller.admin";
/// Where at its address the token server makes tokens.
pub const ISSUER_PATH: &str = "/oauth/token";
/// The scopes of every user.
pub const USER_SCOPES: [&str; 4] = [
    "cloud_controller.read",
    "cloud_controller.write",
    "openid",
    "uaa.user",
];

/// The payload of an access token. The command-line client reads it without verifying it: with
/// `user_name` there must be `user_id` and `origin`, and `exp` is in whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The token's id.
    pub jti: String,
    /// The guid of the user.
    pub sub: String,
    /// The guid of the user.
    pub user_id: String,
    /// The name that the user logs in by.
    pub user_name: String,
    /// The user's mail address; the name, if there is none.
    pub email: String,
    /// Where the user comes from.
    pub origin: String,
    /// The client that the user logged in by.
    pub client_id: String,
    /// The same.
    pub cid: String,
    /// The same.
    pub azp: String,
    /// How the token was got.
    pub grant_type: String,
    /// What it is good for.
    pub scope: Vec<String>,
    /// Whom it is for.
    pub aud: Vec<String>,
    /// Who made it: the address of the token server.
    pub iss: String,
    /// The identity zone.
    pub zid: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// Whether a client shall revoke it when the user logs out.
    pub revocable: bool,
}

/// Who a token is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The guid of the user.
    pub guid: &'a str,
    /// The name that the user logs in by.
    pub name: &'a str,
    /// Whether the user is an administrator.
    pub is_admin: bool,
}

impl Claims {
    /// Returns the claims of a new token for `subject`, made by the token server at `issuer` at the
    /// time `now`, good for `lifetime`, both in seconds.
    #[must_use]
    pub fn new(id: String, subject: Subject<'_>, issuer: &str, now: i64, lifetime: i64) -> Self {
        let owned = str::to_owned;
        let admin = subject.is_admin.then_some(ADMIN_SCOPE);
        Self {
            jti: id,
            sub: owned(subject.guid),
            user_id: owned(subject.guid),
            user_name: owned(subject.name),
            email: owned(subject.name),
            origin: owned(ORIGIN),
            client_id: owned(CLI_CLIENT),
            cid: owned(CLI_CLIENT),
            azp: owned(CLI_CLIENT),
            grant_type: owned("password"),
            scope: USER_SCOPES.into_iter().chain(admin).map(owned).collect(),
            aud: ["cloud_controller", "uaa", CLI_CLIENT].map(owned).to_vec(),
            iss: format!("{issuer}{ISSUER_PATH}"),
            zid: owned("uaa"),
            iat: now,
            exp: now.saturating_add(lifetime),
            revocable: true,
        }
    }

    /// Returns the scopes as the answer to a login names them.
    #[must_use]
    pub fn scopes(&self) -> String {
        self.scope.join(" ")
    }

    /// Returns whether the token is an administrator's.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.scope.iter().any(|scope| scope == ADMIN_SCOPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_what_the_command_line_client_reads() {
        let ada = |is_admin| Subject {
            guid: "u-1",
            name: "ada",
            is_admin,
        };
        let claims = Claims::new("j".to_owned(), ada(false), "http://127.0.0.1:1", 100, 600);
        let written = serde_json::to_value(&claims).unwrap();
        for (name, value) in [("user_name", "ada"), ("user_id", "u-1"), ("origin", "uaa")] {
            assert_eq!(written[name], value);
        }
        assert_eq!(written["exp"], 700);
        assert!(!claims.is_admin());
        assert!(Claims::new("j".to_owned(), ada(true), "u", i64::MAX, 1).is_admin());
        assert!(
            claims
                .scopes()
                .starts_with("cloud_controller.read cloud_controller.write")
        );
        assert_eq!(serde_json::from_value::<Claims>(written).unwrap(), claims);
    }
}

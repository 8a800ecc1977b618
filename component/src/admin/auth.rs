//! Who is answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;
use crate::yaml::Keys;

/// A user of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name, not empty.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// The keys of a user that there may be.
    pub fn keys(credentials: &mut Option<Self>, keys: &mut Keys<'_>) {
        let (mut user, mut password) = match credentials.take() {
            Some(Self { user, password }) => (user, password),
            None => Default::default(),
        };
        keys.key(
            "user",
            "Wanted for all but health checks. Without a user these are refused to callers that are \
             not on loopback.",
            &mut user,
        );
        keys.key("pass", "The user's password.", &mut password);
        if !user.is_empty() && password.is_empty() {
            keys.fault("pass", "must not be empty beside a user");
        }
        *credentials = (!user.is_empty()).then_some(Self { user, password });
    }
}

/// What proves a user in `Authorization` (RFC 7617), without the scheme.
pub(crate) fn basic(credentials: &Credentials) -> Secret {
    let Credentials { user, password } = credentials;
    Secret::new(&STANDARD.encode(format!("{user}:{}", password.reveal())))
}

/// The caller's end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What a caller must show for more than the health checks.
#[derive(Debug)]
pub struct Auth {
    /// Encoded as it arrives, so that what a stranger sends need not be decoded.
    expected: Option<Secret>,
}

/// Why a caller is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It has not proved who it is.
    Unknown,
    /// No user is configured, and it is not on this machine.
    NotLocal,
}

impl Auth {
    /// Wants these credentials; without any, callers on loopback alone are answered.
    #[must_use]
    pub fn new(credentials: Option<&Credentials>) -> Self {
        Self {
            expected: credentials.map(basic),
        }
    }

    fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.expected {
            Some(expected) => match basic_token(headers) {
                Some(given) if is_same(given, expected.reveal()) => Ok(()),
                _ => Err(Refusal::Unknown),
            },
            None => local(peer, headers),
        }
    }
}

/// Returns `app` for callers who pass `auth`.
pub fn guarded<S: Clone + Send + Sync + 'static>(app: Router<S>, auth: Arc<Auth>) -> Router<S> {
    let guard = move |Extension(Peer(peer)): Extension<Peer>, request: Request, next: Next| {
        let checked = auth.check(peer.ip(), request.headers());
        async move { pass(checked, request, next).await }
    };
    app.route_layer(from_fn(guard))
}

/// Returns `app` for callers on this machine.
pub fn local_only<S: Clone + Send + Sync + 'static>(app: Router<S>) -> Router<S> {
    guarded(app, Arc::new(Auth::new(None)))
}

async fn pass(checked: Result<(), Refusal>, request: Request, next: Next) -> Response {
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => {
                let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"switchyard\"")];
                (StatusCode::UNAUTHORIZED, challenge, "401 Unauthorized\n").into_response()
            }
            Self::NotLocal => {
                let why = "403 Forbidden: configure status.user to allow callers from elsewhere\n";
                (StatusCode::FORBIDDEN, why).into_response()
            }
        }
    }
}

/// A caller on loopback that names this machine by address or as `localhost`. A web page that
/// lured a browser here by a name of its own is not.
fn local(peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let named_here = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    if peer.to_canonical().is_loopback() && (host.is_empty() || named_here) {
        Ok(())
    } else {
        Err(Refusal::NotLocal)
    }
}

/// The token of a `Basic` authorization.
fn basic_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| token.trim_matches(' '))
}

/// Compares without telling by the time it takes where two texts differ.
fn is_same(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user: bool, peer: &str, headers: &[(&str, &str)], expected: Result<(), Refusal>) {
        let credentials = Credentials {
            user: "u".into(),
            password: Secret::new("p"),
        };
        let auth = Auth::new(user.then_some(&credentials));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let got = auth.check(peer.parse().unwrap(), &map);
        assert_eq!(got, expected, "{user} {peer} {headers:?}");
    }

    #[test]
    fn who_is_answered() {
        let (unknown, far) = (Err(Refusal::Unknown), Err(Refusal::NotLocal));
        check(true, "10.0.0.1", &[("authorization", "Basic dTpw")], Ok(()));
        check(true, "10.0.0.1", &[("authorization", "bASIC dTpw")], Ok(()));
        check(true, "127.0.0.1", &[], unknown);
        check(
            true,
            "127.0.0.1",
            &[("authorization", "Basic dTpx")],
            unknown,
        );
        check(
            true,
            "127.0.0.1",
            &[("authorization", "Bearer dTpw")],
            unknown,
        );
        check(false, "127.0.0.1", &[], Ok(()));
        check(false, "::1", &[("host", "[::1]:8082")], Ok(()));
        check(false, "::ffff:127.0.0.1", &[("host", "127.0.0.1")], Ok(()));
        check(false, "127.0.0.1", &[("host", "LOCALHOST:8082")], Ok(()));
        check(false, "127.0.0.1", &[("host", "evil.example.com")], far);
        check(false, "10.0.0.1", &[("host", "127.0.0.1")], far);
        check(false, "10.0.0.1", &[("authorization", "Basic dTpw")], far);
    }
}

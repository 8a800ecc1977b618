//! Who is answered.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use component::secret::Secret;

use super::Admin;
use crate::config::Credentials;

/// What proves a user in `Authorization` (RFC 7617), without the scheme.
pub(crate) fn basic(credentials: &Credentials) -> Secret {
    let Credentials { user, password } = credentials;
    Secret::new(&base64(format!("{user}:{}", password.reveal()).as_bytes()))
}

/// The caller's end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What a caller must show.
#[derive(Debug)]
pub(super) struct Auth {
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
    pub(super) fn new(credentials: Option<&Credentials>) -> Self {
        Self {
            expected: credentials.map(basic),
        }
    }

    fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.expected {
            Some(expected) => match basic_token(headers) {
                Some(given) if same(given.as_bytes(), expected.reveal().as_bytes()) => Ok(()),
                _ => Err(Refusal::Unknown),
            },
            None => local(peer, headers),
        }
    }
}

/// Lets through who may see more than the health checks.
pub(super) async fn guard(
    State(admin): State<Arc<Admin>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match admin.auth.check(peer.ip(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets through who is on this machine.
pub(super) async fn loopback(
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match local(peer.ip(), request.headers()) {
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

/// Compares in a time that depends on the length of what was given alone.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != expected.len());
    for (at, byte) in given.iter().enumerate() {
        let other = expected
            .get(at % expected.len().max(1))
            .copied()
            .unwrap_or(0);
        difference = black_box(difference | (byte ^ other));
    }
    difference == 0
}

/// Base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| usize::from(group.get(at).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            if place <= group.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_vectors() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn comparison() {
        for (given, expected, equal) in [
            ("", "", true),
            ("abc", "abc", true),
            ("abd", "abc", false),
            ("ab", "abc", false),
            ("abcabc", "abc", false),
            ("", "abc", false),
            ("abc", "", false),
        ] {
            assert_eq!(
                same(given.as_bytes(), expected.as_bytes()),
                equal,
                "{given} {expected}"
            );
        }
    }

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

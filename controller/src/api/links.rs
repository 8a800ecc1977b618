//! Absolute links: they lead where the client came from, if that is one of our addresses.

use axum::http::HeaderMap;
use axum::http::header::HOST;

/// The address that a client came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    base: String,
}

impl Links {
    /// The links for a request with these fields. `trusted` are the hosts by which we are reached, each
    /// perhaps with a port; `default` is the URL that we give out to anybody else.
    pub(crate) fn new(headers: &HeaderMap, trusted: &[String], default: &str) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.map(str::to_ascii_lowercase).filter(|host| {
            let name = host
                .rsplit_once(':')
                .map_or(host.as_str(), |(name, _)| name);
            trusted.iter().any(|ours| ours == host || ours == name)
        });
        let is_secure = headers
            .get("x-forwarded-proto")
            .is_some_and(|scheme| scheme == "https");
        let scheme = if is_secure { "https" } else { "http" };
        Self {
            base: host.map_or_else(
                || default.trim_end_matches('/').to_owned(),
                |host| format!("{scheme}://{host}"),
            ),
        }
    }

    /// The URL that everything else begins with, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The URL of `path`, which begins with a slash.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_client_came_from() {
        let trusted = ["api.apps.test".to_owned(), "127.0.0.1:9022".to_owned()];
        let check = |host: &str, proto: Option<&str>, base: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(proto) = proto {
                headers.insert("x-forwarded-proto", proto.parse().unwrap());
            }
            let links = Links::new(&headers, &trusted, "http://api.apps.test/");
            assert_eq!(links.base(), base, "{host}");
        };
        check("127.0.0.1:9022", None, "http://127.0.0.1:9022");
        check("API.apps.test", None, "http://api.apps.test");
        check("api.apps.test:8080", None, "http://api.apps.test:8080");
        check("api.apps.test", Some("https"), "https://api.apps.test");
        check("evil.test", Some("https"), "http://api.apps.test");
        check("127.0.0.1:9999", None, "http://api.apps.test");
    }
}

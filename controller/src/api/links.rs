//! Absolute links: they lead where the client came from, if that is one of our addresses.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use controller_core::claims::ISSUER_PATH;

/// The addresses by which clients reach us.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// Hosts, each perhaps with a port; without one, any port is meant.
    hosts: Vec<String>,
    /// The URL that anybody else is told, without a slash at its end.
    default: String,
}

/// The address that a client came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    base: String,
}

impl Addresses {
    pub(crate) fn new(hosts: Vec<String>, default: &str) -> Self {
        Self {
            hosts,
            default: default.trim_end_matches('/').to_owned(),
        }
    }

    /// The links for a request with these fields.
    pub(crate) fn links(&self, headers: &HeaderMap) -> Links {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.map(str::to_ascii_lowercase);
        let host = host.filter(|host| self.have(host));
        let is_secure = headers
            .get("x-forwarded-proto")
            .is_some_and(|scheme| scheme == "https");
        let scheme = if is_secure { "https" } else { "http" };
        Links {
            base: host.map_or_else(|| self.default.clone(), |host| format!("{scheme}://{host}")),
        }
    }

    /// Returns whether the URL of a token server is one of ours.
    pub(crate) fn is_issuer(&self, url: &str) -> bool {
        let base = url.strip_suffix(ISSUER_PATH).unwrap_or_default();
        let host = base.split_once("://").map(|(_, host)| host);
        base == self.default || host.is_some_and(|host| self.have(host))
    }

    fn have(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.hosts.iter().any(|ours| ours == host || ours == name)
    }
}

impl Links {
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

    fn addresses() -> Addresses {
        let hosts = ["api.apps.test".to_owned(), "127.0.0.1:9022".to_owned()];
        Addresses::new(hosts.to_vec(), "https://cf.test/")
    }

    #[test]
    fn links_lead_where_the_client_came_from() {
        let addresses = addresses();
        let check = |host: &str, proto: Option<&str>, base: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(proto) = proto {
                headers.insert("x-forwarded-proto", proto.parse().unwrap());
            }
            assert_eq!(addresses.links(&headers).base(), base, "{host}");
        };
        check("127.0.0.1:9022", None, "http://127.0.0.1:9022");
        check("API.apps.test", None, "http://api.apps.test");
        check("api.apps.test:8080", None, "http://api.apps.test:8080");
        check("api.apps.test", Some("https"), "https://api.apps.test");
        check("evil.test", Some("https"), "https://cf.test");
        check("127.0.0.1:9999", None, "https://cf.test");
    }

    #[test]
    fn tokens_are_from_one_of_our_addresses() {
        for (url, is_ours) in [
            ("http://127.0.0.1:9022/oauth/token", true),
            ("https://api.apps.test/oauth/token", true),
            ("http://api.apps.test:8080/oauth/token", true),
            ("https://cf.test/oauth/token", true),
            ("https://cf.test", false),
            ("http://127.0.0.1:9999/oauth/token", false),
            ("https://evil.test/oauth/token", false),
            ("https://evil.test/api.apps.test/oauth/token", false),
            ("", false),
        ] {
            assert_eq!(addresses().is_issuer(url), is_ours, "{url}");
        }
    }
}

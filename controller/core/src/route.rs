//! Domains and routes: what they may be called, and how a text becomes one.

/// Characters that a label of a host name may have (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;
/// Characters that a domain may have.
const LONGEST_DOMAIN: usize = 253;
/// Characters that the path of a route may have.
const LONGEST_PATH: usize = 128;

/// Hosts that are the platform's own on the domain of the system.
pub const RESERVED_HOSTS: [&str; 8] = [
    "api",
    "doppler",
    "log-cache",
    "login",
    "logs",
    "ssh",
    "uaa",
    "www",
];

const ADJECTIVES: [&str; 32] = [
    "agile", "amber", "brave", "bright", "calm", "clever", "cosmic", "daring", "eager", "fair",
    "fluent", "gentle", "golden", "grand", "happy", "honest", "jolly", "keen", "kind", "lively",
    "lucid", "mellow", "noble", "patient", "proud", "quick", "quiet", "rapid", "silver", "sunny",
    "vivid", "wise",
];

const NOUNS: [&str; 32] = [
    "badger", "bear", "beaver", "bison", "crane", "dolphin", "eagle", "elk", "falcon", "finch",
    "fox", "gecko", "hare", "hawk", "heron", "ibex", "jay", "koala", "lark", "lynx", "marten",
    "otter", "owl", "panda", "puffin", "raven", "robin", "seal", "swan", "tiger", "wolf", "wren",
];

/// Returns what is wrong with `name` as the name of a domain. It is compared in lower case.
#[must_use]
pub fn domain_problem(name: &str) -> Option<String> {
    let labels: Vec<&str> = name.split('.').collect();
    let good =
        labels.len() > 1 && name.len() <= LONGEST_DOMAIN && labels.iter().all(|l| is_label(l));
    (!good).then(|| {
        "Name does not comply with RFC 1035 standards, or has fewer than two labels".to_owned()
    })
}

/// Returns what is wrong with `host` as the host of a route: empty, `*`, or one label, where an
/// underscore is a letter.
#[must_use]
pub fn host_problem(host: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if host.len() > LONGEST_LABEL {
        return Some(format!(
            "Host is too long (maximum is {LONGEST_LABEL} characters)"
        ));
    }
    (host != "*" && !host.chars().all(known)).then(|| {
        "Host must be either \"*\" or contain only alphanumeric characters, \"_\", or \"-\""
            .to_owned()
    })
}

/// Returns what is wrong with `path` as the path of a route: empty, or `/` and something.
#[must_use]
pub fn path_problem(path: &str) -> Option<String> {
    let problem = match path {
        "" => return None,
        "/" => "Path cannot be a single slash",
        path if !path.starts_with('/') => "Path must begin with a slash",
        path if path.contains(['?', '#']) => "Path cannot contain '?' or '#'",
        path if path.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            "Path cannot contain blanks"
        }
        path if path.len() > LONGEST_PATH => "Path must be at most 128 characters",
        _ => return None,
    };
    Some(problem.to_owned())
}

/// Returns the URL of a route, without a scheme.
#[must_use]
pub fn url(host: &str, domain: &str, path: &str) -> String {
    let dot = if host.is_empty() { "" } else { "." };
    format!("{host}{dot}{domain}{path}")
}

/// A route as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteText {
    host: String,
    path: String,
}

impl RouteText {
    /// Reads `quill.apps.example.org/path`. It is case-insensitive, but for its path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, path) = match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (text, ""),
        };
        let host = host.to_ascii_lowercase();
        let rest = host.strip_prefix("*.").unwrap_or(&host);
        let (first, domain) = rest.split_once('.')?;
        // The first label may be a host, which is more than a label of a domain can be.
        let good = host_problem(first).is_none()
            && !first.is_empty()
            && domain.split('.').all(is_label)
            && host.len() <= LONGEST_DOMAIN;
        let path = path.strip_suffix('/').unwrap_or(path).to_owned();
        (good && path_problem(&path).is_none()).then_some(Self { host, path })
    }

    /// Returns which domains the route may belong to, the first that exists counts: as
    /// `(host, domain)`.
    #[must_use]
    pub fn candidates(&self) -> Vec<(&str, &str)> {
        let whole = (!self.host.starts_with("*.")).then_some(("", self.host.as_str()));
        whole.into_iter().chain(self.host.split_once('.')).collect()
    }

    /// Returns the path, empty or `/` and something.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Returns the host of an app's default route.
///
/// # Errors
/// The app's name cannot be a host; says so in the words that clients know.
pub fn default_host(app: &str) -> Result<String, String> {
    match host_problem(app) {
        None if !app.is_empty() && app != "*" => Ok(app.to_ascii_lowercase()),
        problem => Err(format!(
            "Failed to create default route from app name: {}",
            problem.unwrap_or_else(|| "Host can't be blank".to_owned())
        )),
    }
}

/// Returns the host of a random route for an app, chosen by `chance`.
///
/// # Errors
/// As [`default_host`].
pub fn random_host(app: &str, chance: u64) -> Result<String, String> {
    let choose = |words: &[&'static str; 32], bits: u64| {
        let index = usize::try_from(bits % 32).unwrap_or(0);
        words.get(index).copied().unwrap_or_default()
    };
    let (adjective, noun) = (choose(&ADJECTIVES, chance), choose(&NOUNS, chance / 32));
    default_host(&format!("{app}-{adjective}-{noun}"))
}

fn is_label(label: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty()
        && label.len() <= LONGEST_LABEL
        && label.bytes().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_belongs_to_one_of_two_domains() {
        let check = |text: &str, candidates: &[(&str, &str)], path: &str| {
            let route = RouteText::parse(text).unwrap();
            assert_eq!(route.candidates(), candidates, "{text}");
            assert_eq!(route.path(), path, "{text}");
        };
        check(
            "a.b.example.org",
            &[("", "a.b.example.org"), ("a", "b.example.org")],
            "",
        );
        check(
            "Quill.Apps.Test/Up/x/",
            &[("", "quill.apps.test"), ("quill", "apps.test")],
            "/Up/x",
        );
        check("*.apps.test", &[("*", "apps.test")], "");
        check("a_b.test/", &[("", "a_b.test"), ("a_b", "test")], "");
        for wrong in [
            "",
            "host",
            ".test",
            "a..test",
            "http://a.test",
            "a.test:80",
            "a.test/x?y",
            "*",
            "*.",
            "a.*.test",
            "a.-b.test",
            "a b.test",
            "a.test//?",
        ] {
            assert_eq!(RouteText::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_paths_and_domains_have_rules() {
        let host =
            |text: &str, good: bool| assert_eq!(host_problem(text).is_none(), good, "{text}");
        host("", true);
        host("*", true);
        host("my_App-1", true);
        host("a.b", false);
        host("*a", false);
        host(&"a".repeat(64), false);
        let path =
            |text: &str, good: bool| assert_eq!(path_problem(text).is_none(), good, "{text}");
        path("", true);
        path("/x/y%20z", true);
        path("/", false);
        path("x", false);
        path("/x?y", false);
        path("/x y", false);
        path(&format!("/{}", "x".repeat(128)), false);
        let domain =
            |text: &str, good: bool| assert_eq!(domain_problem(text).is_none(), good, "{text}");
        domain("apps.example.org", true);
        domain("apps.localhost", true);
        domain("localhost", false);
        domain("a_b.org", false);
        domain("a..org", false);
        domain("-a.org", false);
        domain(&format!("{}.org", "a.".repeat(130)), false);
    }

    #[test]
    fn apps_get_hosts() {
        assert_eq!(default_host("Quill"), Ok("quill".to_owned()));
        assert_eq!(random_host("quill", 0), Ok("quill-agile-badger".to_owned()));
        assert_eq!(random_host("quill", 33), Ok("quill-amber-bear".to_owned()));
        for wrong in ["", "*", "my app", "a.b", &"a".repeat(64)] {
            let told = default_host(wrong).unwrap_err();
            assert!(told.starts_with("Failed to create default route from app name: "));
        }
        assert_eq!(url("", "a.b", ""), "a.b");
        assert_eq!(url("x", "a.b", "/y"), "x.a.b/y");
    }

    proptest! {
        #[test]
        fn random_hosts_are_hosts(chance in any::<u64>()) {
            let host = random_host("a", chance).unwrap();
            prop_assert_eq!(host_problem(&host), None);
            prop_assert_eq!(host.split('-').count(), 3);
        }

        #[test]
        fn any_text_is_a_route_or_none(text in "[a-zA-Z*./_?-]{0,20}") {
            if let Some(route) = RouteText::parse(&text) {
                for (host, domain) in route.candidates() {
                    let written = url(host, domain, route.path());
                    prop_assert_eq!(RouteText::parse(&written), Some(route.clone()));
                }
            }
        }
    }
}

//! Fields behind a chunked body: which of them go on (RFC 9110 §6.5.1).

use crate::field::names::FieldNames;
use crate::field::{FieldKind, Fields, begins_with, members};

/// The rules of one message for its trailer section. What its head may not say, its trailers may
/// not say either.
#[derive(Clone, Debug, Default)]
pub struct TrailerRules {
    pub(crate) drops_x: bool,
    pub(crate) drops_underscores: bool,
    /// What `Connection` names.
    pub(crate) named: FieldNames,
    pub(crate) removed: FieldNames,
}

impl TrailerRules {
    /// Takes note of the fields that `Connection` names, which end here wherever they stand.
    pub(crate) fn naming(mut self, fields: Fields<'_>, protected: &FieldNames) -> Self {
        let names = fields.all(FieldKind::Connection).flat_map(members);
        let names = names.filter(|name| !protected.contains(name));
        self.named = FieldNames::new(names.filter_map(|name| std::str::from_utf8(name).ok()));
        self
    }

    /// Whether a field goes on. Never one of framing or routing, nor one that the router itself
    /// sets, or believes from some clients and not from others.
    #[must_use]
    pub fn pass(&self, kind: FieldKind, name: &[u8]) -> bool {
        let may_trail = match kind {
            FieldKind::Other => !is_for_the_head(name),
            FieldKind::OtherX => {
                !self.drops_x && !begins_with(name, b"x-cf-") && !begins_with(name, b"x-vcap-")
            }
            _ => false,
        };
        let dropped = self.drops_underscores && name.contains(&b'_')
            || self.removed.contains(name)
            || self.named.contains(name);
        may_trail && !dropped
    }
}

/// Whether a field means something to whoever reads the head, or the content.
fn is_for_the_head(name: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "location",
        "max-forwards",
        "pragma",
        "range",
        "set-cookie",
        "vary",
        "www-authenticate",
    ];
    NAMES
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &TrailerRules, name: &str, expected: bool) {
        let passes = rules.pass(FieldKind::of(name.as_bytes()), name.as_bytes());
        assert_eq!(passes, expected, "{name} by {rules:?}");
    }

    #[test]
    fn what_the_head_alone_may_say_never_trails() {
        let rules = TrailerRules::default();
        for name in ["X-Sum", "Digest", "grpc-status", "x_under_score"] {
            check(&rules, name, true);
        }
        for name in [
            "Content-Length",
            "Host",
            "Cookie",
            "Via",
            "Forwarded",
            "X-Real-IP",
            "X-Forwarded-For",
            "x-forwarded-host",
            "X-Forwarded-Prefix",
            "X-Request-Start",
            "X-Vcap-Request-Id",
            "X-Vcap-Backend",
            "X-CF-ApplicationID",
            "x-cf-routeendpoint",
        ] {
            check(&rules, name, false);
        }
    }

    #[test]
    fn the_rules_of_the_head_hold_for_trailers() {
        let no_x = TrailerRules {
            drops_x: true,
            ..TrailerRules::default()
        };
        check(&no_x, "X-Sum", false);
        check(&no_x, "Digest", true);
        let no_underscores = TrailerRules {
            drops_underscores: true,
            ..TrailerRules::default()
        };
        check(&no_underscores, "x_under_score", false);
        check(&no_underscores, "X-Sum", true);
        let removed = TrailerRules {
            removed: FieldNames::new(["X-Secret"]),
            ..TrailerRules::default()
        };
        check(&removed, "x-secret", false);
        check(&removed, "X-Sum", true);
    }

    #[test]
    fn what_connection_names_ends_behind_the_body_too() {
        use crate::headers::request::tests::parse;
        let long = "a".repeat(60_000);
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-A, x-kept, {long}\r\n\r\n");
        let head = parse(&text);
        let protected = FieldNames::new(["X-Kept"]);
        let rules = TrailerRules::default().naming(head.fields(text.as_bytes()), &protected);
        check(&rules, "x-a", false);
        check(&rules, &long, false);
        check(&rules, "X-Kept", true);
        check(&rules, "b", true);
    }
}

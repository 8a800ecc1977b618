//! `Via`: which proxies a request has passed through (RFC 9110 §7.6.3).

use crate::field::{FieldKind, Fields, members};
use crate::http1::Version;

/// The name under which this router stands in `Via`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    name: Box<[u8]>,
    /// `1.1 name`
    value: Box<[u8]>,
}

impl Via {
    /// A router of that name: a token that no other router has.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.as_bytes().into(),
            value: format!("1.1 {name}").into_bytes().into(),
        }
    }

    /// The entry for a request that came in a version.
    #[must_use]
    pub fn value(&self, version: Version) -> [&[u8]; 2] {
        match version {
            Version::Http11 => [&self.value, b""],
            Version::Http10 => [b"1.0 ", &self.name],
        }
    }

    /// Whether a request has passed through this router before.
    #[must_use]
    pub fn is_in(&self, fields: Fields<'_>) -> bool {
        let entries = fields.all(FieldKind::Via).flat_map(members);
        entries.into_iter().any(|entry| self.is(entry))
    }

    /// Whether one entry, `version SP name [SP comment]`, is this router's.
    fn is(&self, entry: &[u8]) -> bool {
        let words = entry.split(|&byte| matches!(byte, b' ' | b'\t'));
        let mut words = words.filter(|word| !word.is_empty());
        words
            .nth(1)
            .is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::request::tests::parse;

    #[track_caller]
    fn check(lines: &str, expected: bool) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let head = parse(&text);
        let found = Via::new("router-7").is_in(head.fields(text.as_bytes()));
        assert_eq!(found, expected, "{lines}");
        assert_eq!(head.via, lines.to_ascii_lowercase().contains("via:"));
    }

    #[test]
    fn a_router_knows_itself_wherever_it_stands() {
        check("Via: 1.1 router-7\r\n", true);
        check("Via: 1.0 lb, 1.1 ROUTER-7 (a, b) , 1.1 other\r\n", true);
        check("via: 1.1 other\r\nVIA: HTTP/1.1 \t router-7\r\n", true);
    }

    #[test]
    fn it_is_not_taken_for_another() {
        check("", false);
        check("Via: 1.1 router-77\r\n", false);
        check("Via: router-7\r\n", false);
        check("Via: 1.1 a (router-7)\r\nX-Via: 1.1 router-7\r\n", false);
    }
}

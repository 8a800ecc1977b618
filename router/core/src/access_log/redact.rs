//! The target as the log may show it.

use sha1::{Digest as _, Sha1};

use super::{RedactQuery, text};

/// Appends a target through `escape`, its query redacted as configured.
///
/// As in gorouter, only the query of a GET is redacted: other methods carry theirs in the body.
pub(super) fn target(
    redact: RedactQuery,
    method: &[u8],
    target: &[u8],
    escape: impl Fn(&[u8], &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let query = match redact {
        RedactQuery::None => None,
        RedactQuery::All | RedactQuery::Hash if method != b"GET" => None,
        RedactQuery::All | RedactQuery::Hash => memchr::memchr(b'?', target),
    };
    let Some(at) = query else {
        escape(target, out);
        return;
    };
    escape(&target[..at], out);
    if redact == RedactQuery::Hash && at + 1 < target.len() {
        out.extend_from_slice(b"?hash=");
        // It names a query in a log and protects nothing.
        for byte in Sha1::digest(&target[at + 1..]) {
            text::hex(byte, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let check = |redact, method: &str, whole: &str, expected: &str| {
            let mut out = Vec::new();
            target(
                redact,
                method.as_bytes(),
                whole.as_bytes(),
                text::quoted_part,
                &mut out,
            );
            assert_eq!(
                String::from_utf8(out).unwrap(),
                expected,
                "{redact:?} {method} {whole}"
            );
        };
        let hashed = "/a?hash=a9993e364706816aba3e25717850c26c9cd0d89d";
        check(RedactQuery::None, "GET", "/a?abc", "/a?abc");
        check(RedactQuery::All, "GET", "/a?abc", "/a");
        check(RedactQuery::All, "GET", "/a?", "/a");
        check(RedactQuery::All, "GET", "/a", "/a");
        check(RedactQuery::All, "POST", "/a?abc", "/a?abc");
        check(RedactQuery::Hash, "GET", "/a?abc", hashed);
        check(RedactQuery::Hash, "GET", "/a?", "/a");
        check(
            RedactQuery::Hash,
            "GET",
            "/a\"?x",
            "/a\\\"?hash=11f6ad8ec52a2984abaafd7c3b516503785c2072",
        );
        check(RedactQuery::Hash, "HEAD", "/a?abc", "/a?abc");
    }
}

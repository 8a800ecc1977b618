//! What the log tells of a request whose head was refused or broke off.

use crate::field::Span;
use crate::http1::Version;

/// The parts of a head that could be made out, each empty when it could not.
///
/// It is for people who ask why a request was refused, and never decides what becomes of one: the
/// head is read as it was meant, by rules that no message has to keep. It looks at each byte once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// The method.
    pub method: Span,
    /// The target as it was received, at most [`Glimpse::LONGEST_TARGET`] bytes of it.
    pub target: Span,
    /// The host, from the target if it has one, else from the first Host line.
    pub host: Span,
    /// The part of the target that is looked up along with the host.
    pub path: Span,
    /// The version; nothing when the request line has not come to it.
    pub version: Option<Version>,
}

impl Glimpse {
    /// No registered method is longer than 17 bytes; what is longer than this is something else.
    const LONGEST_METHOD: usize = 64;
    /// A longer target is cut.
    pub const LONGEST_TARGET: usize = 8 << 10;

    /// Looks at the bytes that came, from the first of the message on.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut at = 0;
        // Empty lines before a request line are skipped (RFC 9112 §2.2).
        while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        let (line, next) = line(bytes, at);
        let mut glimpse = Self::request_line(bytes, line);
        if !glimpse.method.is_empty() && glimpse.host.is_empty() {
            glimpse.host = host(bytes, next);
        }
        glimpse
    }

    fn request_line(bytes: &[u8], line: Span) -> Self {
        let text = line.of(bytes);
        let start = line.start as usize;
        let word = |from: usize| {
            let rest = text.get(from..).unwrap_or_default();
            let length = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            from..from + length
        };
        let method = word(0);
        let is_method = |text: &[u8]| {
            (1..=Self::LONGEST_METHOD).contains(&text.len())
                && text
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        };
        if !is_method(&text[method.clone()]) {
            return Self::default();
        }
        let target = word(method.end + 1);
        let version = match text.get(target.end + 1..) {
            Some(b"HTTP/1.1") => Some(Version::Http11),
            Some(b"HTTP/1.0") => Some(Version::Http10),
            _ => None,
        };
        let end = target
            .end
            .min(target.start + Self::LONGEST_TARGET)
            .min(text.len());
        let target = Span::new(start + target.start.min(end), start + end);
        let (host, path) = absolute(bytes, target).unwrap_or((Span::default(), target));
        Self {
            method: Span::new(start, start + method.end),
            target,
            host,
            path,
            version,
        }
    }
}

/// The line that begins at `at`, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> (Span, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = memchr::memchr(b'\n', rest);
    let end = at + length.unwrap_or(rest.len());
    let next = length.map_or(bytes.len(), |_| end + 1);
    let end = if end > at && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    };
    (Span::new(at, end), next)
}

/// Authority and path of a target in absolute form.
fn absolute(bytes: &[u8], target: Span) -> Option<(Span, Span)> {
    let text = target.of(bytes);
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    let (start, end) = (target.start as usize, target.end as usize);
    let authority = start + scheme.len();
    let length = memchr::memchr2(b'/', b'?', &text[scheme.len()..]);
    let path = length.map_or(end, |length| authority + length);
    Some((Span::new(authority, path), Span::new(path, end)))
}

/// The value of the first Host line from `at` on, before the head's end.
fn host(bytes: &[u8], mut at: usize) -> Span {
    const NAME: &[u8] = b"host:";
    while at < bytes.len() {
        let (found, next) = line(bytes, at);
        let text = found.of(bytes);
        if text.is_empty() {
            break;
        }
        if let Some(name) = text.get(..NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            let value = &text[NAME.len()..];
            let start = at + text.len() - value.trim_ascii_start().len();
            return Span::new(start, start + value.trim_ascii().len());
        }
        at = next;
    }
    Span::default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: [&str; 4], version: Option<Version>) {
        let glimpse = Glimpse::of(bytes.as_bytes());
        let Glimpse {
            method,
            target,
            host,
            path,
            ..
        } = glimpse;
        let found = [method, target, host, path]
            .map(|span| std::str::from_utf8(span.of(bytes.as_bytes())).unwrap());
        assert_eq!(found, expected, "{bytes:?}");
        assert_eq!(glimpse.version, version, "{bytes:?}");
    }

    #[test]
    fn what_can_be_made_out() {
        let (v10, v11) = (Some(Version::Http10), Some(Version::Http11));
        let whole = "GET /a?b HTTP/1.1\r\nX: y\r\nHost: a.test\r\n\r\n";
        check(whole, ["GET", "/a?b", "a.test", "/a?b"], v11);
        check(
            "\r\nPUT /a HTTP/1.0\nhOST:a.test \nrest",
            ["PUT", "/a", "a.test", "/a"],
            v10,
        );
        check(
            "GET HTTP://b.test:80/c HTTP/1.1\r\nHost: a.test\r\n",
            ["GET", "HTTP://b.test:80/c", "b.test:80", "/c"],
            v11,
        );
        check(
            "GET https://b.test HTTP/1.1\r\n",
            ["GET", "https://b.test", "b.test", ""],
            v11,
        );
        // As far as it has come.
        check("GET /a", ["GET", "/a", "", "/a"], None);
        check("GET", ["GET", "", "", ""], None);
        check("GET ", ["GET", "", "", ""], None);
        check("", ["", "", "", ""], None);
        check(
            "GET /a HTTP/1.1\r\nHost: a.te",
            ["GET", "/a", "a.te", "/a"],
            v11,
        );
        // Behind the head nothing is looked for.
        check(
            "GET /a HTTP/1.1\r\n\r\nHost: a.test\r\n",
            ["GET", "/a", "", "/a"],
            v11,
        );
        check(
            "GET /a b HTTP/1.1\r\nHost: a.test\r\n",
            ["GET", "/a", "a.test", "/a"],
            None,
        );
        check(
            "GET /a HTTP/2.0\r\nHost: a.test\r\n",
            ["GET", "/a", "a.test", "/a"],
            None,
        );
        // Something else than HTTP.
        check(
            "\u{16}\u{3}\u{1}Host: x\r\nHost: a.test\r\n",
            ["", "", "", ""],
            None,
        );
    }

    #[test]
    fn a_long_target_is_cut() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n", "x".repeat(20_000));
        let glimpse = Glimpse::of(long.as_bytes());
        let target = glimpse.target.of(long.as_bytes());
        assert_eq!(target.len(), Glimpse::LONGEST_TARGET);
        assert_eq!(glimpse.host.of(long.as_bytes()), b"a.test");
        assert_eq!(glimpse.version, Some(Version::Http11));
    }

    proptest! {
        /// Whatever comes, it is looked at without a fault, and every span lies in it.
        #[test]
        fn any_bytes(bytes in "[GET hto:/?.\r\nHs\u{0}\u{ff}]{0,60}") {
            let bytes = bytes.as_bytes();
            let glimpse = Glimpse::of(bytes);
            for span in [glimpse.method, glimpse.target, glimpse.host, glimpse.path] {
                prop_assert!(span.start <= span.end && span.end as usize <= bytes.len());
            }
        }
    }
}

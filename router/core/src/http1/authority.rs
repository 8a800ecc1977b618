//! The authority of a target or a Host field (RFC 9110 §4.2, §7.2).

use super::framing::decimal;
use crate::byte_scan;

/// Where the authority of `http://…` or `https://…` begins, and the port that goes without saying.
pub(super) fn absolute(target: &[u8]) -> Option<(usize, u16)> {
    let scheme_end = target.iter().position(|&byte| byte == b':')?;
    let scheme = &target[..scheme_end];
    let port = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"http") => 80,
        _ if scheme.eq_ignore_ascii_case(b"https") => 443,
        _ => return None,
    };
    target[scheme_end..]
        .starts_with(b"://")
        .then_some((scheme_end + 3, port))
}

/// `uri-host [":" port]` (RFC 9110 §7.2).
pub(super) fn is_valid(text: &[u8]) -> bool {
    let (host, port) = split(text);
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => digits.is_empty() || number(digits).is_some(),
        _ => false,
    };
    let host_fits = match host {
        [b'[', address @ .., b']'] => std::str::from_utf8(address)
            .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        name => is_reg_name(name),
    };
    port_fits && host_fits
}

/// Whether two valid authorities name the same host (RFC 3986 §6.2.2.1, §6.2.3): letter case, a port
/// that is empty or goes without saying, and the dot that ends an absolute name make no difference.
/// An escape is compared as it stands, because routes are looked up by it as it stands.
pub(super) fn are_equal(a: &[u8], b: &[u8], default_port: u16) -> bool {
    fn parts(text: &[u8], default_port: u16) -> (&[u8], u16) {
        let (host, port) = split(text);
        let port = port.get(1..).and_then(number).unwrap_or(default_port);
        (host.strip_suffix(b".").unwrap_or(host), port)
    }
    let ((a, a_port), (b, b_port)) = (parts(a, default_port), parts(b, default_port));
    a.eq_ignore_ascii_case(b) && a_port == b_port
}

/// The host, and the rest from the colon on. Of what is no authority either may be anything.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let end = if text.first() == Some(&b'[') {
        byte_scan::position(text, b']').map(|close| close + 1)
    } else {
        byte_scan::position(text, b':')
    };
    text.split_at(end.unwrap_or(text.len()))
}

/// A port in digits.
fn number(digits: &[u8]) -> Option<u16> {
    decimal(digits).and_then(|port| port.try_into().ok())
}

/// `reg-name` or an IPv4 address (RFC 3986 §3.2.2).
fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(byte) = bytes.next() {
        if PLAIN[usize::from(*byte)] {
            continue;
        }
        let escaped = *byte == b'%'
            && bytes.next().is_some_and(u8::is_ascii_hexdigit)
            && bytes.next().is_some_and(u8::is_ascii_hexdigit);
        if !escaped {
            return false;
        }
    }
    !host.is_empty()
}

/// What needs no escape in a name: unreserved characters and sub-delimiters (RFC 3986 §2.2, §2.3).
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, default_port: u16, expected: bool) {
        for (a, b) in [(a, b), (b, a)] {
            assert!(is_valid(a.as_bytes()) && is_valid(b.as_bytes()), "{a} {b}");
            let equal = are_equal(a.as_bytes(), b.as_bytes(), default_port);
            assert_eq!(equal, expected, "{a} {b}");
        }
    }

    #[test]
    fn equal_hosts_are_equal() {
        check("a.test", "a.test", 80, true);
        check("a.test:80", "A.Test", 80, true);
        check("a.test:080", "a.test:80", 443, true);
        check("a.test:443", "a.test", 443, true);
        check("a.test:", "a.test", 80, true);
        check("a.test.", "a.test", 80, true);
        check("a.test.:80", "a.TEST:", 80, true);
        check("[::1]:80", "[::1]", 80, true);
        check("[::a]", "[::A]:", 80, true);
        check("a%2db.test", "a%2Db.test", 80, true);
    }

    #[test]
    fn others_are_not() {
        check("a.test", "b.test", 80, false);
        check("a.test:443", "a.test", 80, false);
        check("a.test:80", "a.test", 443, false);
        check("a.test:81", "a.test:82", 80, false);
        check("a.test..", "a.test", 80, false);
        check("[::1]", "[::2]", 80, false);
        check("a%2db.test", "a-b.test", 80, false);
    }

    #[test]
    fn names_have_what_the_rfc_gives_them() {
        for host in [
            "a",
            "a!$&'()*+,;=b",
            "a_b~",
            "a%20b",
            "1.2.3.4:5",
            "[::1]:5",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b", "a/b", "a?b", "a#b", "a@b", "a:b", "a:-1", "a:65536", "a:1:2", "a%2",
            "a%zz", "a\"b", "a<b", "a|b", "a\\b", "a^b", "a`b", "a{b", "[", "[]", "[::1", "[a]",
            "[::1]a", "::1", "\u{ef}",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }
}

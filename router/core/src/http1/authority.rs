//! The authority of a target or a Host field (RFC 9110 §4.2, §7.2).

use super::framing::decimal;
use crate::blocks;

/// Where the authority of `http://…` or `https://…` begins.
pub(super) fn absolute(target: &[u8]) -> Option<usize> {
    let scheme_end = target.iter().position(|&byte| byte == b':')?;
    let scheme = &target[..scheme_end];
    let http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    (http && target[scheme_end..].starts_with(b"://")).then_some(scheme_end + 3)
}

/// `uri-host [":" port]` (RFC 9110 §7.2), without the sub-delimiters that no host name has and that
/// lenient parsers split at.
pub(super) fn is_valid(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else {
                return false;
            };
            let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (None, &rest[end + 1..])
        }
        _ => {
            let end = blocks::position(text, b':').unwrap_or(text.len());
            (Some(&text[..end]), &text[end..])
        }
    };
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => {
            digits.is_empty() || decimal(digits).is_some_and(|port| port <= u64::from(u16::MAX))
        }
        _ => false,
    };
    port_fits && host.is_none_or(is_reg_name)
}

fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(byte) = bytes.next() {
        if UNRESERVED[usize::from(*byte)] {
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

/// What needs no escape in a name (RFC 3986 §2.3).
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

//! Who sent a request: the PROXY header's address, else a trusted X-Forwarded-For, else the peer.

use std::net::IpAddr;

use crate::cidr::{CidrSet, canonical};
use crate::field::{FieldKind, Fields};

/// Where a request came from, worked out once and used by log, limits and rules alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The other end of the connection; nothing for a unix socket.
    pub peer: Option<IpAddr>,
    /// Whether the peer's `X-Forwarded-*` and `X-Request-Start` are believed.
    pub trusted: bool,
    /// The client behind it.
    pub address: Option<IpAddr>,
}

impl Sender {
    /// Works it out. `trusted`: the peer is a proxy of ours, or local.
    #[must_use]
    pub fn of(peer: Option<IpAddr>, trusted: bool, fields: Fields<'_>, proxies: &CidrSet) -> Self {
        let peer = peer.map(canonical);
        let forwarded = if trusted {
            nearest_untrusted(fields, proxies)
        } else {
            None
        };
        Self {
            peer,
            trusted,
            address: forwarded.or(peer),
        }
    }
}

/// Proxies of ours that a request may have come through, one behind the other. What is left of them is
/// not looked at: each is compared with every range of ours.
const HOPS: usize = 64;

/// From the right, the first address of `X-Forwarded-For` that is no proxy of ours; if all are, the
/// leftmost. What is not an address ends the search: nothing left of it can be believed.
fn nearest_untrusted(fields: Fields<'_>, proxies: &CidrSet) -> Option<IpAddr> {
    let mut nearest = None;
    let mut hops = 0;
    let lines = fields
        .lines()
        .iter()
        .rev()
        .filter(|field| field.kind == FieldKind::XForwardedFor);
    for field in lines {
        let value = fields.bytes(field.value);
        for member in value.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let Some(address) = address(member) else {
                return nearest;
            };
            nearest = Some(address);
            hops += 1;
            if hops == HOPS || !proxies.contains(address) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address, with or without brackets and port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = text.parse::<IpAddr>();
    let parsed = plain.or_else(|_| text.parse().map(|socket: std::net::SocketAddr| socket.ip()));
    let parsed = parsed.or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    parsed.ok().map(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::request::tests::parse;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], client: &str) {
        let proxies = CidrSet::new(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let lines: String = forwarded
            .iter()
            .map(|value| format!("X-Forwarded-For: {value}\r\n"))
            .collect();
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let head = parse(&text);
        let peer: IpAddr = peer.parse().unwrap();
        let trusted = proxies.contains(peer);
        let found = Sender::of(Some(peer), trusted, head.fields(text.as_bytes()), &proxies);
        assert_eq!(
            found.address,
            Some(client.parse().unwrap()),
            "{forwarded:?} from {peer}"
        );
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_proxy_of_ours() {
        check("9.9.9.9", &[], "9.9.9.9");
        check("9.9.9.9", &["1.1.1.1"], "9.9.9.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("::ffff:10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.7"], "1.1.1.1");
        check(
            "10.0.0.1",
            &["6.6.6.6", "1.1.1.1:4711", "10.0.0.7"],
            "1.1.1.1",
        );
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["unknown"], "10.0.0.1");
        check("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
    }

    #[test]
    fn the_search_ends_after_a_number_of_proxies() {
        let behind = |hops: usize| format!("1.1.1.1{}", ", 10.0.0.7".repeat(hops));
        check("10.0.0.1", &[&behind(HOPS - 1)], "1.1.1.1");
        check("10.0.0.1", &[&behind(HOPS)], "10.0.0.7");
        check("10.0.0.1", &[&behind(5_000)], "10.0.0.7");
    }
}

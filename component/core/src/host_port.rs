//! Addresses as they are written: a host and a port.

/// Splits `host:port`. An IPv6 host keeps its brackets. Nothing for what has no port from 0 to 65535.
#[must_use]
pub fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// Returns the host without the brackets of an IPv6 address.
#[must_use]
pub fn bare(host: &str) -> &str {
    let inner = host.strip_prefix('[');
    inner
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_their_port() {
        for (address, parts) in [
            ("a.test:80", Some(("a.test", 80))),
            ("10.0.0.1:0", Some(("10.0.0.1", 0))),
            ("[::1]:65535", Some(("[::1]", 65_535))),
            (":80", Some(("", 80))),
            ("a.test", None),
            ("a.test:", None),
            ("a.test:65536", None),
            ("a.test:80 ", None),
            ("", None),
        ] {
            assert_eq!(split(address), parts, "{address}");
        }
        assert_eq!(
            (bare("[::1]"), bare("a.test"), bare("[x")),
            ("::1", "a.test", "[x")
        );
    }
}

//! Endpoints that are this router itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use component_core::host_port;

use crate::cidr::canonical;

/// Where this router listens, to know the endpoints that would lead back to it. A name other than
/// `localhost` is taken for another machine's: what it leads to is not known before it is dialled.
#[derive(Clone, Default)]
pub struct OwnListeners {
    addresses: Vec<SocketAddr>,
    is_local: Option<fn(IpAddr) -> bool>,
}

impl OwnListeners {
    /// A router that listens on `addresses`, on a machine that knows by `is_local` which addresses
    /// are its own. The question is asked only about ports that a listener has on every address.
    #[must_use]
    pub fn new(
        addresses: impl IntoIterator<Item = SocketAddr>,
        is_local: fn(IpAddr) -> bool,
    ) -> Self {
        let with_port = |address: &SocketAddr| address.port() != 0;
        let canonical =
            |address: SocketAddr| SocketAddr::new(canonical(address.ip()), address.port());
        Self {
            addresses: addresses
                .into_iter()
                .filter(with_port)
                .map(canonical)
                .collect(),
            is_local: Some(is_local),
        }
    }

    /// Whether a connection to an endpoint's address, `host:port`, would come to one of them.
    #[must_use]
    pub fn have(&self, address: &str) -> bool {
        host_port::split(address).is_some_and(|(host, port)| self.are_at(host, port))
    }

    /// Whether a connection to `host` and `port` would come to one of them.
    #[must_use]
    pub fn are_at(&self, host: &str, port: u16) -> bool {
        let mut there = self.addresses.iter().filter(|own| own.port() == port);
        if host.eq_ignore_ascii_case("localhost") {
            let mut loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter();
            return there.any(|own| loopback.any(|address| self.takes(own.ip(), address)));
        }
        let Ok(address) = host_port::bare(host).parse::<IpAddr>() else {
            return false;
        };
        let address = match canonical(address) {
            // To connect to no address is to connect to this machine.
            IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address => address,
        };
        there.any(|own| self.takes(own.ip(), address))
    }

    /// Whether a listener at `own` takes connections to `address`. One on every IPv6 address takes
    /// those of IPv4 as well.
    fn takes(&self, own: IpAddr, address: IpAddr) -> bool {
        let covers = match own {
            IpAddr::V4(own) => own.is_unspecified() && address.is_ipv4(),
            IpAddr::V6(own) => own.is_unspecified(),
        };
        let is_local = |address| self.is_local.is_some_and(|is_local| is_local(address));
        own == address || covers && (address.is_loopback() || is_local(address))
    }
}

impl fmt::Debug for OwnListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.addresses).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listener: &str, host: &str, port: u16, expected: bool) {
        let local = |address: IpAddr| {
            let ours: [IpAddr; 2] = ["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()];
            ours.contains(&address)
        };
        let own = OwnListeners::new([listener.parse().unwrap()], local);
        assert_eq!(
            own.are_at(host, port),
            expected,
            "{host}:{port} at {listener}"
        );
    }

    #[test]
    fn a_listener_on_one_address_is_that_address() {
        check("10.0.0.5:80", "10.0.0.5", 80, true);
        check("10.0.0.5:80", "::ffff:10.0.0.5", 80, true);
        check("[fd00::5]:80", "[fd00::5]", 80, true);
        check("[fd00::5]:80", "fd00:0::5", 80, true);
        check("127.0.0.1:80", "127.0.0.1", 80, true);
        check("127.0.0.1:80", "localhost", 80, true);
        check("[::1]:80", "LOCALHOST", 80, true);
        check("127.0.0.1:80", "0.0.0.0", 80, true);
        check("[::1]:80", "[::]", 80, true);
        check("10.0.0.5:80", "10.0.0.5", 81, false);
        check("10.0.0.5:80", "10.0.0.6", 80, false);
        check("127.0.0.1:80", "127.0.0.2", 80, false);
        check("10.0.0.5:80", "localhost", 80, false);
        check("127.0.0.1:80", "::1", 80, false);
    }

    #[test]
    fn a_listener_on_every_address_is_every_local_one() {
        for host in ["127.0.0.1", "127.9.9.9", "10.0.0.5", "0.0.0.0", "localhost"] {
            check("0.0.0.0:80", host, 80, true);
            check("[::]:80", host, 80, true);
        }
        for host in ["::1", "[fd00::5]", "[::]"] {
            check("[::]:80", host, 80, true);
            check("0.0.0.0:80", host, 80, false);
        }
        for host in ["10.0.0.6", "[fd00::6]", "app.internal", "", "10.0.0.5x"] {
            check("[::]:80", host, 80, false);
        }
        check("[::]:80", "127.0.0.1", 81, false);
    }

    #[test]
    fn addresses_are_taken_apart() {
        let own = OwnListeners::new(["[::]:80".parse().unwrap()], |_| false);
        assert!(own.have("127.0.0.1:80") && own.have("[::1]:80"));
        for other in ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:81", ":80", ""] {
            assert!(!own.have(other), "{other}");
        }
    }

    #[test]
    fn a_port_that_is_not_known_yet_is_nobodys() {
        check("127.0.0.1:0", "127.0.0.1", 0, false);
        assert!(!OwnListeners::default().are_at("127.0.0.1", 80));
    }
}

//! Address ranges in CIDR notation (RFC 4632, RFC 4291 §2.3).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// One range, such as `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotACidr {
    /// The part before the slash is not an address.
    Address,
    /// The part after the slash is not a length that fits the address.
    Prefix,
}

impl fmt::Display for NotACidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an IP address",
            Self::Prefix => "prefix length does not fit the address",
        })
    }
}

impl std::error::Error for NotACidr {}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NotACidr::Address)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits.trim().parse().map_err(|_| NotACidr::Prefix)?,
        };
        if prefix > longest {
            Err(NotACidr::Prefix)
        } else {
            Ok(Self { address, prefix })
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 address written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, canonical(address)) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                let differing = range.to_bits() ^ address.to_bits();
                differing.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => same_start(range, address, self.prefix),
            _ => false,
        }
    }
}

fn same_start(range: Ipv6Addr, address: Ipv6Addr, prefix: u8) -> bool {
    let shift = 128 - u32::from(prefix);
    (range.to_bits() ^ address.to_bits())
        .checked_shr(shift)
        .unwrap_or(0)
        == 0
}

/// `::ffff:1.2.3.4` as `1.2.3.4`: what a dual-stack listener reports for an IPv4 client.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The same of an address with a port. One that is IPv6 in truth keeps its scope.
#[must_use]
pub fn canonical_socket(address: SocketAddr) -> SocketAddr {
    match canonical(address.ip()) {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// A few ranges; an address is in the set when it is in any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrSet(Vec<Cidr>);

impl CidrSet {
    /// A set of these ranges.
    #[must_use]
    pub const fn new(ranges: Vec<Cidr>) -> Self {
        Self(ranges)
    }

    /// Whether any range has the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// The ranges as given.
    #[must_use]
    pub fn ranges(&self) -> &[Cidr] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_written_as_ipv4() {
        for (address, expected) in [
            ("[::ffff:1.2.3.4]:80", "1.2.3.4:80"),
            ("1.2.3.4:80", "1.2.3.4:80"),
            ("[::1]:80", "[::1]:80"),
            ("[fe80::1%7]:80", "[fe80::1%7]:80"),
        ] {
            let address = canonical_socket(address.parse().unwrap());
            assert_eq!(address.to_string(), expected);
        }
    }

    #[track_caller]
    fn check(range: &str, address: &str, inside: bool) {
        let range: Cidr = range.parse().unwrap();
        assert_eq!(
            range.contains(address.parse().unwrap()),
            inside,
            "{address} in {range}"
        );
    }

    #[test]
    fn ranges_contain_what_shares_their_prefix() {
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("127.0.0.0/8", "::ffff:127.0.0.1", true);
        check("::/0", "fe80::1", true);
        check("::/0", "1.2.3.4", false);
        check("fc00::/7", "fd00::1", true);
        check("::1", "::2", false);
    }

    #[test]
    fn what_is_no_range_says_why() {
        assert_eq!("ten/8".parse::<Cidr>(), Err(NotACidr::Address));
        assert_eq!("10.0.0.0/33".parse::<Cidr>(), Err(NotACidr::Prefix));
        assert_eq!("10.0.0.0/-1".parse::<Cidr>(), Err(NotACidr::Prefix));
        assert_eq!("::1/129".parse::<Cidr>(), Err(NotACidr::Prefix));
    }
}

//! Networks in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An IP network such as `10.0.0.0/8`; a bare address is a network of one.
///
/// IPv4 addresses and their IPv6-mapped forms are the same to it, because a dual-stack listener
/// shows IPv4 peers as mapped ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The address with its host bits cleared, as an IPv6 number.
    base: u128,
    mask: u128,
}

impl Network {
    /// The single address `::`, a stand-in until a real one is read.
    pub const HOST_ZERO: Self = Self {
        base: 0,
        mask: u128::MAX,
    };

    /// The network of `prefix` bits around `address`; `None` when the prefix is longer than it.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let host_bits = match address {
            IpAddr::V4(_) => 32u8.checked_sub(prefix)?,
            IpAddr::V6(_) => 128u8.checked_sub(prefix)?,
        };
        let mask = u128::MAX.checked_shl(host_bits.into()).unwrap_or(0);
        Some(Self {
            base: number(address) & mask,
            mask,
        })
    }

    /// Whether the address lies in the network. A few instructions: used per request.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.base
    }
}

/// IPv4 as its mapped IPv6 number, so that one comparison serves both.
#[inline]
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network such as 10.0.0.0/8, fd00::/8 or 192.0.2.1")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) if prefix.starts_with('+') => return Err(error()),
            Some(prefix) => prefix.parse().map_err(|_| error())?,
            None => longest,
        };
        Self::new(address, prefix).ok_or_else(error)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.base);
        let prefix = self.mask.leading_ones();
        match address.to_ipv4_mapped() {
            Some(v4) if prefix >= 96 => write!(f, "{v4}/{}", prefix - 96),
            _ => write!(f, "{address}/{prefix}"),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prints_and_contains() {
        for (text, printed, inside, outside) in [
            ("127.0.0.0/8", "127.0.0.0/8", "127.9.9.9", "128.0.0.1"),
            ("10.1.2.3/8", "10.0.0.0/8", "::ffff:10.9.9.9", "11.0.0.0"),
            ("192.0.2.1", "192.0.2.1/32", "192.0.2.1", "192.0.2.2"),
            ("::1", "::1/128", "::1", "127.0.0.1"),
            ("fd00::/8", "fd00::/8", "fdff::1", "fe00::"),
            ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("::/0", "::/0", "1.2.3.4", "none"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), printed);
            assert_eq!(printed.parse(), Ok(network));
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            if let Ok(outside) = outside.parse() {
                assert!(!network.contains(outside), "{text} {outside}");
            }
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}

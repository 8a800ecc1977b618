//! The PROXY header that a load balancer sends before the first request (its versions 1 and 2).

use std::net::{IpAddr, SocketAddr};

use ppp::{HeaderResult, PartialResult, v1, v2};

use crate::cidr::canonical_socket;

/// Bytes within which a header must be complete: both versions are far shorter, but version 2 may
/// carry extensions.
pub const MOST: usize = 4 << 10;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Not the beginning of a header.
    Absent,
    /// The beginning of one.
    Partial,
    /// One.
    Complete {
        /// Its bytes.
        length: usize,
        /// The client; nothing for the balancer's own checks and unknown protocols.
        source: Option<SocketAddr>,
    },
    /// What began like one and is none.
    Malformed,
}

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the first bytes of a connection.
#[must_use]
pub fn read(bytes: &[u8]) -> Header {
    let begins = |signature: &[u8]| {
        let common = bytes.len().min(signature.len());
        bytes[..common] == signature[..common]
    };
    if !begins(V1) && !begins(V2) {
        return Header::Absent;
    }
    if bytes.len() < V1.len() {
        return Header::Partial;
    }
    // A text header is one line of at most 107 bytes; without its end there is nothing to parse.
    if begins(V1) && !bytes.contains(&b'\n') {
        return if bytes.len() < 108 {
            Header::Partial
        } else {
            Header::Malformed
        };
    }
    let parsed = HeaderResult::parse(bytes);
    if parsed.is_incomplete() {
        // A line that has its end and still lacks something is not going to get it.
        let whole = begins(V1) || bytes.len() >= MOST;
        return if whole {
            Header::Malformed
        } else {
            Header::Partial
        };
    }
    match parsed {
        HeaderResult::V1(Ok(header)) => Header::Complete {
            length: header.header.len(),
            source: source_v1(&header).map(canonical_socket),
        },
        HeaderResult::V2(Ok(header)) => Header::Complete {
            length: header.len(),
            source: source_v2(&header).map(canonical_socket),
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Header::Malformed,
    }
}

fn source_v1(header: &v1::Header<'_>) -> Option<SocketAddr> {
    let (address, port): (IpAddr, u16) = match header.addresses {
        v1::Addresses::Tcp4(ip) => (ip.source_address.into(), ip.source_port),
        v1::Addresses::Tcp6(ip) => (ip.source_address.into(), ip.source_port),
        v1::Addresses::Unknown => return None,
    };
    Some(SocketAddr::new(address, port))
}

fn source_v2(header: &v2::Header<'_>) -> Option<SocketAddr> {
    let (address, port): (IpAddr, u16) = match header.addresses {
        _ if header.command == v2::Command::Local => return None,
        v2::Addresses::IPv4(ip) => (ip.source_address.into(), ip.source_port),
        v2::Addresses::IPv6(ip) => (ip.source_address.into(), ip.source_port),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Header) {
        assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
    }

    /// Every beginning of `header` is the beginning of one, and the whole is `expected`.
    #[track_caller]
    fn check_whole(header: &[u8], source: Option<&str>) {
        for end in 1..header.len() {
            check(&header[..end], Header::Partial);
        }
        let source = source.map(|text| text.parse().unwrap());
        let expected = Header::Complete {
            length: header.len(),
            source,
        };
        check(header, expected);
        check(&[header, b"GET / HTTP/1.1\r\n"].concat(), expected);
    }

    #[test]
    fn text_headers() {
        check_whole(b"PROXY TCP4 1.2.3.4 5.6.7.8 99 80\r\n", Some("1.2.3.4:99"));
        check_whole(b"PROXY TCP6 ::1 ::2 99 80\r\n", Some("[::1]:99"));
        check_whole(
            b"PROXY TCP6 ::ffff:1.2.3.4 ::2 99 80\r\n",
            Some("1.2.3.4:99"),
        );
        check_whole(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY TCP4 1.2.3.4 nonsense\r\n", Header::Malformed);
        check(
            &[b"PROXY ".as_slice(), &[b'a'; 200]].concat(),
            Header::Malformed,
        );
    }

    #[test]
    fn binary_headers() {
        let addresses = [1, 2, 3, 4, 5, 6, 7, 8, 0, 99, 0, 80];
        let header = [V2, &[0x21, 0x11, 0, 12], &addresses].concat();
        check_whole(&header, Some("1.2.3.4:99"));
        let local = [V2, &[0x20, 0, 0, 0]].concat();
        check_whole(&local, None);
        check(&[V2, &[0x31, 0x11, 0, 0]].concat(), Header::Malformed);
    }

    #[test]
    fn requests_are_no_headers() {
        for request in [b"GET / ".as_slice(), b"POST ", b"PUT ", b"P\r", b"\r\nGET "] {
            check(request, Header::Absent);
        }
        check(b"P", Header::Partial);
    }
}

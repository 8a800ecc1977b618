//! Addresses for programs that must be told one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports of which the system takes none for connections that programs make: who listens, ends and
/// comes back finds its port free. Linux takes those from 32,768 on.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// An address on loopback where nothing listens now.
///
/// # Panics
/// When no port is left.
#[must_use]
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes of tests begin far from each other.
    let first = std::process::id().wrapping_mul(7_919);
    let mut tries = (0..COUNT).map(|_| {
        let at = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + at % COUNT).expect("a port")
    });
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
    let listener = tries.find_map(free).expect("a free port");
    listener.local_addr().expect("a listener has an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_given_twice() {
        let (one, two) = (free_address(), free_address());
        assert_ne!(one, two);
        assert!(TcpListener::bind(one).is_ok());
    }
}

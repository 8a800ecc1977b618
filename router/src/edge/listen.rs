//! Listening sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use component::address::ListenAddress;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::config::{KeepAlive, ProxyProtocol};

/// Connections the kernel keeps for us until we accept them.
pub(crate) const BACKLOG: usize = 4096;

/// A bound, listening socket. All workers accept from it.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
    address: ListenAddress,
    proxy_protocol: ProxyProtocol,
}

impl Listener {
    /// Binds and listens. Connections over TCP are probed as `keep_alive` says.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(
        place: &ListenAddress,
        proxy_protocol: ProxyProtocol,
        keep_alive: Option<KeepAlive>,
    ) -> io::Result<Self> {
        let (descriptor, address) = match place {
            ListenAddress::Tcp(address) => bind_tcp(*address, keep_alive)?,
            ListenAddress::Unix(path) => bind_unix(path)?,
        };
        Ok(Self {
            descriptor,
            address,
            proxy_protocol,
        })
    }

    /// Where it listens, with the port that the system chose when 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Another descriptor for the same socket, for one event loop.
    ///
    /// # Errors
    /// The process may open no more.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// Whether its connections begin with a PROXY header.
    #[must_use]
    pub const fn proxy_protocol(&self) -> ProxyProtocol {
        self.proxy_protocol
    }
}

fn bind_tcp(
    address: SocketAddr,
    keep_alive: Option<KeepAlive>,
) -> io::Result<(OwnedFd, ListenAddress)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` means every address; one of IPv4 on the same port has its own listener otherwise.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Accepted connections inherit these, which saves calls for each.
    socket.set_tcp_nodelay(true)?;
    if let Some(keep_alive) = keep_alive {
        let probes = TcpKeepalive::new()
            .with_time(keep_alive.time)
            .with_interval(keep_alive.interval)
            .with_retries(keep_alive.probes);
        socket.set_tcp_keepalive(&probes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket.into(), ListenAddress::Tcp(bound)))
}

fn bind_unix(path: &Path) -> io::Result<(OwnedFd, ListenAddress)> {
    if is_left_behind(path) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok((listener.into(), ListenAddress::Unix(path.to_owned())))
}

/// Whether a socket file belongs to a process that was killed.
fn is_left_behind(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    std::os::unix::net::UnixStream::connect(path)
        .err()
        .is_some_and(refused)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let ListenAddress::Unix(path) = &self.address {
            // It may be gone already; then there is nothing to remove.
            drop(std::fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_becomes_a_real_one() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            let place = ListenAddress::Tcp(address.parse().unwrap());
            let listener = Listener::bind(&place, ProxyProtocol::Off, None).unwrap();
            assert!(matches!(listener.address(), ListenAddress::Tcp(bound) if bound.port() != 0));
        }
    }

    #[test]
    fn accepted_connections_are_probed_as_the_listener_was_told() {
        let place = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let seconds = std::time::Duration::from_secs;
        let probed = |keep_alive| {
            let listener = Listener::bind(&place, ProxyProtocol::Off, keep_alive).unwrap();
            let socket = std::net::TcpListener::from(listener.duplicate().unwrap());
            socket.set_nonblocking(false).unwrap();
            let client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
            let (accepted, _) = socket.accept().unwrap();
            drop(client);
            let accepted = socket2::SockRef::from(&accepted);
            accepted.keepalive().unwrap().then(|| KeepAlive {
                time: accepted.tcp_keepalive_time().unwrap(),
                interval: accepted.tcp_keepalive_interval().unwrap(),
                probes: accepted.tcp_keepalive_retries().unwrap(),
            })
        };
        let keep_alive = KeepAlive {
            time: seconds(61),
            interval: seconds(7),
            probes: 3,
        };
        assert_eq!(probed(Some(keep_alive)), Some(keep_alive));
        assert_eq!(probed(None), None);
    }

    #[test]
    fn a_socket_file_left_behind_is_replaced_and_a_live_one_is_not() {
        let directory = std::env::temp_dir().join(format!("listen-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let place = ListenAddress::Unix(directory.join("router.sock"));
        let ListenAddress::Unix(path) = &place else {
            unreachable!()
        };
        drop(UnixListener::bind(path).unwrap());
        let listener = Listener::bind(&place, ProxyProtocol::Off, None).unwrap();
        assert!(Listener::bind(&place, ProxyProtocol::Off, None).is_err());
        assert!(path.exists());
        drop(listener);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

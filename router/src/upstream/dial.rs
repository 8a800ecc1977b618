//! Connecting to an endpoint.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use router_core::endpoint::Endpoint;
use router_core::failure::EndpointFault;
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::io::clock::Clock;
use crate::io::socket::Socket;
use crate::upstream::resolver::{ResolveError, Resolver};

/// A connection that has not carried a request yet.
#[derive(Debug)]
pub(crate) struct Dialled {
    /// The connection.
    pub socket: Socket,
    /// How long its name took to look up; nothing when it is an address.
    pub dns: Option<Duration>,
    /// How long it took to connect.
    pub dial: Duration,
}

/// Connects to an endpoint within about `limit`, to its addresses in turn until one answers: each
/// has an equal share of the time, so that one which swallows packets does not hide the others. The
/// caller holds the whole to the limit.
///
/// # Errors
/// What became of the last address.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    resolver: &Resolver,
    clock: &Clock,
    limit: Duration,
    keepalive: Option<Duration>,
) -> Result<Dialled, EndpointFault> {
    let facts = endpoint.facts();
    if facts.is_tls() {
        return Err(EndpointFault::TlsUnsupported);
    }
    let began = clock.read();
    if let Some(address) = facts.socket_addr() {
        let socket = connect(address, keepalive).await?;
        return Ok(Dialled {
            socket,
            dns: None,
            dial: clock.read().since(began),
        });
    }
    let found = resolver.resolve(facts.host(), facts.port()).await;
    let addresses = found.map_err(|error| unresolved(&error))?;
    let dns = clock.read().since(began);
    let mut last = EndpointFault::UnknownName;
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for &address in addresses.iter() {
        let connected = timeout(share, connect(address, keepalive)).await;
        match connected.unwrap_or(Err(EndpointFault::DialTimeout)) {
            Ok(socket) => {
                let dial = clock.read().since(began).saturating_sub(dns);
                return Ok(Dialled {
                    socket,
                    dns: Some(dns),
                    dial,
                });
            }
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

async fn connect(
    address: SocketAddr,
    keepalive: Option<Duration>,
) -> Result<Socket, EndpointFault> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| fault(&error))?;
    // A connection without these options works too, only less well.
    drop(stream.set_nodelay(true));
    if let Some(interval) = keepalive {
        let probes = socket2::TcpKeepalive::new()
            .with_time(interval)
            .with_interval(interval);
        drop(socket2::SockRef::from(&stream.as_fd()).set_tcp_keepalive(&probes));
    }
    Ok(Socket::Tcp(stream))
}

fn fault(error: &io::Error) -> EndpointFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => EndpointFault::Refused,
        io::ErrorKind::TimedOut => EndpointFault::DialTimeout,
        _ if is_ours(error) => EndpointFault::Exhausted,
        _ => EndpointFault::Unreachable,
    }
}

/// What a name without an address says of the endpoint. That we are busy says nothing of it.
const fn unresolved(error: &ResolveError) -> EndpointFault {
    match error {
        ResolveError::Unknown(_) => EndpointFault::UnknownName,
        ResolveError::TimedOut => EndpointFault::DialTimeout,
        ResolveError::Busy => EndpointFault::Exhausted,
    }
}

/// Whether this machine lacks something, rather than the endpoint.
fn is_ours(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn that_we_are_busy_says_nothing_of_an_endpoint() {
        let unknown = ResolveError::Unknown(Arc::new(io::ErrorKind::NotFound.into()));
        for (error, fault) in [
            (unknown, EndpointFault::UnknownName),
            (ResolveError::TimedOut, EndpointFault::DialTimeout),
            (ResolveError::Busy, EndpointFault::Exhausted),
        ] {
            assert_eq!(unresolved(&error), fault);
        }
    }
}

//! The listeners' loop: a bounded number of connections, each with bounded heads and time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use router_core::cidr::canonical_socket;
use rustix::net::sockopt::{set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::warn;

use super::auth::Peer;

/// Connections of one listener. Further ones wait in the kernel's queue.
const CONNECTIONS: usize = 128;
/// For a whole head, and between requests.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of a head.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a caller may leave sent bytes unread before its connection is given up.
const STALLED: Duration = Duration::from_secs(30);
/// After an accept that failed, so that a lack of descriptors is not met by a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped, and its connections with it.
pub(super) async fn accept(listener: TcpListener, app: Router) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (app, peer) = (app.clone(), canonical_socket(peer));
                connections.spawn(async move {
                    converse(stream, peer, app).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "admin-accept-failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, app: Router) {
    let millis = u32::try_from(STALLED.as_millis()).unwrap_or(u32::MAX);
    // Without these the connection works all the same.
    set_tcp_user_timeout(&stream, millis).unwrap_or_default();
    set_tcp_nodelay(&stream, true).unwrap_or_default();
    let app = app.layer(axum::Extension(Peer(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // How a caller's connection ended is the caller's business.
    connection.await.unwrap_or_default();
}

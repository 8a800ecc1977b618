//! The loop of one listener: a bounded number of connections, each with bounded heads and time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use super::answers::{self, Caller, MOST_ANSWERS};
use super::auth::Peer;
use super::connections::{Connection, Connections};
use super::stream::CallerStream;

/// Bytes of a head.
const HEAD_BYTES: usize = 16 * 1024;
/// Bytes that the kernel keeps for a caller (it doubles this). With more of them, one that reads slowly
/// could not be told from one that does not read.
const SEND_BUFFER: usize = 128 * 1024;
/// How long sent bytes may stay unacknowledged before the caller is given up as gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// How often connections are looked through for those that are held for nothing.
const SWEEP: Duration = Duration::from_millis(250);
/// Until a connection may have ended.
const MOMENT: Duration = Duration::from_millis(10);
/// After an accept that failed, so that a lack of descriptors is not met by a busy loop.
const PAUSE: Duration = Duration::from_millis(100);
/// At most one line about such failures in so long.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Answers callers with `app` until it is dropped, and their connections with it.
pub async fn serve_listener(listener: TcpListener, app: Router) {
    let room = Arc::new(Semaphore::new(MOST_ANSWERS));
    let mut connections = Connections::default();
    let mut tasks = JoinSet::new();
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                connections.sweep();
                while tasks.try_join_next().is_some() {}
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                while !connections.make_room() {
                    sleep(MOMENT).await;
                }
                tune(&stream);
                let caller = Caller {
                    connection: connections.keep(stream),
                    room: Arc::clone(&room),
                };
                tasks.spawn(converse(caller, canonical(peer), app.clone()));
                // Whoever was accepted is listened to before the next one is taken.
                yield_now().await;
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES) {
                    warn!(%error, "admin-accept-failed");
                    told = Some(Instant::now());
                }
                // Descriptors may be what is lacking.
                connections.send_one_away();
                sleep(PAUSE).await;
            }
        }
    }
}

/// An IPv4 address in its own form also where it came in that of IPv6.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Without these the connection works all the same.
fn tune(stream: &TcpStream) {
    let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    set_tcp_user_timeout(stream, millis).unwrap_or_default();
    set_tcp_nodelay(stream, true).unwrap_or_default();
    set_socket_send_buffer_size(stream, SEND_BUFFER).unwrap_or_default();
}

async fn converse(caller: Caller, peer: SocketAddr, app: Router) {
    let connection = Arc::clone(&caller.connection);
    let app = app
        .layer(from_fn_with_state(caller, answers::receive))
        .layer(axum::Extension(Peer(peer)));
    tokio::select! {
        // How a caller's connection ended is the caller's business.
        () = serve(Arc::clone(&connection), app) => {}
        () = connection.has_to_leave() => {}
    }
}

async fn serve(connection: Arc<Connection>, app: Router) {
    let served = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .serve_connection(
            TokioIo::new(CallerStream(connection)),
            TowerToHyperService::new(app),
        );
    served.await.unwrap_or_default();
}

//! The listeners' loop: a bounded number of connections, each with bounded heads and time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use router_core::cidr::canonical_socket;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use super::auth::Peer;
use super::desks::{self, Caller, DESKS};
use super::line::Line;
use super::places::{Place, Places};

/// Bytes of a head.
const HEAD_BYTES: usize = 16 * 1024;
/// Bytes that the kernel keeps for a caller (it doubles this). With more of them, one that reads slowly
/// could not be told from one that does not read.
const SEND_BUFFER: usize = 128 * 1024;
/// How long sent bytes may stay unacknowledged before the caller is given up as gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// How often places are looked through for callers that keep theirs for nothing.
const SWEEP: Duration = Duration::from_millis(250);
/// Until a place may have become free.
const MOMENT: Duration = Duration::from_millis(10);
/// After an accept that failed, so that a lack of descriptors is not met by a busy loop.
const PAUSE: Duration = Duration::from_millis(100);
/// At most one line about such failures in so long.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Accepts until it is dropped, and its connections with it.
pub(super) async fn accept(listener: TcpListener, app: Router) {
    let desks = Arc::new(Semaphore::new(DESKS));
    let mut places = Places::default();
    let mut connections = JoinSet::new();
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                places.sweep();
                while connections.try_join_next().is_some() {}
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                while !places.make_room() {
                    sleep(MOMENT).await;
                }
                tune(&stream);
                let caller = Caller {
                    place: places.take(stream),
                    desks: Arc::clone(&desks),
                };
                connections.spawn(converse(caller, canonical_socket(peer), app.clone()));
                // Whoever was accepted is listened to before the next one takes a place.
                yield_now().await;
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES) {
                    warn!(%error, "admin-accept-failed");
                    told = Some(Instant::now());
                }
                // Descriptors may be what is lacking.
                places.send_one_away();
                sleep(PAUSE).await;
            }
        }
    }
}

/// Without these the connection works all the same.
fn tune(stream: &TcpStream) {
    let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    set_tcp_user_timeout(stream, millis).unwrap_or_default();
    set_tcp_nodelay(stream, true).unwrap_or_default();
    set_socket_send_buffer_size(stream, SEND_BUFFER).unwrap_or_default();
}

async fn converse(caller: Caller, peer: SocketAddr, app: Router) {
    let place = Arc::clone(&caller.place);
    let app = app
        .layer(from_fn_with_state(caller, desks::receive))
        .layer(axum::Extension(Peer(peer)));
    tokio::select! {
        // How a caller's connection ended is the caller's business.
        () = serve(Arc::clone(&place), app) => {}
        () = place.has_to_leave() => {}
    }
}

async fn serve(place: Arc<Place>, app: Router) {
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .serve_connection(TokioIo::new(Line(place)), TowerToHyperService::new(app));
    connection.await.unwrap_or_default();
}

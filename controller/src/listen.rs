//! The listener of the API: a bounded number of connections, each with bounded heads and time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_http::timeout::TimeoutBody;

use crate::api::plain_path;

/// Connections at a time; further ones wait in the kernel.
const CONNECTIONS: usize = 1024;
/// Bytes of a head.
const HEAD_BYTES: usize = 64 * 1024;
/// For a whole head, and between requests.
const HEAD: Duration = Duration::from_secs(75);
/// Between two parts of a body.
const STALL: Duration = Duration::from_secs(30);
/// After an accept that failed, so that a lack of descriptors is not met by a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers with `app` until it is dropped, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "api-accept-failed");
                sleep(PAUSE).await;
                continue;
            }
        };
        // Without it answers are later and no less right.
        stream.set_nodelay(true).unwrap_or_default();
        let app = TowerToHyperService::new(app.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let request = request.map(|body| TimeoutBody::new(STALL, body));
            let answer = hyper::service::Service::call(&app, plain_path(request));
            async move { answer.await as Result<Response, std::convert::Infallible> }
        });
        connections.spawn(async move {
            let _place = place;
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            // How a connection ended is its client's business.
            served.await.unwrap_or_default();
        });
    }
}

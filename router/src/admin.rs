//! The administrative endpoints: what this router knows, and why it does what it does.
//!
//! Nothing here is on the path of a request. What an answer costs is bounded: connections,
//! streams, downloads, the size of heads and bodies, and the time a caller may take.

mod apps;
mod connections;
mod events;
mod explain;
mod prometheus;
mod reload;
mod routes;
mod varz;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::{get, post};
use component::admin::{Auth, Credentials, guarded, health, local_only, log_level, serve_listener};
use component::telemetry::LogLevel;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::apps::Apps;
pub use self::reload::{Refused, ReloadAnswer, ReloadSender};
use self::varz::TrafficRates;
use crate::config::settings::Settings;
use crate::io::clock::Moment;
use crate::worker::shared::Shared;

/// Listeners of streams at a time. The next is told 503.
const STREAMS: usize = 16;
/// Answers at a time that walk the whole table. The next is told 503.
const WALKS: usize = 4;
/// Answers at a time that add up all counters. The next waits.
const LOOKS: usize = 2;
/// How often the rates are taken.
const RATES: Duration = Duration::from_secs(5);

/// What the endpoints need to know beyond the shared handles.
#[derive(Debug)]
pub struct AdminOptions {
    /// Wanted for all but the health checks. Without them, only callers on loopback are answered.
    pub credentials: Option<Credentials>,
    /// Which router of its kind this is.
    pub index: u32,
    /// The id that this router announces itself with.
    pub uuid: String,
    /// Where collectors find this router, `address:port`.
    pub host: String,
    /// What the data path goes by, so that explanations do as well.
    pub data_path: Arc<ArcSwap<Settings>>,
    /// Where the configuration is asked to be read again.
    pub reloads: ReloadSender,
    /// How long TLS endpoints live without renewal; none when they do not lapse by age.
    pub tls_threshold: Option<Duration>,
}

/// What a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Everything,
    /// The health checks.
    Health,
    /// The health checks, `/varz` and `/routes`, where old collectors look for them.
    Status,
    /// The log's level alone, without credentials and only for callers on loopback.
    LogLevel,
}

/// The state behind the endpoints.
#[derive(Debug)]
pub struct Admin {
    shared: Shared,
    started: Moment,
    /// By the calendar of that moment: who looks at it takes another time for another start.
    started_unix_nanos: u64,
    options: AdminOptions,
    auth: Arc<Auth>,
    log_level: LogLevel,
    streams: Arc<Semaphore>,
    walks: Arc<Semaphore>,
    looks: Semaphore,
    rates: Mutex<TrafficRates>,
    apps: Apps,
}

impl Admin {
    /// Endpoints over these handles.
    pub fn new(shared: Shared, options: AdminOptions, log_level: LogLevel) -> Arc<Self> {
        let started = shared.clock.read();
        Arc::new(Self {
            auth: Arc::new(Auth::new(options.credentials.as_ref())),
            started,
            started_unix_nanos: shared.clock.unix_nanos(started),
            shared,
            options,
            log_level,
            streams: Arc::new(Semaphore::new(STREAMS)),
            walks: Arc::new(Semaphore::new(WALKS)),
            looks: Semaphore::new(LOOKS),
            rates: Mutex::default(),
            apps: Apps::default(),
        })
    }

    /// Answers on all listeners, and keeps the rates, until `shutdown` is ready.
    pub async fn serve(
        self: Arc<Self>,
        listeners: Vec<(TcpListener, Role)>,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut tasks = JoinSet::new();
        for (listener, role) in listeners {
            tasks.spawn(serve_listener(listener, router(&self, role)));
        }
        tasks.spawn(Arc::clone(&self).keep_rates());
        shutdown.await;
        tasks.shutdown().await;
    }

    fn uptime(&self) -> Duration {
        self.shared.clock.read().since(self.started)
    }

    fn started_unix_nanos(&self) -> u64 {
        self.started_unix_nanos
    }

    /// Milliseconds since the table changed or was confirmed.
    fn since_registry_update(&self) -> u64 {
        let updated = self.shared.metrics.registry.updated_at.get();
        self.shared.clock.now().as_millis().saturating_sub(updated)
    }

    /// Seconds since the snapshot was written; none when there is none.
    fn snapshot_age(&self) -> Option<u64> {
        let written = self.shared.metrics.registry.snapshot_written_unix.get();
        let now = self.shared.clock.unix_nanos(self.shared.clock.read()) / 1_000_000_000;
        (written > 0).then(|| now.saturating_sub(written))
    }

    async fn keep_rates(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(RATES);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = ticks.tick().await;
        loop {
            let now = ticks.tick().await;
            let totals = self.shared.metrics.totals();
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            rates.observe(&totals, now - last);
            last = now;
        }
    }
}

/// The endpoints of one listener.
fn router(admin: &Arc<Admin>, role: Role) -> Router {
    let state = Arc::clone(&admin.shared.health);
    let open = health(Arc::new(move || state.state().reason()));
    let for_users = |app| guarded(app, Arc::clone(&admin.auth));
    let level = log_level(admin.log_level.clone());
    let routes = match role {
        Role::Everything => open.merge(for_users(status().merge(insight()).merge(level))),
        Role::Status => open.merge(for_users(status())),
        Role::Health => open,
        Role::LogLevel => local_only(level),
    };
    routes.with_state(Arc::clone(admin))
}

/// What gorouter's status listener shows.
fn status() -> Router<Arc<Admin>> {
    Router::new()
        .route("/varz", get(varz::show))
        .route("/routes", get(routes::list))
}

/// What only this router shows.
fn insight() -> Router<Arc<Admin>> {
    Router::new()
        .route("/metrics", get(prometheus::show))
        .route("/routes/explain", get(explain::show))
        .route("/routes/changes", get(events::changes))
        .route("/routes/watch", get(events::watch))
        .route("/connections", get(connections::list))
        .route("/config/reload", post(reload::reload))
}

#[cfg(test)]
pub(crate) mod tests;

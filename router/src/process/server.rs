//! The whole router, put together from its parts.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use component::address::ListenAddress;
use component::shutdown::{self, Phase, Shutdown, Trigger};
use component::tasks::Tasks;
use component::telemetry::LogLevel;
use protocol::router::Reloaded;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::listeners::{addresses_of, listen, listen_admin, own_listeners};
use crate::admin::{Admin, AdminOptions, ReloadAnswer, Role};
use crate::config::settings::Settings;
use crate::config::{Config, ConfigError};
use crate::edge::{Edge, EdgeParts};
use crate::io::clock::Clock;
use crate::observe::access_log::AccessLog;
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use crate::routes::registrar;
use crate::routes::sources::{RouteSources, RouteSourcesError};
use crate::upstream::resolver::Resolver;
use crate::worker::connections::{Ask, Connections};
use crate::worker::shared::Shared;

/// How often the calendar is looked at: for so long Date may be wrong after it was set.
const CALENDAR: Duration = Duration::from_secs(1);

/// Reloads that wait for their turn; one more is refused.
const RELOADS: usize = 4;

/// How long the parts behind the edge may take to end.
const END: Duration = Duration::from_secs(2);

/// Why a router cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file that the configuration names cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The access log cannot be opened.
    #[error("the access log cannot be written to {file}")]
    AccessLog {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The parts that keep the table cannot start.
    #[error(transparent)]
    Routes(#[from] RouteSourcesError),
    /// A thread, a file or a queue could not be had.
    #[error("cannot start")]
    System(#[from] io::Error),
}

/// A router that is to be started.
#[derive(Debug)]
pub struct Router;

/// A router that runs. Dropped, it stops without waiting for its connections.
#[derive(Debug)]
pub struct Running {
    shared: Shared,
    edge: Edge,
    addresses: Vec<ListenAddress>,
    admin_addresses: Vec<(SocketAddr, Role)>,
    end: Trigger,
    routes: RouteSources,
    log: AccessLog,
    tasks: Tasks,
    /// The configuration in force.
    config: Mutex<Config>,
    data_path: Arc<ArcSwap<Settings>>,
    log_level: LogLevel,
    /// Where it is asked for reloads.
    reloads: tokio::sync::Mutex<mpsc::Receiver<ReloadAnswer>>,
}

impl Router {
    /// Starts a router in this process; its admin endpoint runs on the current runtime.
    ///
    /// # Errors
    /// What keeps it from serving. That the bus is not there does not.
    pub async fn start(config: Config, log_level: LogLevel) -> Result<Running, StartError> {
        let error_page = config.error_page()?;
        let listeners = listen(&config)?;
        let admin_listeners = listen_admin(&config).await?;
        let clock = Clock::start();
        let workers = config.workers.count();
        let log = open_access_log(&config)?;
        let (shared, asks) = shared(&config, clock, workers, &log);

        let own = own_listeners(&listeners, &addresses_of(&admin_listeners)?);
        let settings = registrar::RegistrarSettings::new(&config).with_own(own);
        let id = settings.start.id.clone();
        let host = settings.start.hosts.first().cloned().unwrap_or_default();
        let routes = RouteSources::start(&config, settings, &shared.outlets(), &shared.clock)?;

        let addresses = listeners
            .iter()
            .map(|listener| listener.address().clone())
            .collect();
        let data_path = Arc::new(Settings::new(&config, error_page, host.clone()));
        let parts = EdgeParts {
            listeners,
            settings: Arc::clone(&data_path),
            shared: shared.clone(),
            resolver: Arc::new(Resolver::new(config.backend.resolve_interval)?),
            asks,
        };
        let edge = Edge::start(parts, &log)?;

        let admin_addresses = addresses_of(&admin_listeners)?;
        let data_path = Arc::new(ArcSwap::new(data_path));
        let (reload, reloads) = mpsc::channel(RELOADS);
        let options = AdminOptions {
            credentials: config.admin.credentials.clone(),
            index: config.process.index,
            uuid: id,
            host,
            data_path: Arc::clone(&data_path),
            reloads: reload,
            tls_threshold: None,
        };
        let admin = Admin::new(shared.clone(), options, log_level.clone());
        let (end, ends) = shutdown::channel();
        let tasks = start_tasks(admin, admin_listeners, &shared, &config, &ends);
        Ok(Running {
            shared,
            edge,
            addresses,
            admin_addresses,
            end,
            routes,
            log,
            tasks,
            config: Mutex::new(config),
            data_path,
            log_level,
            reloads: tokio::sync::Mutex::new(reloads),
        })
    }
}

impl Running {
    /// Where it listens, in the order of the configuration, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Where the admin endpoint listens that answers everything.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.address_of(|role| role == Role::Everything)
    }

    /// Where load balancers find the health checks apart from it.
    #[must_use]
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.address_of(|role| matches!(role, Role::Health | Role::Status))
    }

    fn address_of(&self, is_wanted: impl Fn(Role) -> bool) -> Option<SocketAddr> {
        let mut addresses = self.admin_addresses.iter();
        let found = addresses.find(|(_, role)| is_wanted(*role));
        found.map(|(address, _)| *address)
    }

    /// The handles that its parts share.
    #[must_use]
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits until the admin endpoint is asked to read the configuration again.
    pub async fn reload_asked(&self) -> Option<ReloadAnswer> {
        self.reloads.lock().await.recv().await
    }

    /// Goes by `next`, which was checked, as far as no restart is needed for it. Nothing that is under
    /// way is disturbed.
    ///
    /// # Errors
    /// Why it cannot be used; then nothing changes.
    pub fn change(&self, next: &Config) -> Result<Reloaded, StartError> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let merged = config.reloaded(next);
        let changes = config.changes(next, &merged);
        let error_page = merged.error_page()?;
        if merged.routes != config.routes {
            self.routes.replace(&merged.routes)?;
        }
        let before = self.data_path.load_full();
        let settings = Settings::new(&merged, error_page, before.router_address.clone());
        let settings = Arc::new(settings.named_as(&before));
        self.data_path.store(Arc::clone(&settings));
        self.edge.change_settings(settings);
        if merged.logging.level != config.logging.level {
            self.log_level.set(merged.logging.level);
        }
        *config = merged;
        Ok(changes)
    }

    /// Opens the access log's file anew.
    pub fn reopen_log(&self) {
        self.log.reopen();
    }

    fn drain_times(&self) -> (Duration, Duration) {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        (config.process.drain_wait, config.process.drain_timeout)
    }

    /// Tells the load balancer to go elsewhere, serves on while it does, and then lets connections
    /// finish. Ends sooner when the last has ended. Returns whether all have.
    pub async fn drain(&self) -> bool {
        let (wait, limit) = self.drain_times();
        self.shared.health.drain();
        tracing::info!(wait_ms = millis(wait), "gorouter.draining");
        tokio::time::sleep(wait).await;
        self.edge.drain();
        let finished = self.edge.finished(limit).await;
        if !finished {
            tracing::warn!(
                connections = self.edge.connections(),
                "router.drain.timed-out"
            );
        }
        finished
    }

    /// Accepts no more and lets what is under way finish for at most `limit`; then ends all parts.
    pub async fn stop(self, limit: Duration) {
        tracing::info!("gorouter.stopping");
        self.shared.health.drain();
        self.edge.close();
        if !self.edge.finished(limit).await {
            tracing::warn!(connections = self.edge.connections(), "connections-cut");
        }
        self.end().await;
        tracing::info!("gorouter.stopped");
    }

    async fn end(self) {
        let Self {
            edge,
            end,
            routes,
            log,
            mut tasks,
            ..
        } = self;
        edge.stop().await;
        end.advance(Phase::Stopping);
        let behind = tokio::task::spawn_blocking(move || {
            drop(routes);
            log.stop()
        });
        if !behind.await.unwrap_or(false) {
            tracing::warn!("access-log-incomplete");
        }
        for ended in tasks.shutdown(END).await {
            tracing::warn!(name = %ended.name, how = ?ended.how, "task-ended-badly");
        }
    }
}

/// Starts the tasks of the admin endpoint's runtime.
fn start_tasks(
    admin: Arc<Admin>,
    listeners: Vec<(TcpListener, Role)>,
    shared: &Shared,
    config: &Config,
    ends: &Shutdown,
) -> Tasks {
    let mut tasks = Tasks::new();
    let mut admin_ends = ends.clone();
    let ended = async move {
        admin_ends.reached(Phase::Stopping).await;
    };
    tasks.spawn("admin", admin.serve(listeners, ended));
    let clock = shared.clock.clone();
    tasks.spawn("calendar", follow_calendar(clock, ends.clone()));
    let health = Arc::clone(&shared.health);
    let delay = pass_delay(health, config.process.start_delay, ends.clone());
    tasks.spawn("start delay", delay);
    tasks
}

fn open_access_log(config: &Config) -> Result<AccessLog, StartError> {
    AccessLog::start(&config.access_log).map_err(|source| StartError::AccessLog {
        file: match &config.access_log.file {
            Some(file) => file.display().to_string(),
            None => "standard output".to_owned(),
        },
        source,
    })
}

/// Tells when the start delay has passed, if that is before the router stops.
async fn pass_delay(health: Arc<Health>, delay: Duration, mut ends: Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(delay) => health.delay_passed(),
        () = ends.reached(Phase::Stopping) => {}
    }
}

/// Keeps the clock's calendar right until the router stops.
async fn follow_calendar(clock: Clock, mut ends: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CALENDAR) => clock.follow_calendar(),
            () = ends.reached(Phase::Stopping) => return,
        }
    }
}

fn shared(
    config: &Config,
    clock: Clock,
    workers: usize,
    log: &AccessLog,
) -> (Shared, Vec<mpsc::Receiver<Ask>>) {
    let (connections, asks) = Connections::new(workers);
    let shared = Shared {
        clock,
        routes: Arc::new(ArcSwap::from_pointee(
            router_core::table::RouteTable::default(),
        )),
        metrics: Metrics::new(workers),
        health: Arc::new(Health::new(config.bus.is_some())),
        watch: Arc::default(),
        changes: Arc::default(),
        connections,
        access_log: log.state(),
    };
    (shared, asks)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! The whole router, put together from its parts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use component::address::{ListenAddress, is_local};
use component::shutdown::{self, Phase, Shutdown, Trigger};
use component::tasks::Tasks;
use component::telemetry::LogLevel;
use router_core::own_listeners::OwnListeners;
use tokio::net::TcpListener;

use crate::admin::{Admin, AdminOptions, Role};
use crate::config::settings::Settings;
use crate::config::{Config, ConfigError};
use crate::edge::listen::Listener;
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
    drain: (Duration, Duration),
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
        let settings = registrar::Settings::new(&config).with_own(own);
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

        let mut tasks = Tasks::new();
        let admin_addresses = addresses_of(&admin_listeners)?;
        let settings = admin_options(&config, data_path, id, host);
        let admin = Admin::new(shared.clone(), settings, log_level);
        let (end, ends) = shutdown::channel();
        let mut admin_ends = ends.clone();
        tasks.spawn(
            "admin",
            admin.serve(admin_listeners, async move {
                admin_ends.reached(Phase::Stopping).await;
            }),
        );
        tasks.spawn(
            "calendar",
            follow_calendar(shared.clock.clone(), ends.clone()),
        );
        let health = Arc::clone(&shared.health);
        let delay = config.process.start_delay;
        tasks.spawn("start delay", pass_delay(health, delay, ends));
        let drain = (config.process.drain_wait, config.process.drain_timeout);
        Ok(Running {
            shared,
            edge,
            addresses,
            admin_addresses,
            end,
            routes,
            log,
            tasks,
            drain,
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

    /// Opens the access log's file anew.
    pub fn reopen_log(&self) {
        self.log.reopen();
    }

    /// Tells the load balancer to go elsewhere, serves on while it does, and then lets connections
    /// finish. Ends sooner when the last has ended. Says whether all have.
    pub async fn drain(&self) -> bool {
        let (wait, limit) = self.drain;
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
) -> (Shared, Vec<tokio::sync::mpsc::Receiver<Ask>>) {
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

fn listen(config: &Config) -> Result<Vec<Arc<Listener>>, StartError> {
    let bind = |listener: &crate::config::Listener| {
        Listener::bind(
            &listener.address,
            listener.proxy_protocol,
            config.client.connection.keep_alive,
        )
        .map(Arc::new)
        .map_err(|source| StartError::Listen {
            address: listener.address.to_string(),
            source,
        })
    };
    config.listeners.iter().map(bind).collect()
}

async fn listen_admin(config: &Config) -> Result<Vec<(TcpListener, Role)>, StartError> {
    let admin = &config.admin;
    let status = if admin.deprecated_status {
        Role::Status
    } else {
        Role::Health
    };
    let wanted = [
        (Some(admin.address), Role::Everything),
        (admin.status, status),
        (admin.debug, Role::LogLevel),
    ];
    let mut listeners = Vec::new();
    for (address, role) in wanted {
        let Some(address) = address else { continue };
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen {
                address: address.to_string(),
                source,
            })?;
        listeners.push((listener, role));
    }
    Ok(listeners)
}

fn addresses_of(listeners: &[(TcpListener, Role)]) -> io::Result<Vec<(SocketAddr, Role)>> {
    listeners
        .iter()
        .map(|(listener, role)| Ok((listener.local_addr()?, *role)))
        .collect()
}

/// Where no endpoint may be.
fn own_listeners(listeners: &[Arc<Listener>], admin: &[(SocketAddr, Role)]) -> OwnListeners {
    let clients = listeners
        .iter()
        .filter_map(|listener| listener.address().tcp());
    let admin = admin.iter().map(|(address, _)| *address);
    OwnListeners::new(clients.chain(admin), is_local)
}

fn admin_options(
    config: &Config,
    data_path: Arc<Settings>,
    uuid: String,
    host: String,
) -> AdminOptions {
    AdminOptions {
        credentials: config.admin.credentials.clone(),
        index: config.process.index,
        uuid,
        host,
        data_path,
        tls_threshold: None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

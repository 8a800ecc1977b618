//! The process around the router: pingora's server and service frame, and the signals.
//!
//! pingora starts the service and owns the runtime that it and the admin endpoint run on; workers have
//! their own. How the router ends is decided here: pingora's
//! own graceful stop is a fixed sleep that knows nothing of connections, so its watch for signals is
//! replaced by one that returns when nothing is left to wait for.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use component::telemetry::LogLevel;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{
    ListenFds, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch,
};
use pingora_core::services::Service;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::process::server::{Router, Running};
use component::regular_file;

/// How long a stopped router lets requests finish.
const STOP: Duration = Duration::from_secs(5);

/// How the router is to end. It only ever goes on to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Serve,
    /// `SIGUSR1`: tell the load balancer, wait, finish, end.
    Drain,
    /// `SIGTERM`: finish what is under way, end.
    Stop,
    /// `SIGINT`, or a second `SIGTERM`: end.
    Now,
}

/// How long the bus may take until the router says that it has started. It serves meanwhile, and goes
/// on without the bus if that takes longer.
const BUS: Duration = Duration::from_secs(1);

/// Runs the router that `file` describes until a signal ends it.
#[must_use]
pub fn run(config: Config, file: &Path, log_level: LogLevel) -> ExitCode {
    tracing::info!(config = %file.display(), "starting");
    let (orders, ordered) = watch::channel(Order::Serve);
    let (over, is_over) = watch::channel(false);
    let failed = Arc::new(AtomicBool::new(false));
    let (reopen, reopened) = watch::channel(());
    let service = RouterService {
        start: Some((config, log_level)),
        file: file.display().to_string(),
        ordered,
        reopened,
        over,
        failed: Arc::clone(&failed),
    };
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.add_service(service);
    let signals = Signals {
        orders,
        reopen,
        is_over,
    };
    server.run(RunArgs {
        shutdown_signal: Box::new(signals),
    });
    if failed.load(Relaxed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The router as a service of pingora's. Its listeners and threads are its own.
struct RouterService {
    start: Option<(Config, LogLevel)>,
    /// What its configuration is called in messages.
    file: String,
    ordered: watch::Receiver<Order>,
    reopened: watch::Receiver<()>,
    over: watch::Sender<bool>,
    failed: Arc<AtomicBool>,
}

#[async_trait]
impl Service for RouterService {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
    ) {
        let Some((config, log_level)) = self.start.take() else {
            return;
        };
        let pid_file = config.process.pid_file.clone();
        match Router::start(config, log_level).await {
            Ok(running) => {
                for address in running.addresses() {
                    tracing::info!(%address, "listening");
                }
                if let Some(address) = running.admin_address() {
                    tracing::info!(%address, "admin-listening");
                }
                if let Some(address) = running.status_address() {
                    tracing::info!(%address, "status-listening");
                }
                if let Some(file) = &pid_file
                    && let Err(error) = regular_file::write(file, &std::process::id().to_string())
                {
                    tracing::warn!(file = %file.display(), %error, "pid-file-not-written");
                }
                self.await_bus(&running).await;
                tracing::info!("gorouter.started");
                self.obey(running).await;
                pid_file.map(std::fs::remove_file);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let config = &*self.file;
                tracing::error!(%error, cause, config, "gorouter.not-started");
                self.failed.store(true, Relaxed);
            }
        }
        self.over.send_replace(true);
    }

    fn name(&self) -> &'static str {
        "router"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

impl RouterService {
    /// Waits for a moment, so that the log tells of the bus first where it is there.
    async fn await_bus(&mut self, running: &Running) {
        tokio::select! {
            () = running.shared().health.bus_known() => {}
            () = tokio::time::sleep(BUS) => {}
            _ = self.ordered.wait_for(|order| *order > Order::Serve) => {}
        }
    }

    /// Serves until an order to end comes, and carries it out. A later order cuts an earlier short.
    async fn obey(&mut self, running: Running) {
        let mut order = self.next_order(&running, Order::Serve).await;
        if order == Order::Drain {
            order = tokio::select! {
                _ = running.drain() => Order::Now,
                later = self.next_order(&running, Order::Drain) => later,
            };
        }
        if order == Order::Stop {
            let mut ordered = self.ordered.clone();
            tokio::select! {
                () = running.stop(STOP) => {}
                _ = ordered.wait_for(|order| *order == Order::Now) => {}
            }
        } else {
            running.stop(Duration::ZERO).await;
        }
    }

    async fn next_order(&mut self, running: &Running, after: Order) -> Order {
        loop {
            tokio::select! {
                order = self.ordered.wait_for(|order| *order > after) => {
                    return order.map_or(Order::Now, |order| *order);
                }
                Ok(()) = self.reopened.changed() => running.reopen_log(),
            }
        }
    }
}

/// Turns signals into orders, and tells pingora when the router is over.
struct Signals {
    orders: watch::Sender<Order>,
    reopen: watch::Sender<()>,
    is_over: watch::Receiver<bool>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut is_over = self.is_over.clone();
        tokio::select! {
            result = self.listen() => if let Err(error) = result {
                tracing::error!(%error, "signals-not-available");
            },
            _ = is_over.wait_for(|over| *over) => {}
        }
        // The router has ended, or cannot be told to: nothing is left for pingora to wait for.
        ShutdownSignal::FastShutdown
    }
}

impl Signals {
    async fn listen(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut drain = signal(SignalKind::user_defined1())?;
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => {
                    let again = *self.orders.borrow() >= Order::Stop;
                    self.order("SIGTERM", if again { Order::Now } else { Order::Stop });
                }
                Some(()) = interrupt.recv() => self.order("SIGINT", Order::Now),
                Some(()) = drain.recv() => self.order("SIGUSR1", Order::Drain),
                Some(()) = hangup.recv() => self.reopen.send_modify(|()| {}),
            }
        }
    }

    fn order(&self, signal: &'static str, order: Order) {
        let later = self.orders.send_if_modified(|now| {
            let later = order > *now;
            if later {
                *now = order;
            }
            later
        });
        if !later {
            tracing::info!(signal, "gorouter.signal.ignored");
        }
    }
}

//! The router as a program: how it starts, follows orders, and ends.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory as _;
use component::config_file::{self, Depth};
use component::error_chain::error_chain;
use component::orders::{Order, Orders, Request};
use component::pid_file::PidFile;
use component::program::{Program, Started};
use component::telemetry;
use protocol::router::Reloaded;

use crate::admin::Refused;
use crate::cli::args::Args;
use crate::config::Config;
use crate::process::server::{Router, Running};

/// How long a stopped router lets requests finish.
const STOP: Duration = Duration::from_secs(5);

/// How long the bus may take until the router says that it has started. It serves meanwhile, and goes
/// on without the bus if that takes longer.
const BUS: Duration = Duration::from_secs(1);

/// The router program.
#[derive(Debug)]
pub struct RouterProgram;

impl Program for RouterProgram {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            level: config.logging.level,
            output: config.logging.output,
            lines: config.logging.lines,
            timestamp: config.logging.timestamp,
            source: "gorouter",
            talkative: &[],
        }
    }

    async fn serve(started: Started<Config>, mut orders: Orders) -> Result<(), Box<dyn Error>> {
        let pid_file = started.config.process.pid_file.clone();
        let running = Router::start(started.config, started.log_level).await?;
        for address in running.addresses() {
            tracing::info!(%address, "listening");
        }
        if let Some(address) = running.admin_address() {
            tracing::info!(%address, "admin-listening");
        }
        if let Some(address) = running.status_address() {
            tracing::info!(%address, "status-listening");
        }
        let _pid_file = pid_file.map(PidFile::write);
        await_bus(&running, &mut orders).await;
        tracing::info!("gorouter.started");
        follow(running, &started.file, orders).await;
        Ok(())
    }

    fn ignored(signal: &'static str) {
        tracing::info!(signal, "gorouter.signal.ignored");
    }

    fn not_started(file: &Path, error: &(dyn Error + 'static)) {
        let cause = error.source().map(ToString::to_string);
        tracing::error!(%error, cause, config = %file.display(), "gorouter.not-started");
    }
}

/// Waits for a moment, so that the log tells of the bus first where it is there.
async fn await_bus(running: &Running, orders: &mut Orders) {
    tokio::select! {
        () = running.shared().health.bus_known() => {}
        () = tokio::time::sleep(BUS) => {}
        _ = orders.at_least(Order::Drain) => {}
    }
}

/// Serves until an order to end comes, and carries it out. A later order cuts an earlier short.
async fn follow(running: Running, file: &Path, mut orders: Orders) {
    let mut order = serve_until_later(&running, file, &mut orders, Order::Serve).await;
    if order == Order::Drain {
        order = tokio::select! {
            _ = running.drain() => Order::Now,
            later = serve_until_later(&running, file, &mut orders, Order::Drain) => later,
        };
    }
    if order == Order::Stop {
        tokio::select! {
            () = running.stop(STOP) => {}
            _ = orders.at_least(Order::Now) => {}
        }
    } else {
        running.stop(Duration::ZERO).await;
    }
}

/// Does what is asked while the router serves. Returns the first order after `current`.
async fn serve_until_later(
    running: &Running,
    file: &Path,
    orders: &mut Orders,
    current: Order,
) -> Order {
    loop {
        tokio::select! {
            request = orders.next(current) => match request {
                Request::Follow(order) => return order,
                Request::Reload => drop(reload(running, file).await),
                Request::ReopenLogs => running.reopen_log(),
            },
            Some(answer) = running.reload_asked() => {
                // Who asked may have gone.
                answer.send(reload(running, file).await).ok();
            }
        }
    }
}

/// Reads the configuration again. It is in force, as far as no restart is needed for it, or refused
/// whole; the log tells which.
async fn reload(running: &Running, file: &Path) -> Result<Reloaded, Refused> {
    let path = file.to_owned();
    let read = move || config_file::check::<Config>(&path, Depth::Start);
    let checked = match tokio::task::spawn_blocking(read).await {
        Ok(checked) => checked.map_err(|error| error_chain(&error)),
        Err(error) => Err(error.to_string()),
    };
    let changed = checked.and_then(|checked| {
        for warning in &checked.warnings {
            tracing::warn!(reason = %warning, "configuration-remark");
        }
        running
            .change(&checked.config)
            .map_err(|error| error_chain(&error))
    });
    match changed {
        Ok(changes) => {
            let (applied, restart) = (changes.applied.join(" "), changes.needs_restart.join(" "));
            tracing::info!(applied, needs_restart = restart, "configuration-reloaded");
            Ok(changes)
        }
        Err(faults) => {
            let faults: Refused = faults.lines().map(str::to_owned).collect();
            for reason in &faults {
                tracing::error!(reason, "configuration-refused");
            }
            Err(faults)
        }
    }
}

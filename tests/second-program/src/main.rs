//! A program that counts seconds. It shows what `component` and `bus` give to every program: a
//! configuration, a log, an admin listener with figures, a place on the bus, and an orderly end.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bus::Bus;
use clap::{CommandFactory as _, Parser};
use component::admin::{Auth, basics, serve_listener};
use component::announce::{Identity, announce};
use component::bus_config::{BusConfig, BusKey};
use component::config_file::{ConfigFile, Depth};
use component::error_chain::error_chain;
use component::exposition::Exposition;
use component::orders::{Order, Orders};
use component::program::{self, Common, Program, Started, VERSION};
use component::tasks::Tasks;
use component::telemetry;
use component::yaml::Keys;
use tokio::net::TcpListener;

/// Messages that wait on the bus.
const DELIVERIES: usize = 64;

/// How long the tasks may take to end.
const END: Duration = Duration::from_secs(1);

/// Counts seconds, and tells how many.
#[derive(Debug, Parser)]
#[command(name = "second-program", version = VERSION, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug)]
struct Config {
    admin: SocketAddr,
    step: Duration,
    bus: Option<BusConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admin: (Ipv4Addr::LOCALHOST, 8090).into(),
            step: Duration::from_secs(1),
            bus: Some(BusConfig::default()),
        }
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str = "# The configuration of a program that counts seconds.\n";

    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("admin", "Where it can be asked.", &mut self.admin);
        keys.key("step", "How long one of its seconds is.", &mut self.step);
        if self.step.is_zero() {
            keys.fault("step", "must be more than 0s");
        }
        keys.key(
            "nats",
            "The message bus; off: none.",
            &mut BusKey(&mut self.bus),
        );
    }

    fn examine(&self, file: &str, _depth: Depth, faults: &mut Vec<String>) -> String {
        let options = self
            .bus
            .as_ref()
            .map(|bus| bus.options("second", DELIVERIES));
        if let Some(Err(error)) = options.map(|options| Bus::check(&options)) {
            faults.push(format!("{file}: {}", error_chain(&error)));
        }
        format!("a second of {:?}", self.step)
    }
}

#[derive(Debug)]
struct SecondProgram;

impl Program for SecondProgram {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(_config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            source: "second-program",
            ..telemetry::Settings::default()
        }
    }

    async fn serve(started: Started<Config>, mut orders: Orders) -> Result<(), Box<dyn Error>> {
        let Config { admin, step, bus } = started.config;
        let listener = TcpListener::bind(admin).await?;
        let address = listener.local_addr()?;
        tracing::info!(%address, "admin-listening");
        let count = Arc::new(AtomicU64::new(0));
        let figures = {
            let count = Arc::clone(&count);
            move || {
                let mut out = Exposition::default();
                out.counter("seconds_total", "Seconds counted.", count.load(Relaxed));
                out.into_text()
            }
        };
        let auth = Arc::new(Auth::new(None));
        let app = basics(auth, Arc::new(|| None), started.log_level, figures);
        let mut tasks = Tasks::new();
        tasks.spawn("admin", serve_listener(listener, app));
        tasks.spawn("count", async move {
            loop {
                tokio::time::sleep(step).await;
                count.fetch_add(1, Relaxed);
            }
        });
        if let Some(bus) = bus {
            let bus = Bus::connect(&bus.options("second", DELIVERIES))?;
            let identity = Identity::new("Second", 0, fastrand::u128(..), address, None);
            tasks.spawn("announce", async move {
                if let Err(error) = announce(&bus, &identity).await {
                    tracing::error!(%error, "announce-ended");
                }
            });
        }
        tokio::select! {
            order = orders.at_least(Order::Drain) => tracing::info!(?order, "stopping"),
            ended = tasks.next() => tracing::error!(?ended, "task-ended"),
        }
        tasks.shutdown(END).await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn main() -> ExitCode {
    program::main::<SecondProgram>(&Args::parse().common)
}

//! The health manager.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use component::orders::Orders;
use component::program::{self, Common, Program, Started, VERSION};
use component::telemetry;
use health_manager::config::Config;
use health_manager::server;

/// Watches over instances: asks controllers to start what is missing and to stop what is too much.
#[derive(Debug, Parser)]
#[command(name = "health-manager", version = VERSION, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug)]
struct HealthManager;

impl Program for HealthManager {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(_config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            source: "health-manager",
            ..telemetry::Settings::default()
        }
    }

    async fn serve(started: Started<Config>, orders: Orders) -> Result<(), Box<dyn Error>> {
        server::serve(started, orders).await
    }
}

fn main() -> ExitCode {
    program::main::<HealthManager>(&Args::parse().common)
}

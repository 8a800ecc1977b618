//! The agent that stages and runs apps in containers.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use component::orders::Orders;
use component::program::{self, Common, Program, Started, VERSION};
use component::telemetry;
use dea::config::Config;
use dea::server;

/// Stages and runs apps in containers.
///
/// SIGTERM ends it and leaves containers running; it takes them over when it starts again. SIGUSR1
/// empties the node first.
#[derive(Debug, Parser)]
#[command(name = "dea", version = VERSION, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug)]
struct Dea;

impl Program for Dea {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(_config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            source: "dea",
            ..telemetry::Settings::default()
        }
    }

    async fn serve(started: Started<Config>, orders: Orders) -> Result<(), Box<dyn Error>> {
        server::serve(started, orders).await
    }
}

fn main() -> ExitCode {
    program::main::<Dea>(&Args::parse().common)
}

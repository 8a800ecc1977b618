//! The controller.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use component::orders::Orders;
use component::program::{self, Common, Program, Started, VERSION};
use component::telemetry;
use controller::config::Config;
use controller::server;

/// Answers the Cloud Foundry API, gives out tokens, and sends apps to DEAs.
#[derive(Debug, Parser)]
#[command(name = "controller", version = VERSION, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug)]
struct Controller;

impl Program for Controller {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(_config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            source: "controller",
            ..telemetry::Settings::default()
        }
    }

    async fn serve(started: Started<Config>, orders: Orders) -> Result<(), Box<dyn Error>> {
        server::serve(started, orders).await
    }
}

fn main() -> ExitCode {
    program::main::<Controller>(&Args::parse().common)
}

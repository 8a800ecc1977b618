//! The kato program.

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};
use component::orders::Orders;
use component::program::{self, Common, Program, Started, VERSION};
use component::telemetry;
use kato::commands::{self, Verb};
use kato::config::Config;
use kato::node;

/// Starts and supervises what one node runs.
#[derive(Debug, Parser)]
#[command(name = "kato", version = VERSION, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// Leaves the terminal that it was started from.
    #[arg(long, hide = true)]
    detached: bool,
    /// What to do instead of running the node in the foreground.
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug)]
struct Kato;

impl Program for Kato {
    type Config = Config;

    fn command_line() -> clap::Command {
        Args::command()
    }

    fn log(_config: &Config) -> telemetry::Settings {
        telemetry::Settings {
            source: "kato",
            ..telemetry::Settings::default()
        }
    }

    async fn serve(started: Started<Config>, orders: Orders) -> Result<(), Box<dyn Error>> {
        node::run(started.config, orders).await
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(verb) = &args.verb else {
        if args.detached {
            // One that leads a session already has left its terminal.
            rustix::process::setsid().map(drop).unwrap_or_default();
        }
        return program::main::<Kato>(&args.common);
    };
    commands::run(verb, args.common.config.as_deref()).unwrap_or_else(|error| {
        program::complain(&*error);
        ExitCode::FAILURE
    })
}

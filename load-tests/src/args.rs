//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::scenario::Set;

/// Drives the router and its peers in turn within one run and reports how they compare.
#[derive(Debug, Parser)]
#[command(name = "load-tests")]
pub struct Args {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Other uses of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve as the backend of a run.
    Backend {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// What to run and where the report goes.
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// The headline scenarios, in under five minutes (the default).
    #[arg(long, group = "set")]
    pub short: bool,
    /// Every scenario, driven for longer.
    #[arg(long, group = "set")]
    pub full: bool,
    /// Every part once, in about a minute: shows that the load tests work.
    #[arg(long, group = "set")]
    pub smoke: bool,
    /// Only the scenarios with this in their name; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// List all scenarios with the sets that run them and the programs that they need, and end.
    #[arg(long)]
    pub list: bool,
    /// List the programs that the chosen scenarios need, and end.
    #[arg(long)]
    pub needs: bool,
    /// Drive this server instead of the router and its peers: `http://host:port/path`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["set", "only", "publish"])]
    pub url: Option<String>,
    /// What drives the URL.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The router's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/router")]
    pub router: PathBuf,
    /// Also write latest.md and latest.svg, and the table into the README.
    #[arg(long)]
    pub publish: bool,
    /// Where the scenarios are.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"))]
    pub scenarios: PathBuf,
    /// Where reports are written, each in a directory named for its time.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/reports"))]
    pub reports: PathBuf,
}

/// How a server of the user's own is driven.
#[derive(Clone, Debug, ClapArgs)]
pub struct OwnArgs {
    /// The Host that is asked for, if it is not the URL's.
    #[arg(long, value_name = "NAME", requires = "url")]
    pub host: Option<String>,
    /// Client connections.
    #[arg(long, value_name = "N", default_value_t = 64, requires = "url")]
    pub connections: usize,
    /// Seconds of each of three repeats.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "url")]
    pub seconds: u32,
    /// Requests a second, sent at that rate whatever becomes of them; without it each connection
    /// sends its next request when the last one is answered.
    #[arg(long, value_name = "N", requires = "url")]
    pub rate: Option<u32>,
}

impl RunArgs {
    /// The set that was asked for.
    #[must_use]
    pub fn set(&self) -> Set {
        match (self.smoke, self.full) {
            (true, _) => Set::Smoke,
            (_, true) => Set::Full,
            _ => Set::Short,
        }
    }
}

//! The command line against a running router: `router routes`, `explain`, `top`, `connections`,
//! `reload`, `log-level`.

pub mod args;
mod connections;
mod explain;
mod log_level;
mod reload;
mod routes;
mod top;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Subcommand;
use component::admin_client::{AdminClient, AdminError};
use component::error_chain::error_chain;
use component::telemetry::Level;

use crate::config::AdminConfig;

/// What a running router can be asked.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the routes it serves.
    Routes {
        /// Only this host's; with a leading `.`, those of all hosts that end so.
        #[arg(long)]
        host: Option<String>,
        /// As the router's own JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show where a request would go, and why. Fails when it would go nowhere.
    Explain {
        /// `https://host/path`, or without the scheme.
        url: String,
        /// A header of the request, `Name: value`.
        #[arg(long)]
        header: Vec<String>,
        /// As the router's own JSON.
        #[arg(long)]
        json: bool,
    },
    /// Follow its traffic, refreshed every second; `q` ends it.
    Top,
    /// List the connections of its clients.
    Connections {
        /// How many of each worker, at most.
        #[arg(long, default_value_t = 200)]
        limit: usize,
        /// As the router's own JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have it read its configuration again, and tell what changed and what needs a restart. Fails when
    /// the configuration is refused; then nothing changes.
    Reload,
    /// Show or change the level of its log.
    LogLevel {
        /// error, warn, info, debug or trace.
        level: Option<Level>,
    },
}

/// Exit code when the router answered and the answer is no.
const NO: u8 = 1;
/// Exit code when the router could not be asked.
const UNREACHABLE: u8 = 3;

/// Asks the router whose admin listener is described by `config`, and prints the answer. The exit
/// code is 0, 1 when the router says no, or 3 when it cannot be reached.
///
/// # Errors
/// When this process cannot start at all.
pub fn run(command: &Command, config: &AdminConfig) -> io::Result<ExitCode> {
    let client = AdminClient::new(
        "router",
        reachable(config.address),
        config.credentials.as_ref(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(ask(command, &client, &mut io::stdout().lock())) {
        Ok(code) => Ok(code),
        // Who read the output has seen enough.
        Err(AdminError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let code = if error.is_unreachable() {
                UNREACHABLE
            } else {
                NO
            };
            writeln!(io::stderr(), "router: {}", error_chain(&error))?;
            Ok(ExitCode::from(code))
        }
    }
}

async fn ask(
    command: &Command,
    client: &AdminClient,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    match command {
        Command::Routes { host, json } => routes::show(client, host.as_deref(), *json, out).await,
        Command::Explain { url, header, json } => {
            explain::show(client, url, header, *json, out).await
        }
        Command::Top => top::show(client, out).await,
        Command::Connections { limit, json } => connections::show(client, *limit, *json, out).await,
        Command::Reload => reload::ask(client, out).await,
        Command::LogLevel { level } => log_level::show(client, *level, out).await,
    }
}

/// A listener on every address is reached on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests;

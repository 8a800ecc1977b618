//! The router of this repository, with its defaults: every header rule and metric on.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use tests_kit::free_address;

use super::Wiring;
use crate::site::{HOST, Site};

/// The command that runs it with one static route, as the peers are run.
pub(super) fn command(site: &Site, wiring: &Wiring) -> Result<Command> {
    let Wiring {
        listen,
        backend,
        access_log,
        ..
    } = wiring;
    let admin = free_address().port();
    let mut config = format!(
        "listeners: [{{address: \"{listen}\"}}]
workers: 1
status: {{port: off, routes: {{port: {admin}}}}}
routes:
  - uris: [{HOST}]
    backends: [{{address: \"{backend}\"}}]
"
    );
    if *access_log {
        let file = site.path("router-access.log");
        config.push_str(&format!("access_log: {{file: {}}}\n", file.display()));
    }
    run(site, "router.yml", &config)
}

/// The command that runs it with its routes from the bus and from a snapshot.
///
/// # Errors
/// When the configuration cannot be written.
pub fn on_bus(
    site: &Site,
    listen: SocketAddr,
    admin: SocketAddr,
    bus: SocketAddr,
) -> Result<Command> {
    let admin = admin.port();
    let config = format!(
        "listeners: [{{address: \"{listen}\"}}]
workers: 1
status: {{port: off, routes: {{port: {admin}}}}}
nats: {{hosts: [{{hostname: {}, port: {}}}]}}
snapshot_file: {}
",
        bus.ip(),
        bus.port(),
        site.path("routes.snapshot").display(),
    );
    run(site, "router-on-bus.yml", &config)
}

fn run(site: &Site, name: &str, config: &str) -> Result<Command> {
    let path = site.write(name, config)?;
    let mut command = Command::new(&site.router);
    command.arg("-c").arg(path);
    Ok(command)
}

//! Caddy with one processor, keep-alive to the backend, no administration endpoint.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::Wiring;
use crate::site::{HOST, Site, find_program};

/// The command that runs it in the foreground.
pub(super) fn command(site: &Site, wiring: &Wiring) -> Result<Command> {
    let path = site.write("Caddyfile", &config(site, wiring))?;
    let mut command = Command::new(find_program("caddy").context("caddy is not installed")?);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(path);
    // Its state goes into the run's directory, and its threads are as many as our workers.
    command
        .env("GOMAXPROCS", "1")
        .env("XDG_DATA_HOME", site.path("caddy"));
    command.env("XDG_CONFIG_HOME", site.path("caddy"));
    Ok(command)
}

fn config(site: &Site, wiring: &Wiring) -> String {
    let Wiring {
        listen,
        backend,
        access_log,
        ..
    } = wiring;
    let log = if *access_log {
        format!(
            "log {{\n        output file {}\n    }}",
            site.path("caddy-access.log").display()
        )
    } else {
        String::new()
    };
    format!(
        "{{
    admin off
    auto_https off
}}
http://{HOST}:{port} {{
    bind {ip}
    {log}
    reverse_proxy {backend} {{
        header_up X-Request-Start {{time.now.unix_ms}}
        header_up X-Vcap-Request-Id {{http.request.uuid}}
        transport http {{
            keepalive 300s
            keepalive_idle_conns_per_host 1024
        }}
    }}
}}
",
        ip = listen.ip(),
        port = listen.port(),
    )
}

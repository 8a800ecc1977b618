//! HAProxy as its manual advises: connections to the backend always reused, bodies spliced.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::Wiring;
use crate::site::{HOST, Site, find_program};

/// The command that runs it in the foreground.
pub(super) fn command(site: &Site, wiring: &Wiring) -> Result<Command> {
    let path = site.write("haproxy.cfg", &config(wiring))?;
    let mut command = Command::new(find_program("haproxy").context("haproxy is not installed")?);
    command.arg("-db").arg("-f").arg(path);
    Ok(command)
}

fn config(wiring: &Wiring) -> String {
    let Wiring {
        listen,
        backend,
        access_log,
        clients,
    } = wiring;
    // Standard error goes to a file of the run.
    let (sink, log) = if *access_log {
        (
            "log stderr format raw local0",
            "log global\n    option httplog",
        )
    } else {
        ("", "")
    };
    format!(
        "global
    nbthread 1
    maxconn {clients}
    no strict-limits
    {sink}

defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    option splice-request
    option splice-response
    http-reuse always
    {log}

frontend edge
    bind {listen} backlog 4096
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Request-Start %[date]%ms
    http-request set-header X-Vcap-Request-Id %[uuid()]
    http-request deny deny_status 404 unless {{ req.hdr(host) -i {HOST} }}
    default_backend app

backend app
    server one {backend} pool-max-conn -1
"
    )
}

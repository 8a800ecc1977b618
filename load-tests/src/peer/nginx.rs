//! nginx as its manual advises for a proxy: keep-alive to the backend, buffered log.

use std::process::Command;

use anyhow::{Context as _, Result};

use super::Wiring;
use crate::site::{HOST, Site, find_program};

/// The command that runs it in the foreground, as one process.
pub(super) fn command(site: &Site, wiring: &Wiring) -> Result<Command> {
    let path = site.write("nginx.conf", &config(site, wiring))?;
    let mut command = Command::new(find_program("nginx").context("nginx is not installed")?);
    command.arg("-p").arg(site.path("")).arg("-c").arg(path);
    Ok(command)
}

fn config(site: &Site, wiring: &Wiring) -> String {
    let Wiring {
        listen,
        backend,
        access_log,
        clients,
    } = wiring;
    let scratch = site.path("nginx");
    let scratch = scratch.display();
    let log = if *access_log {
        format!(
            "access_log {} combined buffer=64k flush=1s",
            site.path("nginx-access.log").display()
        )
    } else {
        "access_log off".to_owned()
    };
    format!(
        "daemon off;
master_process off;
pid {scratch}.pid;
error_log stderr warn;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {clients}; multi_accept on; }}
http {{
    {log};
    client_body_temp_path {scratch}-body;
    proxy_temp_path {scratch}-proxy;
    fastcgi_temp_path {scratch}-fastcgi; uwsgi_temp_path {scratch}-uwsgi; scgi_temp_path {scratch}-scgi;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    tcp_nodelay on;
    upstream app {{
        server {backend};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{ listen {listen} default_server backlog=4096; return 404; }}
    server {{
        listen {listen};
        server_name {HOST};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-Start $msec;
            proxy_set_header X-Vcap-Request-Id $request_id;
        }}
    }}
}}
",
        descriptors = site.descriptors,
    )
}

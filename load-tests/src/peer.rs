//! The proxies that are compared: each configured as its manual advises for this work, with one
//! worker, keep-alive to both sides, one route by host, and the same headers added.

mod caddy;
mod haproxy;
mod nginx;
pub mod router;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tests_kit::free_address;

use crate::server::Server;
use crate::site::{Site, find_program};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// This repository's router.
    Router,
    /// HAProxy, of the system's packages.
    Haproxy,
    /// nginx, of the system's packages.
    Nginx,
    /// Caddy, where it is installed.
    Caddy,
    /// No proxy: the load goes to the backend.
    Direct,
}

impl Kind {
    /// Everyone, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Router,
        Self::Haproxy,
        Self::Nginx,
        Self::Caddy,
        Self::Direct,
    ];

    /// Name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Router => "Switchyard",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Direct => "no proxy",
        }
    }

    /// Whether its program is on this machine.
    #[must_use]
    pub fn found(self, router: &Path) -> bool {
        match self {
            Self::Router => router.is_file(),
            Self::Haproxy => find_program("haproxy").is_some(),
            Self::Nginx => find_program("nginx").is_some(),
            Self::Caddy => find_program("caddy").is_some(),
            Self::Direct => true,
        }
    }

    /// Its name with the first line of what the program says of its version; none when it is not
    /// there.
    #[must_use]
    pub fn version(self) -> Option<String> {
        let (program, flag) = match self {
            Self::Haproxy => ("haproxy", "-v"),
            Self::Nginx => ("nginx", "-v"),
            Self::Caddy => ("caddy", "version"),
            Self::Router | Self::Direct => return None,
        };
        let output = Command::new(find_program(program)?)
            .arg(flag)
            .output()
            .ok()?;
        // nginx tells its version on standard error.
        let text = if output.stdout.is_empty() {
            output.stderr
        } else {
            output.stdout
        };
        let text = String::from_utf8_lossy(&text);
        // "HAProxy version 2.6.12 2026/10/17 - https://…", "nginx version: nginx/1.22.1", "2.6.2".
        let number = text
            .split_whitespace()
            .find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
        let number = number.trim_start_matches("nginx/");
        Some(format!("{} {number}", self.label()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What a peer's configuration depends on.
#[derive(Debug, Clone, Copy)]
struct Wiring {
    listen: SocketAddr,
    backend: SocketAddr,
    access_log: bool,
    /// Client connections to be ready for.
    clients: usize,
}

/// A peer that serves.
#[derive(Debug)]
pub struct Peer {
    /// Which one.
    pub kind: Kind,
    /// Where the load goes.
    pub address: SocketAddr,
    server: Option<Server>,
}

impl Peer {
    /// Starts a peer on the proxy's CPU and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(kind: Kind, site: &Site, access_log: bool) -> Result<Self> {
        let wiring = Wiring {
            listen: free_address(),
            backend: site.backend,
            access_log,
            clients: site.descriptors.saturating_sub(200).min(20_000),
        };
        let command = match kind {
            Kind::Router => router::command(site, &wiring)?,
            Kind::Haproxy => haproxy::command(site, &wiring)?,
            Kind::Nginx => nginx::command(site, &wiring)?,
            Kind::Caddy => caddy::command(site, &wiring)?,
            Kind::Direct => {
                return Ok(Self {
                    kind,
                    address: site.backend,
                    server: None,
                });
            }
        };
        let log = site.path(&format!("{kind:?}.log").to_lowercase());
        let mut server = Server::spawn(kind.label(), command, site.cores.proxy, &log)?;
        server.accepts(wiring.listen, &log).await?;
        Ok(Self {
            kind,
            address: wiring.listen,
            server: Some(server),
        })
    }

    /// CPU time so far; none without a proxy.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Option<Duration>> {
        self.server.as_ref().map(Server::cpu).transpose()
    }

    /// Memory now in bytes; none without a proxy.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> Result<Option<u64>> {
        self.server.as_ref().map(Server::memory).transpose()
    }

    /// Ends the process, if there is one.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(self) -> Result<()> {
        match self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}

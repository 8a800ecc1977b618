//! The answer of `GET /connections`: who is connected, and what for.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The whole answer. It is bounded; `open` tells how many there really are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// Open connections of each worker.
    pub open: Vec<u64>,
    /// Workers that were too busy to list theirs.
    pub silent_workers: usize,
    /// Some of the connections, all when they are few.
    pub connections: Vec<Connection>,
}

/// One client connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The worker that holds it.
    pub worker: usize,
    /// The other end; none on a unix socket.
    pub peer: Option<SocketAddr>,
    /// What it is doing.
    pub state: ConnectionState,
    /// How long it has been open, in milliseconds.
    pub age_ms: u64,
    /// Requests begun on it.
    pub requests: u32,
    /// The host of its last request, possibly cut; empty before the first.
    pub host: String,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// Between requests, or before the first.
    #[default]
    Idle,
    /// In an exchange.
    Exchange,
    /// Upgraded: bytes flow both ways.
    Tunnel,
}

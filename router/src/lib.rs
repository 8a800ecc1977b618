//! The edge router: listeners, data path, registrar, admin endpoint.

pub mod access_log;
pub mod admin;
pub mod args;
pub mod changes;
pub mod client;
pub mod clock;
pub mod config;
pub mod connections;
pub mod health;
pub mod metrics;
pub mod registrar;
pub mod resolver;
pub mod shared;
pub mod watch;

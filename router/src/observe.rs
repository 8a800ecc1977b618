//! What is counted, written down and shown of the traffic, and whether the router wants more.

pub mod access_log;
pub mod health;
pub mod metrics;
pub mod watch;

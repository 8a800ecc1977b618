//! How a registry behaves.

use std::time::Duration;

use crate::balance::Balance;

/// How a registry behaves.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// How endpoints are chosen where a route does not say.
    pub balance: Balance,
    /// Whether nothing lapses while the bus is away.
    pub suspend_pruning: bool,
    /// How long a route without endpoints is kept, to be answered with 503 and not 404; zero to
    /// forget it at once.
    pub empty_pool_timeout: Duration,
    /// How long a TLS endpoint holds without renewal; `None` for ever, since its identity is proved
    /// with every connection.
    pub tls_threshold: Option<Duration>,
    /// Spreads the first turns, so that routers started together do not march in step.
    pub seed: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            balance: Balance::RoundRobin,
            suspend_pruning: true,
            empty_pool_timeout: Duration::ZERO,
            tls_threshold: None,
            seed: 0,
        }
    }
}

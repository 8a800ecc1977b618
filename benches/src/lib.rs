//! What the benches and the gates have in common: a fleet of routes, and requests to be served.

pub mod fleet;
pub mod gate;
pub mod traffic;

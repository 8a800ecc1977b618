//! The edge router: listeners, data path, registrar, admin endpoint.
//!
//! Each module is a room of the house; ARCHITECTURE.md says which may look into which.
#![cfg_attr(
    test,
    expect(
        clippy::duplicate_mod,
        reason = "loom's model of the writer's epoch compiles it with other atomics"
    )
)]

pub mod admin;
pub mod cli;
pub mod config;
pub mod edge;
mod exchange;
pub mod io;
pub mod observe;
pub mod process;
pub mod routes;
pub mod upstream;
pub mod worker;

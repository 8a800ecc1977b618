//! Fixtures that know the router: one in this process, one in a process of its own, drains of two
//! behind a load balancer, hostile peers.
//!
//! As in `tests-kit`, everything blocks, and a fixture that cannot be had panics.
#![expect(
    clippy::expect_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

pub mod drains;
pub mod hostile;
pub mod logged;
pub mod process;
pub mod registrar;
pub mod router;

pub use logged::Logged;
pub use process::{RouterProcess, RouterProgram};
pub use registrar::{FakeRegistrar, Registrar};
pub use router::{RouterBuilder, TestRouter};

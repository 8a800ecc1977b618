//! Fakes and fixtures: backends, clients, a fault proxy, programs and servers of others.
//!
//! Everything here is blocking and runs on threads of its own, so that a test reads from top to
//! bottom and so that nothing that is tested can hold up the test that watches it.
//! Every wait has a deadline ([`PATIENCE`] unless the test says otherwise), every socket is on
//! port 0 of the loopback, and every fake stops when it is dropped.
//!
//! A fixture that cannot be had panics: the test that asked for it has failed.
#![expect(
    clippy::expect_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

pub mod backend;
pub mod bytes;
pub mod client;
pub mod engine;
pub mod eventually;
pub mod fault_proxy;
pub mod free_address;
pub mod gate;
pub mod haproxy;
pub mod installed;
pub mod load;
pub mod nats;
pub mod process;
pub mod small_disk;
pub mod tape;
pub mod temp_dir;
pub mod wire;

pub use backend::{Backend, Conversation, script};
pub use client::{Client, Response};
pub use engine::Engine;
pub use eventually::eventually;
pub use fault_proxy::{Fault, FaultProxy};
pub use free_address::free_address;
pub use gate::Gate;
pub use haproxy::HaproxyProgram;
pub use installed::installed;
pub use load::Load;
pub use nats::{Behaviour, FakeNats, NatsClient, NatsProgram, NatsServer};
pub use process::{Process, Program};
pub use small_disk::SmallDisk;
pub use temp_dir::TempDir;
pub use wire::{End, Head};

/// How long any wait lasts before the test has failed: far more than anything takes on a loaded
/// machine, far less than a test runner's patience.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

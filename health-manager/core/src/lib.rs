//! From what shall run and what runs to repairs. Pure: it is told what time it is.
//!
//! [`Planner`] is told all that is heard, and asked from time to time what to repair. It acts on nothing
//! stale: neither before it knows what shall run and what does, nor while the bus is away.
#![forbid(unsafe_code)]

mod actual;
mod crashes;
mod desired;
mod planner;
pub mod policy;
mod repair;

pub use planner::{Planner, Wait};
pub use repair::Repair;

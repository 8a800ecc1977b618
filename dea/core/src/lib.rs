//! The rules of the agent that runs apps. Pure: time, bytes and chance are arguments.
#![forbid(unsafe_code)]

pub mod effect;
pub mod environment;
pub mod filter;
pub mod input;
pub mod instance;
pub mod ledger;
pub mod output;
pub mod ports;
pub mod recent;
pub mod resources;
pub mod snapshot;

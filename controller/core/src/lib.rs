//! The rules of the controller. Pure: time, bytes and chance are arguments.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod buildpack;
pub mod claims;
pub mod environment;
pub mod fault;
pub mod manifest;
pub mod name;
pub mod output;
pub mod package;
pub mod page;
pub mod percent;
pub mod permission;
pub mod placement;
pub mod plan;
pub mod process;
pub mod query;
pub mod route;
pub mod signing;
pub mod size;
pub mod stats;

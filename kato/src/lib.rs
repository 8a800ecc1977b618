//! Starts and supervises what one node runs.
//!
//! [`supervise`] decides: states, order, readiness, back-off and ends, as inputs that lead to orders. All
//! else does what it says: [`node`] holds the processes, [`control`] hears the commands, [`init`] writes
//! the configuration of a node that runs the whole cloud.

pub mod commands;
pub mod config;
pub mod control;
pub mod identity;
pub mod init;
pub mod log_file;
pub mod node;
pub mod readiness;
pub mod records;
pub mod supervise;
pub mod users;

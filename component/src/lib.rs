//! What every program needs: its frame, its configuration, its log, its tasks.

pub mod address;
pub mod background;
pub mod config_file;
pub mod duration;
pub mod error_chain;
pub mod orders;
pub mod periodic;
pub mod pid_file;
pub mod program;
pub mod regular_file;
pub mod secret;
pub mod shutdown;
pub mod size;
pub mod tasks;
pub mod telemetry;
pub mod threads;
pub mod yaml;

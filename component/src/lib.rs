//! What every program needs: its frame, its configuration, its log, its admin listener, its tasks.

pub mod address;
pub mod admin;
pub mod admin_client;
pub mod announce;
pub mod atomic_file;
pub mod background;
pub mod bus_config;
pub mod config_file;
pub mod duration;
pub mod error_chain;
pub mod exposition;
mod manual;
pub mod orders;
pub mod periodic;
pub mod pid_file;
pub mod process_usage;
pub mod program;
pub mod regular_file;
pub mod secret;
pub mod shutdown;
pub mod size;
pub mod tasks;
pub mod telemetry;
pub mod text_table;
pub mod threads;
pub mod yaml;

pub use component_core::{calendar, hex, histogram, host_port, tick};

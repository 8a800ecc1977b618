//! What every process needs: configuration, telemetry, tasks.

pub mod address;
pub mod background;
pub mod duration;
pub mod periodic;
pub mod regular_file;
pub mod secret;
pub mod shutdown;
pub mod size;
pub mod tasks;
pub mod telemetry;
pub mod threads;
pub mod yaml;

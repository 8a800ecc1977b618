//! What every process needs: configuration, telemetry, tasks.

pub mod address;
pub mod duration;
pub mod network;
pub mod secret;
pub mod size;
pub mod telemetry;
pub mod yaml;

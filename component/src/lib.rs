//! What every process needs: configuration, telemetry, tasks.

pub mod telemetry;

//! What every process needs: configuration, telemetry, tasks.

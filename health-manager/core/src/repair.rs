//! What the planner wants to be done.

use std::collections::BTreeMap;

/// One thing to be done to one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Start what is missing.
    Start {
        /// The process.
        process: String,
        /// The version.
        version: String,
        /// Which of its instances.
        index: u32,
    },
    /// Stop what should not run.
    Stop {
        /// The process.
        process: String,
        /// Ids of instances, each with its version.
        instances: BTreeMap<String, String>,
    },
}

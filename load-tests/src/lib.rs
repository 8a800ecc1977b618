//! Load tests: the router and its peers side by side in one run.
//!
//! A scenario file says what is driven, what is measured and which limits hold. The program starts
//! every process itself, pins it, drives the peers in turn, reads CPU and memory from `/proc` and
//! writes a report. All traffic stays on loopback; all runs are bounded in time; only what was
//! started here is stopped, also when the run is interrupted.

pub mod args;
pub mod backend;
pub mod cores;
pub mod load;
pub mod machine;
pub mod measure;
pub mod nats;
pub mod outcome;
pub mod own;
pub mod peer;
pub mod progress;
pub mod quiet;
pub mod report;
pub mod rounds;
pub mod run;
pub mod scenario;
pub mod server;
pub mod site;
pub mod usage;

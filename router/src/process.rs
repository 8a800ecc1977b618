//! The process: its parts put together, its signals, its end.

pub mod frame;
pub mod server;

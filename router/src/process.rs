//! The process: its parts put together, its signals, its end.

pub mod frame;
mod listeners;
pub mod server;

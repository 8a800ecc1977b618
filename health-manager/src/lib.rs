//! Keeps as many instances running as shall run: hears what runs, asks what shall, and tells controllers
//! what to repair.
#![forbid(unsafe_code)]

pub mod config;
mod figures;
mod listener;
mod rounds;
pub mod server;

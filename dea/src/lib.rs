//! The agent that stages and runs apps in containers, as its `main` puts it together.
#![forbid(unsafe_code)]

pub mod agent;
pub mod config;
mod droplets;
mod effects;
pub mod fence;
mod figures;
mod health;
mod messages;
pub mod node;
pub mod output;
mod pieces;
mod reattach;
pub mod server;
mod snapshot_file;
pub mod staging;
pub mod usage;

//! The Cloud Foundry API, its token server, and the dispatch of apps to DEAs.
#![forbid(unsafe_code)]

pub mod api;
mod blobs;
mod bootstrap;
mod clock;
pub mod config;
mod dispatch;
mod figures;
mod listen;
mod output;
mod package_zip;
mod reseal;
pub mod server;
pub mod storage;
pub mod token_server;
pub mod vault;

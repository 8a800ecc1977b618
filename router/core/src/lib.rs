//! The rules of the edge router: pure, without I/O, clock or chance.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod balance;
mod byte_scan;
pub mod cidr;
pub mod coalesce;
pub mod decimal;
pub mod edits;
pub mod endpoint;
pub mod error_page;
pub mod explain;
pub mod failure;
pub mod field;
mod hash;
pub mod headers;
pub mod host;
pub mod http1;
pub mod instance;
pub mod interim;
pub mod listing;
pub mod own_listeners;
pub mod pool;
pub mod proxy_header;
pub mod rates;
pub mod registration;
pub mod registry;
pub mod retry;
pub mod route;
pub mod snapshot;
pub mod table;
pub mod trailer;

//! What cores share: time as an argument, distributions, addresses as they are written. Pure, so that a core may use it.
#![forbid(unsafe_code)]

pub mod calendar;
pub mod hex;
pub mod histogram;
pub mod host_port;
pub mod tick;

//! What cores share: time as an argument, and distributions. Pure, so that a core may use it.
#![forbid(unsafe_code)]

pub mod histogram;
pub mod tick;

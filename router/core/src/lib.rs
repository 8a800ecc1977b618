//! The rules of the edge router: pure, without I/O, clock or chance.
#![forbid(unsafe_code)]

pub mod cidr;
pub mod failure;
pub mod field;
pub mod headers;
pub mod http1;
pub mod instance;
pub mod retry;

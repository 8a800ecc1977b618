//! Sends what the cf CLI (version 8) sends, in its order, and decodes what it decodes, as strictly as it
//! does. What would crash or hang the CLI is an error here.
#![forbid(unsafe_code)]

pub mod commands;
mod decode;
pub mod fault;
mod http;
pub mod package;
pub mod resource;
pub mod session;

pub use decode::Claims;

//! The commands of the CLI, each with the requests that it sends.

mod apps;
mod logs;
mod push;
mod routes;
mod spaces;

pub use apps::{Summary, scale, start, stop};
pub use logs::{recent_logs, tail};
pub use push::{Push, Pushed};
pub use spaces::Target;

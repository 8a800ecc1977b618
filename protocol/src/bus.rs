//! The message bus: subjects that know their payload, and the payloads.

mod component;
pub mod dea;
pub mod health;
mod liberal;
pub mod output;
mod router;
pub mod staging;
mod subject;

pub use component::{Announcement, COMPONENT_ANNOUNCE, COMPONENT_DISCOVER, Discover};
pub use router::{
    Glimpse, Greet, ROUTER_GREET, ROUTER_PATTERN, ROUTER_REGISTER, ROUTER_START, ROUTER_UNREGISTER,
    Register, RouteOptions, RouterEvent, Start, Tags,
};
pub use subject::{DecodeError, Message, Subject, SubjectFamily, is_word};

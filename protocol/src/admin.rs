//! What the administrative endpoints answer with.

mod explain;
mod routes;

pub use explain::{Attempted, Chosen, EndpointReport, Explain, MatchedRoute};
pub use routes::RouteEntry;

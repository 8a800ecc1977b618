//! What the router's admin listener answers with.

mod connections;
mod explain;
mod reload;
mod routes;
mod varz;

pub use connections::{Connection, ConnectionState, Connections};
pub use explain::{Attempted, Chosen, EndpointReport, Explain, MatchedRoute};
pub use reload::Reloaded;
pub use routes::RouteEntry;
pub use varz::{AppRequests, ComponentVarz, Latency, Responses, Varz, VarzTags, Vitals};

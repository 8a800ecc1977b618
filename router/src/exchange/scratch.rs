//! What the exchanges of one runner use in turn beside their buffers.

use router_core::endpoint::EndpointId;
use router_core::http1::request::RequestParser;

/// The reusable state of one exchange.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The request's head.
    pub(super) request: RequestParser,
    /// `X-Forwarded-For` as it was sent, for the log.
    pub(super) forwarded_for: Vec<u8>,
    /// Endpoints that failed this request.
    pub(super) tried: Vec<EndpointId>,
}

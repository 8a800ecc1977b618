//! What one exchange needs beside its buffers: parsers, edits and lists, used over and over.

use router_core::endpoint::EndpointId;
use router_core::headers::Edits;
use router_core::http1::request::RequestParser;
use router_core::http1::response::ResponseParser;
use router_core::http1::write::HeadParts;

/// The reusable state of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The request's head.
    pub request: RequestParser,
    /// The response's head.
    pub response: ResponseParser,
    /// Edits of the head under way.
    pub edits: Edits,
    /// The head under way as it goes out.
    pub parts: HeadParts,
    /// `X-Forwarded-For` as it was sent, for the log.
    pub forwarded_for: Vec<u8>,
    /// Endpoints that failed this request.
    pub tried: Vec<EndpointId>,
}

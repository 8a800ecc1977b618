//! The response to a request, from when it is waited for to its last byte.

use std::io;
use std::sync::Arc;

use component::tick::Tick;
use router_core::endpoint::{Endpoint, InFlight};
use router_core::failure::{EndpointFault, Failure};
use router_core::http1::response::{ResponseHead, ResponseParser};
use router_core::retry::{Attempt, Reached};

use super::upload::{Stage, Upload};
use crate::io::buffers::Buffer;
use crate::io::clock::Moment;
use crate::io::socket::Socket;

/// A response on the connection that its request was sent on: [`Awaited`], then [`Begun`].
#[derive(Debug)]
pub(super) struct Response<State> {
    pub(super) socket: Socket,
    /// What was read of it, from the start of the head under way.
    pub(super) received: Option<Buffer>,
    /// The rest of the request's body.
    pub(super) upload: Upload,
    /// When the client is to be told to send its body, if it waits for that.
    pub(super) continue_due: Option<Tick>,
    /// Whether the connection may serve again, as far as the request goes.
    pub(super) keep: bool,
    /// When the attempt began.
    pub(super) began: Moment,
    /// When the request was sent, but for a body that followed.
    pub(super) sent: Tick,
    pub(super) state: State,
}

/// The head is not complete.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The connection had served before.
    pub(super) reused: bool,
    /// An interim response has been passed on.
    pub(super) interim: bool,
    /// How far the upload was when the deadline was last set.
    pub(super) stage: Option<Stage>,
    /// The client is still watched: it has neither ended nor sent its next request.
    pub(super) watching: bool,
}

/// The head is complete.
#[derive(Debug)]
pub(super) struct Begun {
    /// Who sends it.
    pub(super) endpoint: Arc<Endpoint>,
    /// Counts the exchange until the last byte of the body.
    _in_flight: InFlight,
    pub(super) parser: Box<ResponseParser>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum NoResponse {
    /// The endpoint failed.
    Endpoint(Attempt),
    /// The request itself failed: the client is told, nobody else is tried.
    Client(Failure),
}

impl Response<Awaited> {
    /// The head that `parser` has read is complete.
    pub(super) fn begin(
        self,
        parser: Box<ResponseParser>,
        endpoint: Arc<Endpoint>,
        in_flight: InFlight,
    ) -> Response<Begun> {
        Response {
            socket: self.socket,
            received: self.received,
            upload: self.upload,
            continue_due: self.continue_due,
            keep: self.keep,
            began: self.began,
            sent: self.sent,
            state: Begun {
                endpoint,
                _in_flight: in_flight,
                parser,
            },
        }
    }

    /// The deadline passed.
    pub(super) fn too_late(&self) -> NoResponse {
        match &self.upload {
            Upload::Underway(relay) if relay.waits_for_receiver() => {
                self.failed(EndpointFault::RequestTimeout)
            }
            Upload::Underway(relay) if !relay.is_done() => NoResponse::Client(Failure::BodyTimeout),
            _ => self.failed(EndpointFault::ResponseTimeout),
        }
    }

    /// The endpoint failed after the request was sent.
    pub(super) fn failed(&self, fault: EndpointFault) -> NoResponse {
        let reached = match &self.upload {
            _ if self.state.interim || self.received.is_some() => Reached::Response,
            Upload::Done => Reached::Head,
            Upload::Underway(_) | Upload::Abandoned { .. } => Reached::Body,
        };
        NoResponse::Endpoint(Attempt {
            fault,
            reached,
            reused: self.state.reused,
        })
    }
}

impl Response<Begun> {
    pub(super) fn head(&self) -> &ResponseHead {
        self.state.parser.head()
    }
}

/// What an error of a backend's connection is.
pub(super) fn broken(error: &io::Error) -> EndpointFault {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => EndpointFault::Reset,
        _ => EndpointFault::Broken,
    }
}

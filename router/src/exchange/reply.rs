//! Waiting for a response: from the request that was sent to the head that has come.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use component::tick::Tick;
use router_core::endpoint::{Endpoint, InFlight};
use router_core::failure::{EndpointFault, Failure};
use router_core::http1::request::Method;
use router_core::http1::response::{ResponseHead, ResponseParser};
use router_core::interim::Allowance;
use router_core::retry::{Attempt, Reached};

use super::Exchange;
use super::head::largest;
use super::upload::{Stage, Upload};
use crate::io::buffers::Buffer;
use crate::io::clock::Moment;
use crate::io::relay::Broken;
use crate::io::socket::{Glance, Socket};

/// A response whose head has come.
#[derive(Debug)]
pub(super) struct Response {
    /// Who sent it.
    pub(super) endpoint: Arc<Endpoint>,
    /// Counts it until the last byte of its body.
    pub(super) _in_flight: InFlight,
    /// The connection it comes on.
    pub(super) socket: Socket,
    /// The bytes of the head, and what came behind it.
    pub(super) received: Option<Buffer>,
    /// Its head.
    pub(super) parser: Box<ResponseParser>,
    /// The rest of the request's body.
    pub(super) upload: Upload,
    /// Whether the client does not wait for a 100 before it sends its body.
    pub(super) was_told_to_send: bool,
    /// Whether the connection may serve again, as far as the request goes.
    pub(super) keep: bool,
    /// When the attempt began.
    pub(super) began: Moment,
}

impl Response {
    pub(super) fn head(&self) -> &ResponseHead {
        self.parser.head()
    }
}

/// Why there is no response.
pub(super) enum NoResponse {
    /// The endpoint failed.
    Endpoint(Attempt),
    /// The request itself failed: the client is told, nobody else is tried.
    Client(Failure),
}

/// A connection that a request was sent on.
pub(super) struct Reply {
    pub(super) socket: Socket,
    /// What came of the response, from the start of the head under way.
    pub(super) received: Option<Buffer>,
    pub(super) upload: Upload,
    /// An interim response has been passed on.
    pub(super) interim: bool,
    /// When the client is to be told to send its body, if it waits for that.
    pub(super) continue_due: Option<Tick>,
    /// How far the upload was when the deadline was last set.
    pub(super) stage: Option<Stage>,
    pub(super) keep: bool,
    pub(super) reused: bool,
    pub(super) began: Moment,
}

/// What a wait for the response has come to.
enum Received {
    /// More of it.
    Bytes,
    /// The client waits for a 100 that the backend does not send.
    ContinueDue,
}

impl Reply {
    pub(super) fn into_response(
        self,
        parser: Box<ResponseParser>,
        endpoint: Arc<Endpoint>,
        in_flight: InFlight,
    ) -> Response {
        let Self {
            socket,
            received,
            upload,
            keep,
            began,
            continue_due,
            ..
        } = self;
        Response {
            endpoint,
            _in_flight: in_flight,
            socket,
            received,
            parser,
            upload,
            was_told_to_send: continue_due.is_none(),
            keep,
            began,
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
            _ if self.interim || self.received.is_some() => Reached::Response,
            Upload::Done => Reached::Head,
            Upload::Underway(_) | Upload::Refused { .. } => Reached::Body,
        };
        NoResponse::Endpoint(Attempt {
            fault,
            reached,
            reused: self.reused,
        })
    }
}

impl Exchange {
    /// Reads until the head of the final response, or of a 101, is complete; interim responses are
    /// passed on. The rest of the request's body goes out meanwhile.
    pub(super) async fn await_head(
        &mut self,
        reply: &mut Reply,
    ) -> Result<Box<ResponseParser>, NoResponse> {
        let limits = self.settings.backend.limits;
        let to_head = self.head().method == Method::Head;
        let mut watching = true;
        let mut interim = Allowance::new();
        self.receive(reply, &mut watching).await?;
        // Whoever waits has no parser either.
        let mut parser = self.worker.parsers.take().unwrap_or_default();
        parser.begin(0, to_head);
        loop {
            let there = reply.received.as_ref().map_or(&[][..], Buffer::filled);
            match parser.advance(there, &limits) {
                Ok(false) => self.receive(reply, &mut watching).await?,
                Ok(true) if parser.head().is_interim() => {
                    if !interim.admits(parser.head().end, self.worker.clock.now()) {
                        return Err(reply.failed(EndpointFault::InterimFlood));
                    }
                    self.pass_interim(reply, parser.head()).await?;
                    parser.begin(0, to_head);
                }
                Ok(true) => return Ok(parser),
                Err(refusal) => return Err(reply.failed(EndpointFault::Malformed(refusal))),
            }
        }
    }

    /// Waits for more of the response.
    async fn receive(&self, reply: &mut Reply, watching: &mut bool) -> Result<(), NoResponse> {
        loop {
            let received = poll_fn(|cx| self.poll_receive(cx, reply, watching)).await?;
            match received {
                Received::Bytes => return Ok(()),
                Received::ContinueDue => self.say_continue(reply).await?,
            }
        }
    }

    /// Reads more of the response, sends more of the request, and notices a client that left.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        reply: &mut Reply,
        watching: &mut bool,
    ) -> Poll<Result<Received, NoResponse>> {
        if let Upload::Underway(relay) = &mut reply.upload {
            match relay.poll(cx, &self.client.socket, &reply.socket, &self.worker.tools) {
                Poll::Ready(Err(Broken::Sink)) => reply.upload.refuse(),
                Poll::Ready(Err(broken)) => {
                    return Poll::Ready(Err(NoResponse::Client(client_failure(&broken))));
                }
                Poll::Ready(Ok(())) | Poll::Pending => {
                    if !self.arm_upload(reply) {
                        return Poll::Ready(Err(reply.too_late()));
                    }
                }
            }
        }
        // A request that waits has no buffer for its response: the one that takes it is still warm
        // from the response before.
        let buffers = &self.worker.tools.buffers;
        let mut buffer = reply.received.take().unwrap_or_else(|| buffers.small());
        if buffer.is_full() {
            let most = largest(&self.settings.backend.limits);
            if buffer.grow(most).is_err() {
                return Poll::Ready(Err(NoResponse::Client(Failure::HeadMemory)));
            }
        }
        let read = reply.socket.poll_read(cx, buffer.room());
        if let Poll::Ready(Ok(count)) = read {
            buffer.add(count);
        }
        if !buffer.filled().is_empty() {
            reply.received = Some(buffer);
        }
        match read {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(reply.failed(EndpointFault::Closed))),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(Received::Bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(reply.failed(broken(&error)))),
            Poll::Pending if self.client.deadline.poll_expired(cx) => {
                let due = reply.continue_due.take();
                if due.is_some_and(|due| self.worker.clock.now() >= due) {
                    return Poll::Ready(Ok(Received::ContinueDue));
                }
                Poll::Ready(Err(reply.too_late()))
            }
            Poll::Pending => self.poll_leave(cx, reply, watching),
        }
    }

    /// Notices a client that left while it waits.
    fn poll_leave(
        &self,
        cx: &mut Context<'_>,
        reply: &Reply,
        watching: &mut bool,
    ) -> Poll<Result<Received, NoResponse>> {
        if *watching
            && reply.upload.is_over()
            && let Poll::Ready(seen) = self.client.socket.poll_glance(cx)
        {
            if self.has_left(seen) {
                return Poll::Ready(Err(NoResponse::Client(Failure::ClientGone)));
            }
            *watching = false;
        }
        Poll::Pending
    }

    /// Whether a client of which this was seen is gone. One that said it would close, or speaks 1.0,
    /// may have closed its half and still wait for the response (RFC 9112 §9.6).
    pub(super) fn has_left(&self, seen: Glance) -> bool {
        match seen {
            Glance::Quiet | Glance::Bytes => false,
            Glance::Ended => self.head().persistent,
            Glance::Broken => true,
        }
    }

    /// Passes an interim response on to a client that can read it (RFC 9110 §15.2).
    async fn pass_interim(
        &mut self,
        reply: &mut Reply,
        head: &ResponseHead,
    ) -> Result<(), NoResponse> {
        reply.continue_due = reply.continue_due.filter(|_| head.status != 100);
        let now = self.worker.clock.now();
        self.client.deadline.set(self.write_deadline(now));
        if let Some(received) = &mut reply.received {
            self.send_interim(received, head)
                .await
                .map_err(NoResponse::Client)?;
            received.consume(head.end);
        }
        reply
            .received
            .take_if(|received| received.filled().is_empty());
        reply.interim = true;
        // What is waited for has its own time again; that of an upload is set by its next look.
        reply.stage = None;
        let by = self.response_deadline(reply.began.tick());
        self.client.deadline.set(by);
        Ok(())
    }
}

fn client_failure(broken: &Broken) -> Failure {
    match broken {
        Broken::Malformed(refusal) => Failure::Refused(*refusal),
        Broken::TooLong => Failure::BodyTooLarge,
        Broken::Source | Broken::Sink => Failure::ClientGone,
    }
}

/// What an error of a backend's connection is.
pub(super) fn broken(error: &io::Error) -> EndpointFault {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => EndpointFault::Reset,
        _ => EndpointFault::Broken,
    }
}

//! Waiting for a response: from the request that was sent to the head that is complete.

use std::future::poll_fn;
use std::task::{Context, Poll};

use router_core::failure::{EndpointFault, Failure};
use router_core::http1::request::Method;
use router_core::http1::response::{ResponseHead, ResponseParser};
use router_core::interim::Allowance;

use super::Exchange;
use super::head::largest;
use super::response::{Awaited, NoResponse, Response, broken};
use super::upload::Upload;
use crate::io::buffers::Buffer;
use crate::io::relay::Broken;
use crate::io::socket::Peeked;

/// What a wait for the response has come to.
enum Received {
    /// More of it.
    Bytes,
    /// The client waits for a 100 that the backend does not send.
    ContinueDue,
}

impl Exchange {
    /// Reads until the head of the final response, or of a 101, is complete; interim responses are
    /// passed on. The rest of the request's body goes out meanwhile.
    pub(super) async fn await_head(
        &mut self,
        response: &mut Response<Awaited>,
    ) -> Result<Box<ResponseParser>, NoResponse> {
        let limits = self.settings.heads.responses;
        let to_head = self.request.head().method == Method::Head;
        let mut interim = Allowance::new();
        self.receive(response).await?;
        // Taken only once bytes are there: exchanges that wait hold no parser.
        let mut parser = self.worker.parsers.take().unwrap_or_default();
        parser.begin(0, to_head);
        loop {
            let there = response.received.as_ref().map_or(&[][..], Buffer::filled);
            match parser.advance(there, &limits) {
                Ok(false) => self.receive(response).await?,
                Ok(true) if parser.head().is_interim() => {
                    if !interim.admits(parser.head().end, self.worker.clock.now()) {
                        return Err(response.failed(EndpointFault::InterimFlood));
                    }
                    self.pass_interim(response, parser.head()).await?;
                    parser.begin(0, to_head);
                }
                Ok(true) => return Ok(parser),
                Err(refusal) => return Err(response.failed(EndpointFault::Malformed(refusal))),
            }
        }
    }

    /// Waits for more of the response.
    async fn receive(&self, response: &mut Response<Awaited>) -> Result<(), NoResponse> {
        loop {
            let received = poll_fn(|cx| self.poll_receive(cx, response)).await?;
            match received {
                Received::Bytes => return Ok(()),
                Received::ContinueDue => self.say_continue(response).await?,
            }
        }
    }

    /// Reads more of the response, sends more of the request, and notices a client that left.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        response: &mut Response<Awaited>,
    ) -> Poll<Result<Received, NoResponse>> {
        if let Upload::Underway(relay) = &mut response.upload {
            match relay.poll(
                cx,
                &self.client.socket,
                &response.socket,
                &self.worker.tools,
            ) {
                Poll::Ready(Err(Broken::Sink)) => response.upload.abandon(),
                Poll::Ready(Err(broken)) => {
                    return Poll::Ready(Err(NoResponse::Client(client_failure(&broken))));
                }
                Poll::Ready(Ok(())) | Poll::Pending => {
                    if !self.arm_upload(response) {
                        return Poll::Ready(Err(response.too_late()));
                    }
                }
            }
        }
        // A request that waits has no buffer for its response: the one that takes it is still warm
        // from the response before.
        let buffers = &self.worker.tools.buffers;
        let mut buffer = response.received.take().unwrap_or_else(|| buffers.small());
        if buffer.is_full() {
            let most = largest(&self.settings.heads.responses);
            if buffer.grow(most).is_err() {
                return Poll::Ready(Err(NoResponse::Client(Failure::HeadMemory)));
            }
        }
        let read = response.socket.poll_read(cx, buffer.room());
        if let Poll::Ready(Ok(count)) = read {
            buffer.add(count);
        }
        if !buffer.filled().is_empty() {
            response.received = Some(buffer);
        }
        match read {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(response.failed(EndpointFault::Closed))),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(Received::Bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(response.failed(broken(&error)))),
            Poll::Pending if self.client.deadline.poll_expired(cx) => {
                let due = response.continue_due.take();
                if due.is_some_and(|due| self.worker.clock.now() >= due) {
                    return Poll::Ready(Ok(Received::ContinueDue));
                }
                Poll::Ready(Err(response.too_late()))
            }
            Poll::Pending => self.poll_leave(cx, response),
        }
    }

    /// Notices a client that left while it waits.
    fn poll_leave(
        &self,
        cx: &mut Context<'_>,
        response: &mut Response<Awaited>,
    ) -> Poll<Result<Received, NoResponse>> {
        if response.state.watching
            && response.upload.is_over()
            && let Poll::Ready(peeked) = self.client.socket.poll_peek(cx)
        {
            if self.has_left(peeked) {
                return Poll::Ready(Err(NoResponse::Client(Failure::ClientGone)));
            }
            response.state.watching = false;
        }
        Poll::Pending
    }

    /// Whether a client of which this was seen is gone. One that said it would close, or speaks 1.0,
    /// may have closed its half and still wait for the response (RFC 9112 §9.6).
    pub(super) fn has_left(&self, peeked: Peeked) -> bool {
        match peeked {
            Peeked::Nothing | Peeked::Bytes => false,
            Peeked::End => self.request.head().persistent,
            Peeked::Error => true,
        }
    }

    /// Passes an interim response on to a client that can read it (RFC 9110 §15.2).
    async fn pass_interim(
        &mut self,
        response: &mut Response<Awaited>,
        head: &ResponseHead,
    ) -> Result<(), NoResponse> {
        response.continue_due = response.continue_due.filter(|_| head.status != 100);
        let now = self.worker.clock.now();
        self.client.deadline.set(self.limits.write_deadline(now));
        if let Some(received) = &mut response.received {
            self.send_interim(received, head)
                .await
                .map_err(NoResponse::Client)?;
            received.consume(head.end);
        }
        response
            .received
            .take_if(|received| received.filled().is_empty());
        response.state.interim = true;
        // What is waited for has its own time again; that of an upload is set by its next look.
        response.state.stage = None;
        let by = self.limits.response_deadline(response.sent);
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

//! A request's body on its way to the backend.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use component::tick::Tick;
use router_core::failure::Failure;
use router_core::headers::request::{self, RequestRules};
use router_core::http1::framing::BodyLength;

use super::Exchange;
use super::limits::NEVER;
use super::request::Request;
use super::response::{Awaited, Begun, NoResponse, Response};
use super::send::{NO_BODY, send};
use crate::io::buffers::Buffers;
use crate::io::relay::Relay;
use crate::io::socket::Peeked;

/// A request's body on its way to the backend.
#[derive(Debug)]
pub(super) enum Upload {
    /// All of it is there.
    Done,
    /// Some of it is to come.
    Underway(Box<Relay>),
    /// The backend took no more of it than this; its response may still come.
    Abandoned {
        /// Bytes of payload that were taken from the client beyond those that came with the head.
        moved: u64,
    },
}

impl Upload {
    /// What is to be sent of the body beyond what goes with the head. `most`: payload bytes that it
    /// may have.
    pub(super) fn new(
        request: &Request,
        rules: &RequestRules,
        buffers: &Rc<Buffers>,
        most: u64,
    ) -> Self {
        let head = request.head();
        let relay = match head.body {
            BodyLength::Exact(length) => {
                let left = length - request.body_with_head().len() as u64;
                if left == 0 {
                    return Self::Done;
                }
                Relay::new(BodyLength::Exact(left), false, None, 0, most)
            }
            BodyLength::Chunked => {
                // What lies behind the head belongs to the body until its end is found.
                let buffer = buffers.holding(request.rest());
                let names = head.connection_names_fields;
                let trailers = request::trailers(request.fields(), rules, names);
                Relay::new(BodyLength::Chunked, true, Some(buffer), 0, most).with_trailers(trailers)
            }
            BodyLength::Empty | BodyLength::UntilClose => return Self::Done,
        };
        Self::Underway(Box::new(relay))
    }

    /// Whether the client has nothing more of it to send.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Underway(relay) => relay.is_done(),
            Self::Abandoned { .. } => false,
        }
    }

    /// Whether nothing more of it is read, so that what comes from the client is something else.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Abandoned { .. }) || self.is_whole()
    }

    /// Bytes of payload that were taken from the client beyond those that came with the head.
    pub(super) fn moved(&self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Underway(relay) => relay.moved(),
            Self::Abandoned { moved } => *moved,
        }
    }

    /// The backend takes no more of it.
    pub(super) fn abandon(&mut self) {
        let moved = self.moved();
        *self = Self::Abandoned { moved };
    }
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    moved: u64,
    is_done: bool,
    waits_for_receiver: bool,
}

impl Stage {
    pub(super) fn of(relay: &Relay) -> Self {
        Self {
            moved: relay.moved(),
            is_done: relay.is_done(),
            waits_for_receiver: relay.waits_for_receiver(),
        }
    }

    /// Whether what comes next has to come from the backend.
    pub(super) const fn waits_for_backend(self) -> bool {
        self.is_done || self.waits_for_receiver
    }
}

impl Exchange {
    /// Sets the deadline for what an upload waits for: the client, which must send something, or
    /// the backend, which must take it and then respond. Returns whether the exchange has time left:
    /// one that moves a byte at every look has its end as well.
    pub(super) fn arm_upload(&self, response: &mut Response<Awaited>) -> bool {
        let Upload::Underway(relay) = &response.upload else {
            return true;
        };
        let stage = Stage::of(relay);
        if response.state.stage == Some(stage) {
            return true;
        }
        let now = self.worker.clock.now();
        if now >= self.limits.end {
            return false;
        }
        response.state.stage = Some(stage);
        if stage.moved > 0 {
            response.continue_due = None;
        }
        let by = if stage.waits_for_backend() {
            self.limits.response_deadline(now)
        } else {
            self.limits.upload_deadline(now)
        };
        let by = response.continue_due.map_or(by, |due| by.min(due));
        self.client.deadline.set(by);
        true
    }

    /// When a client that holds its body back gets a 100 from the router (RFC 9110 §10.1.1); nothing
    /// when it does not hold it back.
    pub(super) fn continue_due(&self, upload: &Upload, from: Tick) -> Option<Tick> {
        let waits = matches!(upload, Upload::Underway(_)) && self.request.holds_body_back();
        let after = self.settings.backend.continue_timeout;
        waits.then(|| after.map_or(NEVER, |after| from.plus(after)))
    }

    /// Tells the client to send its body, in the place of a backend that does not.
    pub(super) async fn say_continue(
        &self,
        response: &mut Response<Awaited>,
    ) -> Result<(), NoResponse> {
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        // What the upload waits for has its own time again, from here on.
        deadline.set(self.limits.upload_deadline(self.worker.clock.now()));
        response.state.stage = None;
        let mut draft = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        self.record.sends_head(draft.len());
        let sent = send(socket, deadline, &mut draft, NO_BODY).await;
        sent.map_err(|_| NoResponse::Client(Failure::ClientGone))
    }

    /// Goes on to forward the request's body behind a response that came before its end: as long
    /// as the client sends it and the backend takes it.
    pub(super) async fn finish_upload(&self, response: &mut Response<Begun>) {
        if response.continue_due.is_some() && response.upload.moved() == 0 {
            // It has its answer, and sends nothing any more.
            return response.upload.abandon();
        }
        let Response { upload, socket, .. } = response;
        let Upload::Underway(relay) = upload else {
            return;
        };
        let (client, tools) = (&self.client, &self.worker.tools);
        let mut stage = None;
        let taken = poll_fn(|cx| {
            match relay.poll(cx, &client.socket, socket, tools) {
                Poll::Ready(Ok(())) => return Poll::Ready(true),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {}
            }
            // A backend that has answered and ended takes no more.
            let peeked = socket.poll_peek(cx);
            if matches!(peeked, Poll::Ready(Peeked::End | Peeked::Error)) {
                return Poll::Ready(false);
            }
            let now_at = Stage::of(relay);
            if stage.replace(now_at) != Some(now_at) {
                let now = self.worker.clock.now();
                if now >= self.limits.end {
                    return Poll::Ready(false);
                }
                client.deadline.set(if now_at.waits_for_backend() {
                    now.plus(self.settings.client.connection.linger.idle)
                        .min(self.limits.end)
                } else {
                    self.limits.upload_deadline(now)
                });
            }
            if client.deadline.poll_expired(cx) {
                return Poll::Ready(false);
            }
            Poll::Pending
        });
        if !self.waiting(taken).await {
            upload.abandon();
        }
    }
}

//! Forwarding a response.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use component::shutdown::Phase;
use component::tick::Tick;
use router_core::failure::{EndpointFault, Failure};
use router_core::field::FieldKind;
use router_core::headers::response::{self, Connection, Departure, Trace};
use router_core::http1::framing::BodyLength;
use router_core::http1::response::ResponseHead;
use router_core::http1::write;
use router_core::retry::{Attempt, Reached};
use router_core::trailer::TrailerRules;

use super::request::Request;
use super::response::{Begun, Response};
use super::send::{NO_BODY, send};
use super::upload::Upload;
use super::{Exchange, record::End};
use crate::io::buffers::Buffer;
use crate::io::relay::{Broken, Relay};
use crate::worker::client::After;

/// How a response goes to the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) body: BodyLength,
    /// What the client is told about its connection.
    pub(super) connection: Connection,
}

/// How far a response was at the last look.
#[derive(Debug)]
struct Progress {
    moved: u64,
    waits_for_receiver: bool,
    /// The client has neither ended nor sent its next request; either is told only once.
    watching: bool,
}

impl Passage {
    /// How the response goes to the client of `request`. `stays`: the connection may, as far as the
    /// router goes.
    fn new(request: &Request, response: &Response<Begun>, stays: bool) -> Self {
        let body = match response.head().body {
            BodyLength::Chunked | BodyLength::UntilClose if request.is_http10() => {
                BodyLength::UntilClose
            }
            BodyLength::Chunked | BodyLength::UntilClose => BodyLength::Chunked,
            known => known,
        };
        let stays = stays
            && request.head().persistent
            && response.upload.is_whole()
            && body != BodyLength::UntilClose;
        let connection = match (stays, request.is_http10()) {
            (true, false) => Connection::Stays,
            (true, true) => Connection::KeepAlive,
            (false, _) => Connection::Closes,
        };
        Self { body, connection }
    }
}

impl Exchange {
    /// Forwards the response, and returns what becomes of the client's connection.
    pub(super) async fn forward(
        &mut self,
        mut response: Response<Begun>,
    ) -> Result<After, Failure> {
        let (status, length, start) = {
            let head = response.head();
            (head.status, head.body, head.end)
        };
        if status == 101 {
            return self.switch(&mut response).await;
        }
        let serving = self.worker.phase.get() == Phase::Running;
        let passage = Passage::new(&self.request, &response, serving);
        let chunks = passage.body == BodyLength::Chunked;
        let trailers = self.trailers(&response, chunks);
        let received = response.received.take();
        let mut relay = Relay::new(length, chunks, received, start, u64::MAX)
            .in_pieces()
            .with_trailers(trailers);
        if let Err(Broken::Malformed(refusal)) = relay.prepare() {
            // Nothing was sent yet: the client can be told.
            return Err(self.refused(&response, EndpointFault::Malformed(refusal)));
        }
        let now_unix = self.responded(&response, relay.bytes());
        let draft = self.prepare_response(&response, relay.bytes(), passage, now_unix);
        let end = self.send_response(draft, &mut response, &mut relay).await;
        self.record.response_bytes = relay.moved();
        if end == End::Complete && !response.upload.is_over() {
            if passage.body == BodyLength::UntilClose {
                self.client.socket.finish();
            }
            // In a box: it is rare, and would make every exchange larger.
            Box::pin(self.finish_upload(&mut response)).await;
        }
        self.record.request_bytes += response.upload.moved();
        Ok(self.conclude(response, &mut relay, passage, end))
    }

    /// Notes that a response cannot be passed on although its head could be read. Returns what the client
    /// is told.
    pub(super) fn refused(&mut self, response: &Response<Begun>, fault: EndpointFault) -> Failure {
        let attempt = Attempt {
            fault,
            reached: Reached::Response,
            reused: self.record.is_reused(),
        };
        let endpoint = &response.state.endpoint;
        self.record
            .attempt_failed(&self.worker, endpoint, attempt, false);
        self.record.request_bytes += response.upload.moved();
        Failure::Endpoint(fault)
    }

    /// Notes that a response has begun. Returns the time in nanoseconds since 1970.
    pub(super) fn responded(&mut self, response: &Response<Begun>, received: &[u8]) -> u64 {
        let ejection = self.settings.backend.ejection;
        self.record
            .responded(&self.worker, ejection, response, received)
    }

    /// Writes the head for the client, out of the bytes that were received. `now_unix`: nanoseconds.
    pub(super) fn prepare_response(
        &self,
        response: &Response<Begun>,
        received: &[u8],
        passage: Passage,
        now_unix: u64,
    ) -> Vec<u8> {
        let head = response.head();
        let settings = &self.settings;
        let trace = self.is_traced().then(|| Trace {
            router: &settings.router_address,
            backend: response.state.endpoint.address(),
        });
        let length = head.content_length.filter(|_| head.length_needs_rewrite);
        let edits = &mut *self.worker.edits.borrow_mut();
        let fields = head.fields(received);
        self.worker.date.with(now_unix, |date| {
            let departure = Departure {
                rules: &settings.response_rules,
                id: self.record.id_bytes(),
                date,
                body: passage.body,
                length,
                unframed: head.is_unframed(),
                connection: passage.connection,
                upgrade_required: head.status == 426,
                connection_names_fields: head.connection_names_fields,
                trace,
            };
            response::edit(fields, &departure, head.is_interim(), edits);
        });
        let mut draft = self.worker.draft();
        write::response(&mut draft, received, head, edits);
        draft
    }

    /// The rules for what comes behind the body, if anything may.
    fn trailers(&self, response: &Response<Begun>, chunks: bool) -> TrailerRules {
        if !chunks {
            return TrailerRules::default();
        }
        let received = response.received.as_ref().map_or(&[][..], Buffer::filled);
        let head = response.head();
        response::trailers(
            head.fields(received),
            &self.settings.response_rules,
            head.connection_names_fields,
        )
    }

    fn is_traced(&self) -> bool {
        let key = self.settings.trace_key.as_bytes();
        !key.is_empty() && self.request.fields().first(FieldKind::XVcapTrace) == Some(key)
    }

    /// Sends the head together with what came of the body, then the rest.
    async fn send_response(
        &mut self,
        mut draft: Vec<u8>,
        response: &mut Response<Begun>,
        relay: &mut Relay,
    ) -> End {
        self.client.answered.set(true);
        self.record.sends_head(draft.len());
        self.set_deadline(relay, self.worker.recent());
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let sent = {
            let sending = pin!(send(socket, deadline, &mut draft, relay.ready()));
            self.waiting(sending).await
        };
        if sent.is_err() {
            return End::ClientGone;
        }
        self.worker.keep_draft(draft);
        relay.wrote(usize::MAX);
        if relay.is_done() {
            return End::Complete;
        }
        self.request.input.settle();
        self.set_deadline(relay, self.worker.now().tick());
        let mut progress = Progress {
            moved: relay.moved(),
            waits_for_receiver: relay.waits_for_receiver(),
            watching: true,
        };
        let forwarding = poll_fn(|cx| self.poll_forward(cx, response, relay, &mut progress));
        self.waiting(forwarding).await
    }

    fn poll_forward(
        &self,
        cx: &mut Context<'_>,
        response: &mut Response<Begun>,
        relay: &mut Relay,
        progress: &mut Progress,
    ) -> Poll<End> {
        let (client, tools) = (&self.client, &self.worker.tools);
        if let Upload::Underway(upload) = &mut response.upload
            && let Poll::Ready(Err(broken)) =
                upload.poll(cx, &client.socket, &response.socket, tools)
        {
            if !matches!(broken, Broken::Sink) {
                return Poll::Ready(End::ClientGone);
            }
            response.upload.abandon();
        }
        if progress.watching
            && response.upload.is_whole()
            && let Poll::Ready(peeked) = client.socket.poll_peek(cx)
        {
            // A response that pauses would find out with its next byte, which may never come.
            if self.has_left(peeked) {
                return Poll::Ready(End::ClientGone);
            }
            progress.watching = false;
        }
        match relay.poll(cx, &response.socket, &client.socket, tools) {
            Poll::Ready(Ok(())) => return Poll::Ready(End::Complete),
            Poll::Ready(Err(broken)) => return Poll::Ready(End::of(&broken)),
            Poll::Pending => {}
        }
        let now = (relay.moved(), relay.waits_for_receiver());
        if (progress.moved, progress.waits_for_receiver) != now {
            (progress.moved, progress.waits_for_receiver) = now;
            let now = self.worker.now().tick();
            // Looked at before it is moved on: a response that moves a byte at every look has its
            // end as well.
            if now >= self.limits.end {
                return Poll::Ready(End::Late);
            }
            self.set_deadline(relay, now);
        }
        if client.deadline.poll_expired(cx) {
            Poll::Ready(End::Late)
        } else {
            Poll::Pending
        }
    }

    /// Sets the deadline for what the relay waits for: the client, which must take something, or the
    /// backend, which may be silent as long as the route lets it.
    fn set_deadline(&self, relay: &Relay, now: Tick) {
        self.client.deadline.set(if relay.waits_for_receiver() {
            self.limits.write_deadline(now)
        } else {
            self.limits.silence_deadline(now)
        });
    }

    /// What becomes of both connections after the response.
    fn conclude(
        &mut self,
        mut response: Response<Begun>,
        relay: &mut Relay,
        passage: Passage,
        end: End,
    ) -> After {
        self.record.end = end;
        if end != End::Complete {
            return After::Cut;
        }
        let whole = match &mut response.upload {
            Upload::Done => true,
            Upload::Underway(upload) if upload.is_done() => {
                self.request.behind = upload.leftover();
                true
            }
            Upload::Underway(_) | Upload::Abandoned { .. } => false,
        };
        let clean = relay.leftover().is_none();
        if clean && whole && response.keep && response.head().persistent {
            let id = response.state.endpoint.id();
            self.worker
                .idle
                .put(id, response.socket, self.worker.recent());
        }
        self.worker.parsers.keep(response.state.parser);
        match passage.connection {
            Connection::Stays | Connection::KeepAlive => After::Idle,
            Connection::Closes | Connection::Upgrades if whole => After::Close,
            Connection::Closes | Connection::Upgrades => After::Linger,
        }
    }

    /// Passes an interim response on, unless the client speaks 1.0 and would not understand it.
    pub(super) async fn send_interim(
        &mut self,
        received: &Buffer,
        head: &ResponseHead,
    ) -> Result<(), Failure> {
        if self.request.is_http10() {
            return Ok(());
        }
        let departure = Departure {
            rules: &self.settings.response_rules,
            id: b"",
            date: "",
            body: BodyLength::Empty,
            length: None,
            unframed: true,
            connection: Connection::Stays,
            upgrade_required: false,
            connection_names_fields: head.connection_names_fields,
            trace: None,
        };
        let mut draft = self.worker.draft();
        {
            let edits = &mut *self.worker.edits.borrow_mut();
            response::edit(head.fields(received.filled()), &departure, true, edits);
            write::response(&mut draft, received.filled(), head, edits);
        }
        self.record.sends_head(draft.len());
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let sent = send(socket, deadline, &mut draft, NO_BODY).await;
        self.worker.keep_draft(draft);
        sent.map_err(|_| Failure::ClientGone)
    }
}

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
use router_core::http1::{Version, write};
use router_core::trailer::TrailerRules;

use super::reply::Response;
use super::send::{NO_BODY, send};
use super::upload::Upload;
use super::{Exchange, story::End};
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
struct Seen {
    moved: u64,
    waits_for_receiver: bool,
    /// The client has neither ended nor sent its next request; either is told only once.
    watching: bool,
}

impl Exchange {
    /// Forwards the response and says what becomes of the client's connection.
    pub(super) async fn respond(&mut self, mut response: Response) -> Result<After, Failure> {
        let (status, length, start) = {
            let head = response.head();
            (head.status, head.body, head.end)
        };
        if status == 101 {
            return self.switch(&mut response).await;
        }
        let passage = self.passage(&response);
        let chunks = passage.body == BodyLength::Chunked;
        let trailers = self.trailers(&response, chunks);
        let received = response.received.take();
        let mut relay = Relay::new(length, chunks, received, start, u64::MAX)
            .in_bites()
            .with_trailers(trailers);
        if let Err(Broken::Malformed(refusal)) = relay.prepare() {
            // Nothing was sent yet: the client can be told.
            return Err(Failure::Endpoint(EndpointFault::Malformed(refusal)));
        }
        self.story.responded(&self.worker, &response, relay.bytes());
        let draft = self.prepare_response(&response, relay.bytes(), passage);
        let end = self.forward(draft, &mut response, &mut relay).await;
        self.story.response_bytes = relay.moved();
        if end == End::Complete && !response.upload.is_over() {
            if passage.body == BodyLength::UntilClose {
                self.client.socket.finish();
            }
            // In a box: it is rare, and would make every exchange larger.
            Box::pin(self.finish_upload(&mut response)).await;
        }
        self.story.request_bytes += response.upload.moved();
        Ok(self.conclude(response, &mut relay, passage, end))
    }

    fn passage(&self, response: &Response) -> Passage {
        let request = self.head();
        let head = response.head();
        let old = request.version == Version::Http10;
        let body = match head.body {
            BodyLength::Chunked | BodyLength::UntilClose if old => BodyLength::UntilClose,
            BodyLength::Chunked | BodyLength::UntilClose => BodyLength::Chunked,
            known => known,
        };
        let whole = response.upload.is_whole();
        let stays = request.persistent
            && whole
            && body != BodyLength::UntilClose
            && self.worker.phase.get() == Phase::Running;
        let connection = match (stays, old) {
            (true, false) => Connection::Stays,
            (true, true) => Connection::KeepAlive,
            (false, _) => Connection::Closes,
        };
        Passage { body, connection }
    }

    /// Writes the head for the client, out of the bytes that were received.
    pub(super) fn prepare_response(
        &self,
        response: &Response,
        received: &[u8],
        passage: Passage,
    ) -> Vec<u8> {
        let head = response.head();
        let settings = &self.settings;
        let trace = self.is_traced().then(|| Trace {
            router: &settings.router_address,
            backend: response.endpoint.address(),
        });
        let length = head.content_length.filter(|_| head.length_needs_rewrite);
        let edits = &mut *self.worker.edits.borrow_mut();
        let fields = head.fields(received);
        self.worker
            .date
            .with(self.story.responded_unix_nanos, |date| {
                let departure = Departure {
                    rules: &settings.response_rules,
                    id: self.story.id_bytes(),
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
    fn trailers(&self, response: &Response, chunks: bool) -> TrailerRules {
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
        !key.is_empty() && self.fields().first(FieldKind::XVcapTrace) == Some(key)
    }

    /// Sends the head together with what came of the body, then the rest.
    async fn forward(
        &mut self,
        mut draft: Vec<u8>,
        response: &mut Response,
        relay: &mut Relay,
    ) -> End {
        self.client.answered.set(true);
        self.story.sends_head(draft.len());
        self.arm(relay, self.worker.recent());
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let mut written = 0;
        let sent = {
            let parts = relay.ready();
            let sending = pin!(send(socket, deadline, &mut draft, parts, &mut written));
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
        self.input.settle();
        self.arm(relay, self.worker.now().tick());
        let mut seen = Seen {
            moved: relay.moved(),
            waits_for_receiver: relay.waits_for_receiver(),
            watching: true,
        };
        let forwarding = poll_fn(|cx| self.poll_forward(cx, response, relay, &mut seen));
        self.waiting(forwarding).await
    }

    fn poll_forward(
        &self,
        cx: &mut Context<'_>,
        response: &mut Response,
        relay: &mut Relay,
        seen: &mut Seen,
    ) -> Poll<End> {
        let (client, tools) = (&self.client, &self.worker.tools);
        if let Upload::Underway(upload) = &mut response.upload
            && let Poll::Ready(Err(broken)) =
                upload.poll(cx, &client.socket, &response.socket, tools)
        {
            if !matches!(broken, Broken::Sink) {
                return Poll::Ready(End::ClientGone);
            }
            response.upload.refuse();
        }
        if seen.watching
            && response.upload.is_whole()
            && let Poll::Ready(glance) = client.socket.poll_glance(cx)
        {
            // A response that pauses would find out with its next byte, which may never come.
            if self.has_left(glance) {
                return Poll::Ready(End::ClientGone);
            }
            seen.watching = false;
        }
        match relay.poll(cx, &response.socket, &client.socket, tools) {
            Poll::Ready(Ok(())) => return Poll::Ready(End::Complete),
            Poll::Ready(Err(broken)) => return Poll::Ready(End::of(&broken)),
            Poll::Pending => {}
        }
        let now = (relay.moved(), relay.waits_for_receiver());
        if (seen.moved, seen.waits_for_receiver) != now {
            (seen.moved, seen.waits_for_receiver) = now;
            let now = self.worker.now().tick();
            // Looked at before it is moved on: a response that moves a byte at every look has its
            // end as well.
            if now >= self.end() {
                return Poll::Ready(End::Late);
            }
            self.arm(relay, now);
        }
        if client.deadline.poll_expired(cx) {
            Poll::Ready(End::Late)
        } else {
            Poll::Pending
        }
    }

    /// Sets the deadline for what the relay waits for: the client, which must take something, or the
    /// backend, which may be silent as long as the route lets it.
    fn arm(&self, relay: &Relay, now: Tick) {
        self.client.deadline.set(if relay.waits_for_receiver() {
            self.write_deadline(now)
        } else {
            self.silence_deadline(now)
        });
    }

    /// What becomes of both connections after the response.
    fn conclude(
        &mut self,
        mut response: Response,
        relay: &mut Relay,
        passage: Passage,
        end: End,
    ) -> After {
        self.story.end = end;
        if end != End::Complete {
            return After::Cut;
        }
        let whole = match &mut response.upload {
            Upload::Done => true,
            Upload::Underway(upload) if upload.is_done() => {
                self.behind = upload.leftover();
                true
            }
            Upload::Underway(_) | Upload::Refused { .. } => false,
        };
        let clean = relay.leftover().is_none();
        if clean && whole && response.keep && response.head().persistent {
            let id = response.endpoint.id();
            self.worker
                .idle
                .put(id, response.socket, self.worker.recent());
        }
        self.worker.parsers.keep(response.parser);
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
        if self.head().version == Version::Http10 {
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
        self.story.sends_head(draft.len());
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let sent = send(socket, deadline, &mut draft, NO_BODY, &mut 0).await;
        self.worker.keep_draft(draft);
        sent.map_err(|_| Failure::ClientGone)
    }
}

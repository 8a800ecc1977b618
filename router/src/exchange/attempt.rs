//! Attempts: a connection to an endpoint, the request on it, and the head of its response.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use router_core::endpoint::{Endpoint, InFlight};
use router_core::failure::{EndpointFault, Failure};
use router_core::headers::request::{self, Arrival, Destination};
use router_core::http1::framing::BodyLength;
use router_core::http1::request::{Form, Method};
use router_core::retry::{self, Attempt, Next, Reached};
use router_core::tick::Tick;

use super::Exchange;
use super::send::{Unsent, send};
use crate::buffers::Buffer;
use crate::clock::Moment;
use crate::relay::{Broken, Relay};
use crate::socket::{Glance, Socket};
use crate::upstream::dial;

/// A response whose head has come.
#[derive(Debug)]
pub(super) struct Response {
    /// Who sent it.
    pub(super) endpoint: Arc<Endpoint>,
    /// Counts it until the last byte of its body.
    pub(super) _in_flight: InFlight,
    /// The connection it comes on.
    pub(super) socket: Socket,
    /// The head, and what came behind it.
    pub(super) received: Option<Buffer>,
    /// The rest of the request's body.
    pub(super) upload: Upload,
    /// Whether the connection may serve again, as far as the request goes.
    pub(super) keep: bool,
    /// When the attempt began.
    pub(super) began: Moment,
}

/// A request's body on its way to the backend.
#[derive(Debug)]
pub(super) enum Upload {
    /// All of it is there.
    Done,
    /// Some of it is to come.
    Underway(Box<Relay>),
    /// The backend took no more of it; its response may still come.
    Refused,
}

/// Why there is no response.
enum NoResponse {
    /// The endpoint failed.
    Endpoint(Attempt),
    /// The request itself failed: the client is told, nobody else is tried.
    Client(Failure),
}

/// Interim responses of one exchange; more than this is a flood.
const INTERIM: u32 = 32;

impl Exchange {
    /// Tries endpoints until one begins to respond.
    pub(super) async fn first_response(&mut self) -> Result<Response, Failure> {
        self.scratch.tried.clear();
        let repeatable = {
            let head = self.head();
            retry::is_repeatable(head.method, head.body, self.fields())
        };
        let mut fault = EndpointFault::NoneAvailable;
        for _ in 0..self.worker.settings.backend.max_attempts.max(1) {
            let (endpoint, in_flight) = match self.select() {
                Err(Failure::Endpoint(_)) => return Err(Failure::Endpoint(fault)),
                selected => selected?,
            };
            self.story.endpoint = Some(Arc::clone(&endpoint));
            self.worker.metrics.request(endpoint.component());
            let mut fresh = false;
            let attempt = loop {
                match self.attempt(&endpoint, fresh, repeatable).await {
                    Ok(reply) => return Ok(reply.into_response(endpoint, in_flight)),
                    Err(NoResponse::Client(failure)) => return Err(failure),
                    Err(NoResponse::Endpoint(attempt)) => {
                        self.story.attempt_failed(&self.worker, &endpoint, attempt);
                        if retry::decide(attempt, repeatable) != Next::Fresh || fresh {
                            break attempt;
                        }
                        self.worker.metrics.upstream_stale();
                        fresh = true;
                    }
                }
            };
            fault = attempt.fault;
            if retry::ejects(attempt) {
                endpoint.mark_failed(self.worker.clock.now());
                self.worker.metrics.ejection();
            }
            if retry::decide(attempt, repeatable) == Next::GiveUp {
                break;
            }
            self.worker.metrics.retry();
            self.scratch.tried.push(endpoint.id());
        }
        Err(Failure::Endpoint(fault))
    }

    /// One attempt at one endpoint.
    async fn attempt(
        &mut self,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
        repeatable: bool,
    ) -> Result<Reply, NoResponse> {
        let began = self.story.attempt_began(&self.worker);
        let (socket, reused) = self.connect(endpoint, fresh, repeatable, began).await?;
        let failed = |fault, reached| {
            NoResponse::Endpoint(Attempt {
                fault,
                reached,
                reused,
            })
        };
        if self.worker.settings.logs_local_address {
            self.story.local = socket.local_address();
        }
        let keep = self.prepare(endpoint);
        self.client
            .deadline
            .set(self.response_deadline(began.tick()));

        let body_end = self.body_end();
        let input = self.input.filled();
        let with_head = &input[self.head().end..body_end];
        let parts = self.scratch.parts.slices(input).chain(Some(with_head));
        let mut written = 0;
        if let Err(unsent) = send(&socket, &self.client.deadline, parts, &mut written).await {
            let reached = match written {
                0 => Reached::Nothing,
                count if count <= self.scratch.parts.len() => Reached::Head,
                _ => Reached::Body,
            };
            return Err(failed(fault_of(unsent), reached));
        }
        self.story.request_bytes = with_head.len() as u64;
        let upload = self.upload(body_end);
        let mut reply = Reply {
            socket,
            received: None,
            upload,
            stage: None,
            keep,
            reused,
            began,
        };
        let to_head = self.head().method == Method::Head;
        self.scratch.response.begin(0, to_head);
        self.await_head(&mut reply).await?;
        Ok(reply)
    }

    /// A connection to the endpoint: an idle one, or a new one.
    async fn connect(
        &mut self,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
        repeatable: bool,
        began: Moment,
    ) -> Result<(Socket, bool), NoResponse> {
        if !fresh
            && let Some(socket) = self
                .worker
                .idle
                .take(endpoint.id(), began.tick(), !repeatable)
        {
            self.worker.metrics.upstream_reuse();
            return Ok((socket, true));
        }
        let settings = &self.worker.settings.backend;
        let limit = self
            .story
            .policy
            .and_then(|policy| policy.connect)
            .unwrap_or(settings.dial);
        self.client.deadline.set(
            self.story
                .overall(began.tick().plus(limit), settings.request),
        );
        let (resolver, clock) = (&self.worker.resolver, self.worker.clock);
        let mut dialling = pin!(dial(endpoint, resolver, clock, settings.keepalive));
        let dialled = poll_fn(|cx| match dialling.as_mut().poll(cx) {
            Poll::Pending if self.client.deadline.poll_expired(cx) => {
                Poll::Ready(Err(EndpointFault::DialTimeout))
            }
            polled => polled,
        })
        .await;
        self.worker.metrics.upstream_connect();
        let dialled = dialled.map_err(|fault| {
            NoResponse::Endpoint(Attempt {
                fault,
                reached: Reached::Nothing,
                reused: false,
            })
        })?;
        self.story.dialled(&dialled);
        Ok((dialled.socket, false))
    }

    /// Writes the head for this endpoint. Says whether the connection may be kept afterwards.
    fn prepare(&mut self, endpoint: &Endpoint) -> bool {
        let input = self.input.filled();
        let head = self.scratch.request.head();
        let missing_host = head.form == Form::Absolute
            && !head
                .fields
                .iter()
                .any(|field| field.kind == router_core::field::FieldKind::Host);
        let arrival = Arrival {
            client: self.story.client,
            peer_text: self.client.peer_text(),
            tls: false,
            unix_millis: self.story.began_unix_nanos / 1_000_000,
            id: self.story.id(),
            body: head.body,
            length_needs_rewrite: head.length_needs_rewrite,
            upgrade: head.upgrade,
            connection_names_fields: head.connection_names_fields,
            missing_host: missing_host.then(|| head.authority.of(input)),
        };
        let facts = endpoint.facts();
        let instance = facts.instance_id();
        let destination = Destination {
            app: facts.app(),
            instance: if instance.is_empty() {
                facts.address()
            } else {
                instance
            },
            index: facts.instance_index(),
        };
        let edits = &mut self.scratch.edits;
        let fields = head.fields(input);
        let keep = request::edit(
            fields,
            &self.worker.settings.rules,
            &arrival,
            &destination,
            edits,
        );
        self.scratch.parts.request(input, head, edits);
        if self.worker.log.borrow().wanted() {
            self.scratch.forwarded_for.clear();
            self.scratch
                .forwarded_for
                .extend_from_slice(edits.added_value("X-Forwarded-For"));
        }
        keep
    }

    /// What is to be sent of the body beyond what goes with the head.
    fn upload(&mut self, body_end: usize) -> Upload {
        let most = self.story.policy.and_then(|policy| policy.max_body);
        let most = most
            .or(self.worker.settings.client.max_body)
            .unwrap_or(u64::MAX);
        let head = self.scratch.request.head();
        let relay = match head.body {
            BodyLength::Exact(length) => {
                let left = length - (body_end - head.end) as u64;
                if left == 0 {
                    return Upload::Done;
                }
                Relay::new(BodyLength::Exact(left), false, None, 0, most)
            }
            BodyLength::Chunked => {
                // What came behind the head belongs to the body until its end is found.
                let there = &self.input.filled()[head.end..];
                let mut buffer = self.worker.tools.buffers.small();
                if !buffer.append(there) {
                    buffer = self.worker.tools.buffers.large();
                    // The largest head buffer is smaller than this one.
                    let fits = buffer.append(there);
                    debug_assert!(fits);
                }
                Relay::new(BodyLength::Chunked, true, Some(buffer), 0, most)
            }
            BodyLength::Empty | BodyLength::UntilClose => return Upload::Done,
        };
        Upload::Underway(Box::new(relay))
    }

    fn response_deadline(&self, from: Tick) -> Tick {
        let settings = &self.worker.settings.backend;
        let first_byte = self.story.policy.and_then(|policy| policy.first_byte);
        let first_byte = first_byte.or(settings.first_byte);
        let by = match (first_byte, settings.request) {
            (Some(limit), _) | (None, Some(limit)) => from.plus(limit),
            (None, None) => Tick::from_millis(u64::MAX - 1),
        };
        self.story.overall(by, settings.request)
    }

    /// Reads until the head of the final response, or of a 101, is complete; interim responses are
    /// passed on. The rest of the request's body goes out meanwhile.
    async fn await_head(&mut self, reply: &mut Reply) -> Result<(), NoResponse> {
        let limits = self.worker.settings.backend.limits;
        let mut watching = true;
        let mut interim = 0;
        loop {
            poll_fn(|cx| self.poll_receive(cx, reply, &mut watching)).await?;
            loop {
                let there = reply.received.as_ref().map_or(&[][..], Buffer::filled);
                let parsed = self.scratch.response.advance(there, &limits);
                match parsed {
                    Ok(false) => break,
                    Ok(true) if self.scratch.response.head().is_interim() => {
                        interim += 1;
                        if interim > INTERIM {
                            return Err(reply.failed(EndpointFault::Unsolicited));
                        }
                        self.pass_interim(reply).await?;
                    }
                    Ok(true) => return Ok(()),
                    Err(refusal) => {
                        return Err(reply.failed(EndpointFault::Malformed(refusal)));
                    }
                }
            }
        }
    }

    /// Reads more of the response, sends more of the request, and notices a client that left.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        reply: &mut Reply,
        watching: &mut bool,
    ) -> Poll<Result<(), NoResponse>> {
        if let Upload::Underway(relay) = &mut reply.upload {
            match relay.poll(cx, &self.client.socket, &reply.socket, &self.worker.tools) {
                Poll::Ready(Err(Broken::Sink)) => reply.upload = Upload::Refused,
                Poll::Ready(Err(broken)) => {
                    return Poll::Ready(Err(NoResponse::Client(client_failure(&broken))));
                }
                Poll::Ready(Ok(())) | Poll::Pending => self.arm_upload(reply),
            }
        } else if *watching && let Poll::Ready(seen) = self.client.socket.poll_glance(cx) {
            if seen == Glance::Ended && self.has_left() {
                return Poll::Ready(Err(NoResponse::Client(Failure::ClientGone)));
            }
            *watching = false;
        }
        // A request that waits has no buffer for its response: the one that takes it is still warm
        // from the response before.
        let buffers = &self.worker.tools.buffers;
        let mut buffer = reply.received.take().unwrap_or_else(|| buffers.small());
        if buffer.is_full() {
            let most = self.worker.settings.backend.limits.head_bytes;
            buffer.grow(most + most / 4 + 1024);
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
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(reply.failed(broken(&error)))),
            Poll::Pending if self.client.deadline.poll_expired(cx) => {
                Poll::Ready(Err(reply.too_late()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sets the deadline for what an upload waits for: the client, which must send something, or
    /// the backend, which must take it and then respond.
    fn arm_upload(&self, reply: &mut Reply) {
        let Upload::Underway(relay) = &reply.upload else {
            return;
        };
        let stage = (relay.moved(), relay.is_done(), relay.waits_for_receiver());
        if reply.stage == Some(stage) {
            return;
        }
        reply.stage = Some(stage);
        let now = self.worker.clock.now();
        let settings = &self.worker.settings;
        let by = if relay.is_done() || relay.waits_for_receiver() {
            self.response_deadline(now)
        } else {
            self.story.overall(
                now.plus(settings.client.upload_stall),
                settings.backend.request,
            )
        };
        self.client.deadline.set(by);
    }

    /// Whether a client that sends no more is gone. One that said it would close, or speaks 1.0,
    /// may have closed its half and still wait for the response (RFC 9112 §9.6).
    pub(super) fn has_left(&self) -> bool {
        self.head().persistent
    }
}

/// A connection that a request was sent on.
struct Reply {
    socket: Socket,
    /// What came of the response, from the start of the head under way.
    received: Option<Buffer>,
    upload: Upload,
    /// How far the upload was when the deadline was last set.
    stage: Option<(u64, bool, bool)>,
    keep: bool,
    reused: bool,
    began: Moment,
}

impl Reply {
    fn into_response(self, endpoint: Arc<Endpoint>, in_flight: InFlight) -> Response {
        let Self {
            socket,
            received,
            upload,
            keep,
            began,
            ..
        } = self;
        Response {
            endpoint,
            _in_flight: in_flight,
            socket,
            received,
            upload,
            keep,
            began,
        }
    }

    /// The deadline passed.
    fn too_late(&self) -> NoResponse {
        match &self.upload {
            Upload::Underway(relay) if relay.waits_for_receiver() => {
                self.failed(EndpointFault::RequestTimeout)
            }
            Upload::Underway(relay) if !relay.is_done() => NoResponse::Client(Failure::BodyTimeout),
            _ => self.failed(EndpointFault::ResponseTimeout),
        }
    }

    /// The endpoint failed after the request was sent.
    fn failed(&self, fault: EndpointFault) -> NoResponse {
        let reached = match &self.upload {
            _ if self.received.is_some() => Reached::Response,
            Upload::Done => Reached::Head,
            Upload::Underway(_) | Upload::Refused => Reached::Body,
        };
        NoResponse::Endpoint(Attempt {
            fault,
            reached,
            reused: self.reused,
        })
    }
}

impl Exchange {
    /// Passes an interim response on to a client that can read it (RFC 9110 §15.2).
    async fn pass_interim(&mut self, reply: &mut Reply) -> Result<(), NoResponse> {
        let end = self.scratch.response.head().end;
        if let Some(received) = &mut reply.received {
            self.send_interim(received)
                .await
                .map_err(NoResponse::Client)?;
            received.consume(end);
        }
        reply
            .received
            .take_if(|received| received.filled().is_empty());
        let to_head = self.head().method == Method::Head;
        self.scratch.response.begin(0, to_head);
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

fn fault_of(unsent: Unsent) -> EndpointFault {
    match unsent {
        Unsent::Broken(error) => broken(&error),
        Unsent::Late => EndpointFault::RequestTimeout,
    }
}

fn broken(error: &io::Error) -> EndpointFault {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => EndpointFault::Reset,
        _ => EndpointFault::Broken,
    }
}

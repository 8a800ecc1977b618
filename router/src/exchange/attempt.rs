//! Attempts: a connection to an endpoint, the request on it, and the head of its response.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use router_core::endpoint::Endpoint;
use router_core::failure::{EndpointFault, Failure};
use router_core::headers::request::{self, Arrival, Destination};
use router_core::http1::response::ResponseParser;
use router_core::http1::write;
use router_core::retry::{self, Attempt, Next, Reached};

use super::Exchange;
use super::reply::{NoResponse, Reply, Response, broken};
use super::send::{Unsent, send};
use crate::io::clock::Moment;
use crate::io::socket::Socket;
use crate::upstream::dial;

impl Exchange {
    /// Tries endpoints until one begins to respond.
    pub(super) async fn first_response(&mut self) -> Result<Response, Failure> {
        self.scratch.tried.clear();
        let repeatable = {
            let head = self.head();
            retry::is_repeatable(head.method, head.body, self.fields())
        };
        let mut fault = EndpointFault::NoneAvailable;
        for _ in 0..self.settings.backend.max_attempts.max(1) {
            let (endpoint, in_flight) = match self.select() {
                Err(Failure::Endpoint(_)) => return Err(Failure::Endpoint(fault)),
                selected => selected?,
            };
            self.story.endpoint = Some(Arc::clone(&endpoint));
            self.worker.metrics.request(endpoint.component());
            let mut fresh = false;
            let attempt = loop {
                match self.attempt(&endpoint, fresh, repeatable).await {
                    Ok((reply, parser)) => {
                        return Ok(reply.into_response(parser, endpoint, in_flight));
                    }
                    Err(NoResponse::Client(failure)) => return Err(failure),
                    Err(NoResponse::Endpoint(attempt)) => {
                        let stale = retry::decide(attempt, repeatable) == Next::Fresh && !fresh;
                        self.story
                            .attempt_failed(&self.worker, &endpoint, attempt, stale);
                        if !stale {
                            break attempt;
                        }
                        self.worker.metrics.upstream_stale();
                        fresh = true;
                    }
                }
            };
            fault = attempt.fault;
            if retry::ejects(attempt) {
                self.eject(&endpoint, fault);
            }
            if retry::decide(attempt, repeatable) == Next::GiveUp {
                break;
            }
            self.worker.metrics.retry();
            self.scratch.tried.push(endpoint.id());
        }
        Err(Failure::Endpoint(fault))
    }

    /// Leaves the endpoint out for a while.
    #[cold]
    fn eject(&self, endpoint: &Endpoint, fault: EndpointFault) {
        let now = self.worker.clock.now();
        let ejection = self.settings.backend.ejection;
        if let Some(left_out) = endpoint.stats().ejection_line(ejection, now) {
            tracing::warn!(
                endpoint = endpoint.address(),
                app = endpoint.facts().app(),
                error = %fault,
                left_out,
                "endpoint-ejected"
            );
        }
        endpoint.mark_failed(now);
        self.worker.metrics.ejection();
    }

    /// One attempt at one endpoint.
    async fn attempt(
        &mut self,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
        repeatable: bool,
    ) -> Result<(Reply, Box<ResponseParser>), NoResponse> {
        let began = self.story.attempt_began(&self.worker);
        let (socket, reused) = self.connect(endpoint, fresh, repeatable, began).await?;
        let failed = |fault, reached| {
            NoResponse::Endpoint(Attempt {
                fault,
                reached,
                reused,
            })
        };
        if self.settings.logs_local_address {
            self.story.local = socket.local_address();
        }
        let mut draft = self.worker.draft();
        let keep = self.prepare(endpoint, &mut draft);
        let head_length = draft.len();
        let response_due = self.response_deadline(began.tick());
        let write_due = self.write_deadline(began.tick());
        self.client.deadline.set(response_due.min(write_due));

        let body_end = self.body_end();
        let input = self.input.filled();
        let with_head = &input[self.head().end..body_end];
        let (deadline, parts) = (&self.client.deadline, [with_head, b"", b""]);
        let mut written = 0;
        if let Err(unsent) = send(&socket, deadline, &mut draft, parts, &mut written).await {
            let reached = match written {
                0 => Reached::Nothing,
                count if count <= head_length => Reached::Head,
                _ => Reached::Body,
            };
            return Err(failed(fault_of(unsent), reached));
        }
        self.client.deadline.set(response_due);
        self.worker.keep_draft(draft);
        self.story.request_bytes = with_head.len() as u64;
        let upload = self.upload(body_end);
        let continue_due = self.continue_due(&upload, began.tick());
        let mut reply = Reply {
            socket,
            received: None,
            upload,
            interim: false,
            continue_due,
            stage: None,
            keep,
            reused,
            began,
        };
        match self.await_head(&mut reply).await {
            Ok(parser) => Ok((reply, parser)),
            Err(none) => {
                self.story.request_bytes += reply.upload.moved();
                Err(none)
            }
        }
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
        let settings = &self.settings.backend;
        let limit = self.dial_limit();
        self.client.deadline.set(self.dial_deadline(began.tick()));
        let (resolver, clock) = (&self.worker.resolver, &self.worker.clock);
        let mut made_room = false;
        let dialled = loop {
            let mut dialling = pin!(dial(endpoint, resolver, clock, limit, settings.keepalive));
            let dialled = poll_fn(|cx| match dialling.as_mut().poll(cx) {
                Poll::Pending if self.client.deadline.poll_expired(cx) => {
                    Poll::Ready(Err(EndpointFault::DialTimeout))
                }
                polled => polled,
            })
            .await;
            let exhausted = matches!(dialled, Err(EndpointFault::Exhausted));
            if !exhausted || std::mem::replace(&mut made_room, true) {
                break dialled;
            }
            self.worker.make_room();
            tokio::task::yield_now().await;
        };
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
    fn prepare(&mut self, endpoint: &Endpoint, draft: &mut Vec<u8>) -> bool {
        let input = self.input.filled();
        let head = self.scratch.request.head();
        let arrival = Arrival {
            client: self.story.client,
            peer_text: self.client.peer_text(),
            tls: false,
            version: head.version,
            unix_millis: self.story.began_unix_nanos / 1_000_000,
            id: self.story.id_bytes(),
            body: head.body,
            length_needs_rewrite: head.length_needs_rewrite,
            says_length: head.method.says_length(),
            upgrade: head.upgrade,
            connection_names_fields: head.connection_names_fields,
            target_host: head.target_host(input),
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
        let edits = &mut *self.worker.edits.borrow_mut();
        let fields = head.fields(input);
        let keep = request::edit(fields, &self.settings.rules, &arrival, &destination, edits);
        write::request(draft, input, head, edits);
        if self.worker.log.borrow().wanted() {
            self.scratch.forwarded_for.clear();
            self.scratch
                .forwarded_for
                .extend_from_slice(edits.forwarded_for());
        }
        keep
    }
}

fn fault_of(unsent: Unsent) -> EndpointFault {
    match unsent {
        Unsent::Broken(error) => broken(&error),
        Unsent::Late => EndpointFault::RequestTimeout,
    }
}

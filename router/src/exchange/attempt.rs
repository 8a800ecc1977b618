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
use super::response::{Awaited, Begun, NoResponse, Response, broken};
use super::select::{Selected, select};
use super::send::{Cause, send};
use super::upload::Upload;
use crate::io::clock::Moment;
use crate::io::socket::Socket;
use crate::upstream::dial;

impl Exchange {
    /// Tries endpoints until one begins to respond.
    pub(super) async fn first_response(&mut self) -> Result<Response<Begun>, Failure> {
        let repeatable = {
            let head = self.request.head();
            retry::is_repeatable(head.method, head.body, self.request.fields())
        };
        let mut fault = EndpointFault::NoneAvailable;
        for _ in 0..self.settings.backend.max_attempts {
            let began = self.record.began_tick();
            let (worker, settings) = (&self.worker, &self.settings);
            let selected = match select(worker, settings, &self.request, &self.tried, began) {
                Err(Failure::Endpoint(_)) => return Err(Failure::Endpoint(fault)),
                selected => selected?,
            };
            let Selected {
                endpoint,
                in_flight,
                limits,
            } = selected;
            self.limits = limits;
            self.record.endpoint = Some(Arc::clone(&endpoint));
            self.worker.metrics.request(endpoint.component());
            let mut fresh = false;
            let attempt = loop {
                match self.attempt(&endpoint, fresh, repeatable).await {
                    Ok((response, parser)) => {
                        return Ok(response.begin(parser, endpoint, in_flight));
                    }
                    Err(NoResponse::Client(failure)) => return Err(failure),
                    Err(NoResponse::Endpoint(attempt)) => {
                        let stale = retry::decide(attempt, repeatable) == Next::Fresh && !fresh;
                        self.record
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
            self.tried.push(endpoint.id());
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
    ) -> Result<(Response<Awaited>, Box<ResponseParser>), NoResponse> {
        let began = self.record.attempt_began(&self.worker);
        let (socket, reused) = self.connect(endpoint, fresh, repeatable, began).await?;
        let failed = |fault, reached| {
            NoResponse::Endpoint(Attempt {
                fault,
                reached,
                reused,
            })
        };
        if self.settings.logs_local_address {
            self.record.local = socket.local_address();
        }
        let mut draft = self.worker.draft();
        let keep = self.prepare(endpoint, &mut draft);
        let head_length = draft.len();
        let sent = if reused { began } else { self.worker.now() }.tick();
        let response_due = self.limits.response_deadline(sent);
        let write_due = self.limits.write_deadline(sent);
        self.client.deadline.set(response_due.min(write_due));

        let with_head = self.request.body_with_head();
        let (deadline, parts) = (&self.client.deadline, [with_head, b"", b""]);
        if let Err(unsent) = send(&socket, deadline, &mut draft, parts).await {
            let reached = match unsent.written {
                0 => Reached::Nothing,
                count if count <= head_length => Reached::Head,
                _ => Reached::Body,
            };
            return Err(failed(fault_of(unsent.cause), reached));
        }
        self.client.deadline.set(response_due);
        self.worker.keep_draft(draft);
        self.record.request_bytes = with_head.len() as u64;
        let (rules, buffers) = (&self.settings.rules, &self.worker.tools.buffers);
        let upload = Upload::new(&self.request, rules, buffers, self.limits.max_body);
        let continue_due = self.continue_due(&upload, sent);
        let mut response = Response {
            socket,
            received: None,
            upload,
            continue_due,
            keep,
            began,
            sent,
            state: Awaited {
                reused,
                interim: false,
                stage: None,
                watching: true,
            },
        };
        match self.await_head(&mut response).await {
            Ok(parser) => Ok((response, parser)),
            Err(none) => {
                self.record.request_bytes += response.upload.moved();
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
        let probes = self.settings.backend_probes;
        let limit = self.limits.dial;
        self.client
            .deadline
            .set(self.limits.dial_deadline(began.tick()));
        let (resolver, clock) = (&self.worker.resolver, &self.worker.clock);
        let mut made_room = false;
        let dialled = loop {
            let mut dialling = pin!(dial(endpoint, resolver, clock, limit, probes));
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
        self.record.dialled(&dialled);
        Ok((dialled.socket, false))
    }

    /// Writes the head for this endpoint. Returns whether the connection may be kept afterwards.
    fn prepare(&mut self, endpoint: &Endpoint, draft: &mut Vec<u8>) -> bool {
        let input = self.request.input.filled();
        let head = self.request.head();
        let arrival = Arrival {
            sender: self.sender,
            peer_text: self.client.peer_text(),
            tls: false,
            version: head.version,
            unix_millis: self.record.began_unix_nanos / 1_000_000,
            id: self.record.id_bytes(),
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
            self.forwarded_for.clear();
            self.forwarded_for.extend_from_slice(edits.forwarded_for());
        }
        keep
    }
}

fn fault_of(cause: Cause) -> EndpointFault {
    match cause {
        Cause::Broken(error) => broken(&error),
        Cause::Late => EndpointFault::RequestTimeout,
    }
}

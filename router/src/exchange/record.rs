//! What happened to a request, for the log, the counters and those who watch.

mod ended;

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use component::tick::Tick;
use router_core::access_log::{Glimpse, Tried};
use router_core::endpoint::Endpoint;
use router_core::failure::{Answer, EndpointFault, Failure};
use router_core::retry::Attempt;

use super::response::{Begun, Response};
use crate::io::clock::Moment;
use crate::io::relay::Broken;
use crate::upstream::Dialled;
use crate::worker::Worker;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The response was delivered whole.
    Complete,
    /// The client stopped taking it.
    ClientGone,
    /// The backend broke it off.
    Truncated,
    /// It took too long.
    Late,
}

impl End {
    pub(super) const fn of(broken: &Broken) -> Self {
        match broken {
            Broken::Sink => Self::ClientGone,
            Broken::Source | Broken::Malformed(_) | Broken::TooLong => Self::Truncated,
        }
    }
}

/// What happened in one exchange, written down as it happens.
#[derive(Debug)]
pub(super) struct Record {
    began: Moment,
    pub(super) began_unix_nanos: u64,
    id: [u8; 36],
    /// The endpoint tried last.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// Bytes of heads that went to the client.
    sent_heads: Cell<u64>,
    status: Option<u16>,
    /// Why the router answered, or what the app says of that in its own response.
    router_error: String,
    /// Time spent on others, beside that of attempts.
    pub(super) waited: Cell<Duration>,
    backend_time: Option<Duration>,
    dial_time: Option<Duration>,
    dns_time: Option<Duration>,
    /// This router's end of the connection to the backend, if it is to be logged.
    pub(super) local: Option<SocketAddr>,
    attempt_began: Moment,
    /// An endpoint is being tried.
    trying: bool,
    failed_attempts: u32,
    failed_attempts_time: Duration,
    attempts: Vec<Tried>,
    /// A health check: logged, but not counted.
    pub(super) not_traffic: bool,
    /// What was made out of a head that was refused.
    pub(super) glimpse: Option<Box<Glimpse>>,
    pub(super) end: End,
}

impl Record {
    /// A request begins.
    pub(super) fn begin(worker: &Worker) -> Self {
        let began = worker.now();
        let mut random = [0; 16];
        random[..8].copy_from_slice(&worker.entropy().to_ne_bytes());
        random[8..].copy_from_slice(&worker.entropy().to_ne_bytes());
        let mut id = [0; 36];
        uuid::Builder::from_random_bytes(random)
            .as_uuid()
            .hyphenated()
            .encode_lower(&mut id);
        Self {
            began,
            began_unix_nanos: worker.clock.unix_nanos(began),
            id,
            endpoint: None,
            request_bytes: 0,
            response_bytes: 0,
            sent_heads: Cell::new(0),
            status: None,
            router_error: String::new(),
            waited: Cell::new(Duration::ZERO),
            backend_time: None,
            dial_time: None,
            dns_time: None,
            local: None,
            attempt_began: began,
            trying: false,
            failed_attempts: 0,
            failed_attempts_time: Duration::ZERO,
            attempts: Vec::new(),
            not_traffic: false,
            glimpse: None,
            end: End::Complete,
        }
    }

    /// The request's id.
    pub(super) fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// The request's id as it goes into heads.
    pub(super) const fn id_bytes(&self) -> &[u8] {
        &self.id
    }

    /// When it began.
    pub(super) fn began_tick(&self) -> Tick {
        self.began.tick()
    }

    /// The head is complete. If we waited for it, the first attempt begins now, not at the first byte.
    pub(super) fn head_complete(&mut self, worker: &Worker) {
        if !self.waited.get().is_zero() {
            self.attempt_began = worker.now();
        }
    }

    pub(super) fn attempt_began(&mut self, worker: &Worker) -> Moment {
        self.trying = true;
        // What the attempt before dialled is not what this one has.
        self.dial_time = None;
        self.dns_time = None;
        if self.failed_attempts > 0 {
            self.attempt_began = worker.now();
        }
        self.attempt_began
    }

    pub(super) const fn dialled(&mut self, dialled: &Dialled) {
        self.dial_time = Some(dialled.dial);
        self.dns_time = dialled.dns;
    }

    /// Whether the attempt had an idle connection.
    pub(super) const fn is_reused(&self) -> bool {
        self.dial_time.is_none()
    }

    pub(super) fn attempt_failed(
        &mut self,
        worker: &Worker,
        endpoint: &Endpoint,
        attempt: Attempt,
        stale: bool,
    ) {
        let took = worker.now().since(self.attempt_began);
        self.trying = false;
        self.failed_attempts += 1;
        self.failed_attempts_time += took;
        let outcome = outcome(attempt.fault);
        // An idle connection that its backend has closed tells nothing about the backend.
        let line = if stale {
            None
        } else {
            endpoint.stats().failure_line(worker.clock.now())
        };
        if let Some(left_out) = line {
            tracing::warn!(
                endpoint = endpoint.address(),
                app = endpoint.facts().app(),
                error = %attempt.fault,
                reused = attempt.reused,
                vcap_request_id = self.id(),
                left_out,
                "backend-endpoint-failed"
            );
        }
        if worker.shared.watch.wanted() {
            let address = endpoint.address().into();
            self.attempts.push(Tried {
                address,
                outcome,
                took,
                reused: attempt.reused,
            });
        }
    }

    /// The head of the response is complete, in these bytes. Returns the time in nanoseconds since 1970.
    pub(super) fn responded(
        &mut self,
        worker: &Worker,
        ejection: Duration,
        response: &Response<Begun>,
        received: &[u8],
    ) -> u64 {
        let now = worker.now();
        self.trying = false;
        self.status = Some(response.head().status);
        let took = now.since(response.began);
        if worker.log.borrow().wanted() || worker.shared.watch.wanted() {
            let error = response.head().fields(received).named("X-Cf-RouterError");
            self.router_error
                .push_str(&String::from_utf8_lossy(error.unwrap_or_default()));
        }
        self.backend_time = Some(took);
        if let Some(endpoint) = &self.endpoint
            && let Some(left_out) = endpoint.stats().recovery_line(ejection, now.tick())
        {
            let endpoint = endpoint.address();
            tracing::info!(endpoint, left_out, "endpoint-recovered");
        }
        if worker.shared.watch.wanted()
            && let Some(endpoint) = &self.endpoint
        {
            let reused = self.is_reused();
            let address = endpoint.address().into();
            self.attempts.push(Tried {
                address,
                outcome: "ok",
                took,
                reused,
            });
        }
        worker.clock.unix_nanos(now)
    }

    /// The router answers in a backend's place.
    pub(super) fn failed(&mut self, worker: &Worker, failure: &Failure, answer: &Answer) {
        self.status = Some(answer.status);
        self.router_error = failure.logged().into_owned();
        if self.trying {
            // The attempt that came to nothing is no time of the router's either.
            *self.waited.get_mut() += worker.now().since(self.attempt_began);
            self.trying = false;
        }
        if *failure == Failure::ClientGone {
            self.end = End::ClientGone;
        }
    }

    /// A head of so many bytes goes to the client.
    pub(super) fn sends_head(&self, bytes: usize) {
        self.sent_heads.set(self.sent_heads.get() + bytes as u64);
    }

    /// The part of `total` that was not spent on others.
    fn own_time(&self, total: Duration) -> Duration {
        total
            .saturating_sub(self.waited.get())
            .saturating_sub(self.failed_attempts_time)
            .saturating_sub(self.backend_time.unwrap_or_default())
    }

    pub(super) const fn answered(&mut self, status: u16, bytes: u64) {
        self.status = Some(status);
        self.response_bytes = bytes;
    }
}

impl End {
    /// How it stands in the log when the router made no answer; in gorouter's words where it has
    /// them.
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "",
            Self::ClientGone => "client-conn-closed-during-response-streaming",
            Self::Truncated => "response_truncated",
            Self::Late => "timeout",
        }
    }
}

const fn outcome(fault: EndpointFault) -> &'static str {
    match fault {
        EndpointFault::NoneAvailable => "none-available",
        EndpointFault::Refused => "refused",
        EndpointFault::Unreachable => "unreachable",
        EndpointFault::DialTimeout => "dial-timeout",
        EndpointFault::UnknownName => "unknown-name",
        EndpointFault::TlsUnsupported => "tls-unsupported",
        EndpointFault::Closed => "closed",
        EndpointFault::Reset => "reset",
        EndpointFault::ResponseTimeout => "response-timeout",
        EndpointFault::RequestTimeout => "request-timeout",
        EndpointFault::Malformed(_) => "malformed",
        EndpointFault::Unsolicited => "unsolicited",
        EndpointFault::InterimFlood => "interim-flood",
        EndpointFault::Exhausted => "exhausted",
        EndpointFault::Broken => "broken",
    }
}

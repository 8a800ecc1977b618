//! What happened to a request, for the log, the counters and those who watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use router_core::access_log::{Attempt as Shown, Record};
use router_core::endpoint::{Endpoint, RoutePolicy};
use router_core::failure::{Answer, EndpointFault, Failure};
use router_core::field::{FieldKind, Fields, Span};
use router_core::headers::client::Client;
use router_core::headers::request;
use router_core::http1::Version;
use router_core::retry::Attempt;
use router_core::tick::Tick;

use super::Exchange;
use crate::clock::Moment;
use crate::relay::Broken;
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

/// The story of one request, told as it happens.
#[derive(Debug)]
pub(super) struct Story {
    began: Moment,
    pub(super) began_unix_nanos: u64,
    pub(super) responded_unix_nanos: u64,
    id: [u8; 36],
    /// Who sent it.
    pub(super) client: Client,
    /// Timeouts and limits of its route.
    pub(super) policy: Option<RoutePolicy>,
    /// The endpoint tried last.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    status: Option<u16>,
    router_error: String,
    backend_time: Option<Duration>,
    dial_time: Option<Duration>,
    dns_time: Option<Duration>,
    /// This router's end of the connection to the backend, if it is to be logged.
    pub(super) local: Option<SocketAddr>,
    attempt_began: Moment,
    failed_attempts: u32,
    failed_attempts_time: Duration,
    attempts: Vec<Shown>,
    /// A health check: not counted, not logged.
    pub(super) not_traffic: bool,
    pub(super) end: End,
}

impl Story {
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
            responded_unix_nanos: 0,
            id,
            client: Client {
                peer: None,
                trusted: false,
                address: None,
            },
            policy: None,
            endpoint: None,
            request_bytes: 0,
            response_bytes: 0,
            status: None,
            router_error: String::new(),
            backend_time: None,
            dial_time: None,
            dns_time: None,
            local: None,
            attempt_began: began,
            failed_attempts: 0,
            failed_attempts_time: Duration::ZERO,
            attempts: Vec::new(),
            not_traffic: false,
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

    pub(super) fn attempt_began(&mut self, worker: &Worker) -> Moment {
        if self.failed_attempts > 0 {
            self.attempt_began = worker.now();
        }
        self.attempt_began
    }

    pub(super) const fn dialled(&mut self, dialled: &Dialled) {
        self.dial_time = Some(dialled.dial);
        self.dns_time = dialled.dns;
    }

    pub(super) fn attempt_failed(
        &mut self,
        worker: &Worker,
        endpoint: &Endpoint,
        attempt: Attempt,
        stale: bool,
    ) {
        let took = worker.now().since(self.attempt_began);
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
            self.attempts.push(Shown {
                address,
                outcome,
                took,
                reused: attempt.reused,
            });
        }
    }

    /// The head of a response came.
    pub(super) fn responded(&mut self, worker: &Worker, status: u16, attempt_began: Moment) {
        let now = worker.now();
        self.status = Some(status);
        self.responded_unix_nanos = worker.clock.unix_nanos(now);
        let took = now.since(attempt_began);
        self.backend_time = Some(took);
        if let Some(endpoint) = &self.endpoint {
            let ejection = worker.settings.backend.ejection;
            if let Some(left_out) = endpoint.stats().recovery_line(ejection, now.tick()) {
                tracing::info!(
                    endpoint = endpoint.address(),
                    left_out,
                    "endpoint-recovered"
                );
            }
        }
        if worker.shared.watch.wanted()
            && let Some(endpoint) = &self.endpoint
        {
            let reused = self.dial_time.is_none();
            let address = endpoint.address().into();
            self.attempts.push(Shown {
                address,
                outcome: "ok",
                took,
                reused,
            });
        }
    }

    /// The router answers in a backend's place.
    pub(super) fn failed(&mut self, failure: &Failure, answer: &Answer) {
        self.status = Some(answer.status);
        self.router_error = answer
            .router_error
            .as_deref()
            .unwrap_or_default()
            .to_owned();
        if *failure == Failure::ClientGone {
            self.end = End::ClientGone;
        }
        self.backend_time = None;
    }

    pub(super) const fn answered(&mut self, status: u16, bytes: u64) {
        self.status = Some(status);
        self.response_bytes = bytes;
    }
}

impl Exchange {
    /// Counts the exchange, logs it, and shows it to those who watch.
    pub(super) fn record(&mut self) {
        let story = &self.story;
        if story.not_traffic {
            return;
        }
        let worker = &self.worker;
        let total = worker.now().since(story.began);
        let gorouter_time = total.saturating_sub(story.backend_time.unwrap_or_default());
        let component = story
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.component());
        if let (Some(status), Some(_)) = (story.status, story.backend_time) {
            worker
                .metrics
                .response(status, component, total, gorouter_time);
        }
        worker.metrics.bytes_in(story.request_bytes);
        worker.metrics.bytes_out(story.response_bytes);
        let mut log = worker.log.borrow_mut();
        let watched = worker.shared.watch.wanted();
        if !log.wanted() && !watched {
            return;
        }
        let names = &worker.settings.extra_headers_to_log;
        let fields = self.logged_fields();
        // Usually there are none, and nothing is made ready for them.
        let mut places;
        let mut extra = &[][..];
        if !names.is_empty() {
            places = [("", &[][..]); EXTRA];
            for (place, (name, shown)) in places.iter_mut().zip(names) {
                *place = (shown, fields.named(name).unwrap_or_default());
            }
            extra = &places[..names.len().min(EXTRA)];
        }
        let record = self.tell(fields, total, gorouter_time, extra);
        log.write(&record);
        if watched {
            worker.shared.watch.offer(&record, &story.attempts);
        }
    }

    /// The fields, if the head was complete.
    fn logged_fields(&self) -> Fields<'_> {
        let complete = self.scratch.request.is_complete();
        Fields::new(
            self.input.filled(),
            if complete { &self.head().fields } else { &[] },
        )
    }

    fn tell<'a>(
        &'a self,
        fields: Fields<'a>,
        total: Duration,
        gorouter_time: Duration,
        extra: &'a [(&'a str, &'a [u8])],
    ) -> Record<'a> {
        let (story, head) = (&self.story, self.head());
        let known = self.scratch.request.has_request_line();
        let text = |span: Span| {
            if known {
                span.of(self.input.filled())
            } else {
                &[]
            }
        };
        let complete = self.scratch.request.is_complete();
        let field = |kind| fields.first(kind).unwrap_or_default();
        let rules = &self.worker.settings.rules;
        Record {
            host: if complete { text(head.authority) } else { &[] },
            method: text(head.method_name),
            target: text(head.target),
            version: if known {
                head.version.as_str()
            } else {
                Version::Http11.as_str()
            },
            referer: field(FieldKind::Referer),
            user_agent: field(FieldKind::UserAgent),
            x_forwarded_for: &self.scratch.forwarded_for,
            x_forwarded_proto: request::forwarded_proto(fields, rules, story.client.trusted, false),
            request_id: story.id(),
            peer: self.client.peer(),
            client: story.client.address,
            endpoint: story.endpoint.as_deref(),
            started_unix_nanos: story.began_unix_nanos,
            status: story.status,
            request_bytes: story.request_bytes,
            response_bytes: story.response_bytes,
            total,
            gorouter_time,
            backend_time: story.backend_time,
            dial_time: story.dial_time,
            dns_time: story.dns_time,
            failed_attempts: story.failed_attempts,
            failed_attempts_time: story.failed_attempts_time,
            router_error: if story.router_error.is_empty() {
                story.end.name()
            } else {
                &story.router_error
            },
            local: story.local,
            extra,
        }
    }
}

/// Extra headers in one line; the configuration allows no more.
pub(crate) const EXTRA: usize = 32;

impl End {
    /// How it stands in the log when the router made no answer.
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "",
            Self::ClientGone => "client_gone",
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

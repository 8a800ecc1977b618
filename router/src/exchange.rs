//! One request and its response, from the first byte of one to the last byte of the other.
//!
//! Reads downwards: the head is read (`head`), a route and an endpoint are chosen (`select`), the
//! request is sent (`attempt`), the response awaited (`receive`) and forwarded (`forward`), or a
//! failure is answered (`answer`); what happened is written down (`record`).

pub(crate) mod answer;
mod attempt;
mod forward;
mod head;
mod limits;
mod receive;
mod record;
mod request;
mod response;
mod select;
mod send;
mod switch;
mod upload;
mod waiting;

use std::convert::Infallible;
use std::rc::Rc;

use router_core::endpoint::EndpointId;
use router_core::failure::Failure;
use router_core::field::FieldKind;
use router_core::headers::sender::Sender;
use router_core::http1::request::RequestParser;

use self::head::Arrived;
use self::limits::ExchangeLimits;
use self::record::Record;
use self::request::Request;
use crate::config::settings::Settings;
use crate::worker::Worker;
use crate::worker::client::{After, Client, Job};
use crate::worker::reused_tasks::Slot;

/// Serves the requests that arrive in one burst, leaves what becomes of the connection, and goes on
/// with the next connection that `slot` is given.
pub(crate) async fn run(slot: Rc<Slot<Job, After>>) -> Infallible {
    let mut scratch = Scratch::default();
    loop {
        let (client, first) = slot.next().await;
        let worker = Rc::clone(&client.worker);
        // Made in place: it is too large to be moved for every burst.
        let mut exchange = Exchange {
            record: Record::begin(&worker),
            settings: worker.settings(),
            client,
            worker,
            request: Request {
                input: first,
                parser: scratch.parser,
                behind: None,
            },
            sender: Sender::default(),
            limits: ExchangeLimits::unknown(),
            tried: scratch.tried,
            forwarded_for: scratch.forwarded_for,
        };
        let after = loop {
            let after = exchange.serve().await;
            if after != After::Idle || exchange.request.input.filled().is_empty() {
                break after;
            }
            exchange.record = Record::begin(&exchange.worker);
        };
        scratch = Scratch {
            parser: exchange.request.parser,
            forwarded_for: exchange.forwarded_for,
            tried: exchange.tried,
        };
        slot.done(after);
    }
}

/// What one exchange leaves to the next, so that it is not allocated anew.
#[derive(Debug, Default)]
struct Scratch {
    parser: Box<RequestParser>,
    forwarded_for: Vec<u8>,
    tried: Vec<EndpointId>,
}

/// The state of one request.
#[derive(Debug)]
struct Exchange {
    client: Rc<Client>,
    worker: Rc<Worker>,
    /// Those in force when its burst began.
    settings: Rc<Settings>,
    request: Request,
    /// Who sent the request.
    sender: Sender,
    /// What the route allows; of no route as long as none is known.
    limits: ExchangeLimits,
    /// Endpoints that failed this request.
    tried: Vec<EndpointId>,
    /// `X-Forwarded-For` as it was sent, for the log.
    forwarded_for: Vec<u8>,
    record: Record,
}

impl Exchange {
    /// Forgets the request before this one.
    fn begin_request(&mut self) {
        self.client.answered.set(false);
        self.request.parser.begin(0);
        self.sender = Sender::default();
        self.limits = ExchangeLimits::unknown();
        self.tried.clear();
        self.forwarded_for.clear();
    }

    /// Serves one request.
    async fn serve(&mut self) -> After {
        self.begin_request();
        let after = match self.read_head().await {
            Ok(Arrived::Complete) => self.proxy().await,
            Ok(Arrived::Nothing) => return After::Close,
            Err(failure) => {
                self.make_out();
                Err(failure)
            }
        };
        let after = match after {
            Ok(after) => after,
            Err(failure) => self.answer(&failure).await,
        };
        self.finish_record();
        if after == After::Idle {
            self.request.forget();
        }
        after
    }

    /// Sends the request to endpoints in turn until one responds, and forwards its response.
    async fn proxy(&mut self) -> Result<After, Failure> {
        self.record.head_complete(&self.worker);
        self.client.seat.exchange(self.request.authority_bytes());
        self.sender = self.identify_sender();
        if self.asks_for_health() {
            return Ok(self.answer_health().await);
        }
        if self.comes_back() {
            return Err(Failure::Loop);
        }
        self.require_host()?;
        let response = self.first_response().await?;
        self.forward(response).await
    }

    /// Works out who sent the request, by its connection and the fields that were read.
    fn identify_sender(&self) -> Sender {
        Sender::of(
            self.client.peer().map(|peer| peer.ip()),
            self.client.is_trusted(),
            self.request.fields(),
            &self.settings.client.trusted_proxies,
        )
    }

    /// Whether the load balancer asks for this router rather than for an app.
    fn asks_for_health(&self) -> bool {
        let user_agent = self.request.fields().first(FieldKind::UserAgent);
        self.settings.is_health_check(user_agent)
    }

    /// Whether the request has passed through this router before.
    fn comes_back(&self) -> bool {
        let via = self.settings.rules.via.as_ref();
        self.request.head().via && via.is_some_and(|via| via.is_in(self.request.fields()))
    }

    /// Refuses a request that names no host, or only its own sender: some load balancers put the
    /// client's address there when an HTTP/1.0 request came without one.
    fn require_host(&self) -> Result<(), Failure> {
        // No address begins with a letter: IPv6 ones are in brackets.
        let first = self.request.authority_bytes().first();
        if first.is_some_and(u8::is_ascii_alphabetic) {
            return Ok(());
        }
        let (authority, path) = (self.request.authority(), self.request.path());
        let host = self.request.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_unnamed = authority.is_empty() || address == self.client.peer_text();
        let routes = &self.worker.shared.routes;
        if is_unnamed && routes.load().lookup(authority, path).is_none() {
            let host = host.to_owned();
            return Err(Failure::EmptyHost { host });
        }
        Ok(())
    }
}

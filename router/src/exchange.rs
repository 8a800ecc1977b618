//! One request and its response, from the first byte of one to the last byte of the other.
//!
//! Reads downwards: the head is read (`head`), a route and an endpoint are chosen (`select`), the
//! request is sent and the response awaited (`attempt`), the response is forwarded (`respond`), or
//! a failure is answered (`answer`); what happened is written down (`story`).

pub(crate) mod answer;
mod attempt;
mod head;
mod limits;
mod refused;
mod reply;
mod respond;
mod scratch;
mod select;
mod send;
mod story;
mod switch;
mod upload;
mod waiting;

use std::convert::Infallible;
use std::rc::Rc;

use router_core::failure::{Answer, Failure};
use router_core::field::{FieldKind, Fields};
use router_core::headers::client;
use router_core::http1::Refusal;
use router_core::http1::framing::BodyLength;
use router_core::http1::request::RequestHead;
use router_core::instance;

use self::head::Arrived;
use self::scratch::Scratch;
use self::story::Story;
use crate::config::settings::Settings;
use crate::io::buffers::Buffer;
use crate::worker::Worker;
use crate::worker::client::{After, Client, Job};
use crate::worker::runners::Desk;

/// A runner: serves the requests that arrive in one burst, says what becomes of the connection, and
/// goes on with the next connection that it is given.
pub(crate) async fn run(desk: Rc<Desk<Job, After>>) -> Infallible {
    let mut scratch = Box::<Scratch>::default();
    loop {
        let (client, first) = desk.next().await;
        let worker = Rc::clone(&client.worker);
        let mut exchange = Exchange {
            story: Story::begin(&worker),
            settings: worker.settings(),
            client,
            worker,
            input: first,
            behind: None,
            scratch,
        };
        let after = loop {
            let after = exchange.serve().await;
            if after != After::Idle || exchange.input.filled().is_empty() {
                break after;
            }
            exchange.story = Story::begin(&exchange.worker);
        };
        scratch = exchange.scratch;
        desk.done(after);
    }
}

/// The state of one request.
#[derive(Debug)]
struct Exchange {
    client: Rc<Client>,
    worker: Rc<Worker>,
    /// Those in force when its burst began.
    settings: Rc<Settings>,
    /// The request's head, what came of its body with it, and perhaps requests behind it.
    input: Buffer,
    /// What came behind a chunked body.
    behind: Option<Buffer>,
    scratch: Box<Scratch>,
    story: Story,
}

impl Exchange {
    async fn serve(&mut self) -> After {
        self.client.answered.set(false);
        self.scratch.forwarded_for.clear();
        match self.read_head().await {
            Ok(Arrived::Complete) => {}
            Ok(Arrived::Nothing) => return After::Close,
            Err(failure) => {
                self.make_out();
                let after = self.answer(&failure).await;
                self.record();
                return after;
            }
        }
        self.story.head_came(&self.worker);
        let authority = self.head().authority.of(self.input.filled());
        self.client.seat.exchange(authority);
        self.story.client = self.origin(self.fields());
        let after = match self.proxy().await {
            Ok(after) => after,
            Err(failure) => self.answer(&failure).await,
        };
        self.record();
        if after == After::Idle {
            self.forget();
        }
        after
    }

    /// Sends the request to endpoints in turn until one responds, and forwards its response.
    async fn proxy(&mut self) -> Result<After, Failure> {
        if self.asks_for_health() {
            return Ok(self.answer_health().await);
        }
        if self.comes_back() {
            return Err(Failure::Loop);
        }
        self.require_host()?;
        if let BodyLength::Exact(length) = self.head().body
            && self.body_limit().is_some_and(|most| length > most)
        {
            return Err(Failure::BodyTooLarge);
        }
        instance::asked(self.fields())?;
        let response = self.first_response().await?;
        self.respond(response).await
    }

    fn head(&self) -> &RequestHead {
        self.scratch.request.head()
    }

    fn fields(&self) -> Fields<'_> {
        self.head().fields(self.input.filled())
    }

    /// Who sent the request, by its connection and these fields.
    fn origin(&self, fields: Fields<'_>) -> client::Client {
        client::Client::of(
            self.client.peer().map(|peer| peer.ip()),
            self.client.is_trusted(),
            fields,
            &self.settings.trusted_proxies,
        )
    }

    /// Refuses a request that names no host, or only its own sender: some load balancers put the
    /// client's address there when an HTTP/1.0 request came without one.
    fn require_host(&self) -> Result<(), Failure> {
        let (authority, path) = self.looked_up();
        // No address begins with a letter: IPv6 ones are in brackets.
        if authority.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Ok(());
        }
        let host = router_core::host::bare(authority);
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_unnamed = authority.is_empty() || address == self.client.peer_text();
        let routes = &self.worker.shared.routes;
        if is_unnamed && routes.load().lookup(authority, path).is_none() {
            let host = host.to_owned();
            return Err(Failure::EmptyHost { host });
        }
        Ok(())
    }

    /// Whether the request has passed through this router before.
    fn comes_back(&self) -> bool {
        let via = self.settings.rules.via.as_ref();
        self.head().via && via.is_some_and(|via| via.is_in(self.fields()))
    }

    /// Whether the load balancer asks for this router rather than for an app.
    fn asks_for_health(&self) -> bool {
        let user_agent = self.fields().first(FieldKind::UserAgent);
        self.settings.is_health_check(user_agent)
    }

    async fn answer_health(&mut self) -> After {
        let (status, body) = match self.worker.shared.health.state().reason() {
            None => (200, "ok\n".to_owned()),
            Some(reason) => (503, format!("{reason}\n")),
        };
        let fields = "Cache-Control: private, max-age=0\r\nExpires: 0\r\n";
        self.story.not_traffic = true;
        self.send_answer(status, fields, &body, false).await
    }

    /// Where the part of the body ends that came with the head.
    fn body_end(&self) -> usize {
        let (head, there) = (self.head(), self.input.filled().len());
        match head.body {
            BodyLength::Exact(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                head.end.saturating_add(length).min(there)
            }
            _ => head.end,
        }
    }

    /// Whether nothing of the request is left to be read from the connection.
    fn is_whole(&self) -> bool {
        match self.head().body {
            BodyLength::Empty => true,
            BodyLength::Exact(length) => (self.body_end() - self.head().end) as u64 == length,
            BodyLength::Chunked | BodyLength::UntilClose => false,
        }
    }

    /// Forgets the request; what came behind it stays.
    fn forget(&mut self) {
        if self.head().body == BodyLength::Chunked {
            self.input.clear();
            if let Some(behind) = self.behind.take() {
                self.input = behind;
            }
            return;
        }
        let end = self.body_end();
        if end == self.input.filled().len() {
            self.input.clear();
        } else {
            self.input.consume(end);
        }
    }

    async fn answer(&mut self, failure: &Failure) -> After {
        let answer: Answer = failure.answer();
        self.attribute(failure);
        self.story.failed(&self.worker, failure, &answer);
        self.count_failure(failure, answer.status);
        if *failure == Failure::ClientGone {
            return After::Close;
        }
        let page = answer::page(&answer, &self.settings);
        let after = self
            .send_answer(answer.status, &page.fields, &page.body, answer.closes)
            .await;
        let late = matches!(failure, Failure::HeadTimeout | Failure::BodyTimeout);
        if late && after == After::Linger {
            After::LingerBriefly
        } else {
            after
        }
    }

    fn count_failure(&self, failure: &Failure, status: u16) {
        let metrics = &self.worker.metrics;
        match failure {
            Failure::Endpoint(_) => {
                metrics.bad_gateway();
                if self.is_websocket() {
                    metrics.websocket_failure();
                }
            }
            Failure::ConnectionLimit { .. } => metrics.exhausted(),
            Failure::ClientGone => return,
            Failure::Refused(Refusal::EmptyContentLength) => {
                metrics.empty_content_length();
                metrics.rejected();
            }
            _ => metrics.rejected(),
        }
        metrics.own_response(status);
    }
}

//! Answers that the router makes itself.

use std::pin::pin;

use component::shutdown::Phase;
use router_core::access_log::Glimpse;
use router_core::failure::{Answer, Body, Failure, reason};
use router_core::field::Span;
use router_core::http1::Refusal;
use router_core::http1::request::Method;

use super::Exchange;
use super::select::likely_endpoint;
use super::send::{NO_BODY, send};
use crate::config::settings::Settings;
use crate::io::clock::Moment;
use crate::worker::Worker;
use crate::worker::client::{After, Client};

/// The text of an answer.
#[derive(Debug)]
struct Page {
    /// Its own fields, as lines with their line ends.
    fields: String,
    /// Its body.
    body: String,
}

/// Puts an answer into words.
fn page(answer: &Answer, settings: &Settings) -> Page {
    let mut fields = String::new();
    let mut field = |name: &str, value: &str| {
        fields.push_str(name);
        fields.push_str(": ");
        fields.push_str(value);
        fields.push_str("\r\n");
    };
    if let Some(error) = &answer.router_error {
        field("X-Cf-RouterError", error);
    }
    if let Some(cache) = answer.cache_control {
        field("Cache-Control", cache);
    }
    let plain = "text/plain; charset=utf-8";
    let (body, content_type) = match &answer.body {
        Body::Empty => (String::new(), None),
        Body::Fixed(text) => ((*text).to_owned(), Some(plain)),
        Body::Message(message) => match &settings.error_page {
            Some(template) => {
                let error = answer.router_error.as_deref().unwrap_or_default();
                let page = template.render(answer.status, answer.reason(), message, error);
                (page, Some("text/html; charset=utf-8"))
            }
            None => (
                format!("{} {}: {message}\n", answer.status, answer.reason()),
                Some(plain),
            ),
        },
    };
    if let Some(content_type) = content_type {
        field("Content-Type", content_type);
        field("X-Content-Type-Options", "nosniff");
    }
    if answer.status == 405 {
        field(
            "Allow",
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE",
        );
    }
    Page { fields, body }
}

impl Exchange {
    /// Answers a request that failed, and returns what becomes of its connection.
    pub(super) async fn answer(&mut self, failure: &Failure) -> After {
        let answer = failure.answer();
        self.attribute(failure);
        self.record.failed(&self.worker, failure, &answer);
        self.count_failure(failure, answer.status);
        if *failure == Failure::ClientGone {
            return After::Close;
        }
        let page = page(&answer, &self.settings);
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

    /// Tells the load balancer whether this router wants traffic.
    pub(super) async fn answer_health(&mut self) -> After {
        let (status, body) = match self.worker.shared.health.state().reason() {
            None => (200, "ok\n".to_owned()),
            Some(reason) => (503, format!("{reason}\n")),
        };
        let fields = "Cache-Control: private, max-age=0\r\nExpires: 0\r\n";
        self.record.not_traffic = true;
        self.send_answer(status, fields, &body, false).await
    }

    /// Makes out what can be of a head that was refused or broke off, for the log.
    pub(super) fn make_out(&mut self) {
        self.sender = self.identify_sender();
        let glimpse = Glimpse::of(self.request.input.filled());
        self.record.glimpse = Some(Box::new(glimpse));
    }

    /// Whose request it would have been, had it not been too large: its app is told, as gorouter does.
    fn attribute(&mut self, failure: &Failure) {
        let too_large = matches!(
            failure,
            Failure::Refused(Refusal::HeadTooLarge) | Failure::BodyTooLarge
        );
        if !too_large || self.record.endpoint.is_some() {
            return;
        }
        let text = |span: Span| std::str::from_utf8(span.of(self.request.input.filled()));
        let looked_up = match &self.record.glimpse {
            Some(glimpse) => text(glimpse.host).ok().zip(text(glimpse.path).ok()),
            None => Some((self.request.authority(), self.request.path())),
        };
        let began = self.record.began_tick();
        self.record.endpoint = looked_up
            .and_then(|looked_up| likely_endpoint(&self.worker, &self.settings, looked_up, began));
    }

    fn count_failure(&self, failure: &Failure, status: u16) {
        let metrics = &self.worker.metrics;
        match failure {
            Failure::Endpoint(_) => {
                metrics.bad_gateway();
                if self.request.is_websocket() {
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

    /// Sends an answer of our own. `closes`: the connection cannot go on after it.
    async fn send_answer(&mut self, status: u16, fields: &str, body: &str, closes: bool) -> After {
        let complete = self.request.parser.is_complete();
        let head = self.request.head();
        let (persistent, to_head) = (head.persistent, head.method == Method::Head);
        let old = self.request.is_http10();
        let whole = complete && self.request.is_whole();
        let serving = self.worker.phase.get() == Phase::Running;
        let stays = complete && !closes && whole && persistent && serving;
        let connection = match (stays, old && complete) {
            (true, false) => "",
            (true, true) => "Connection: keep-alive\r\n",
            (false, _) => "Connection: close\r\n",
        };
        let now = self.worker.clock.read();
        let fields = format!(
            "{fields}{connection}Content-Length: {}\r\nX-Vcap-Request-Id: {}\r\n",
            body.len(),
            self.record.id(),
        );
        let head = own_head(&self.worker, &self.settings, now, status, &fields);
        let sent_body = if complete && to_head { "" } else { body };
        self.record.answered(status, sent_body.len() as u64);
        self.client.answered.set(true);
        self.client
            .deadline
            .set(now.tick().plus(self.settings.client.write_stall));
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let parts = [sent_body.as_bytes(), b"", b""];
        let mut head = head.into_bytes();
        self.record.sends_head(head.len());
        let sent = {
            let sending = pin!(send(socket, deadline, &mut head, parts));
            self.waiting(sending).await
        };
        if sent.is_err() {
            return After::Close;
        }
        if stays {
            After::Idle
        } else if whole {
            After::Close
        } else {
            After::Linger
        }
    }
}

/// The head of an answer of our own: `fields` and the date, changed as the operator wants responses.
fn own_head(
    worker: &Worker,
    settings: &Settings,
    now: Moment,
    status: u16,
    fields: &str,
) -> String {
    let fields = worker.date.with(worker.clock.unix_nanos(now), |date| {
        settings.response_rules.apply(fields, date)
    });
    format!("HTTP/1.1 {status} {}\r\n{fields}\r\n", reason(status))
}

/// Tells the client of an exchange that panicked before it sent anything.
pub(crate) async fn after_panic(client: &Client) {
    let answer = Failure::Panicked.answer();
    let worker = &client.worker;
    let settings = worker.settings();
    let page = page(&answer, &settings);
    let now = worker.clock.read();
    let fields = format!(
        "{}Connection: close\r\nContent-Length: {}\r\n",
        page.fields,
        page.body.len(),
    );
    let text = own_head(worker, &settings, now, answer.status, &fields) + &page.body;
    worker.metrics.own_response(answer.status);
    client
        .deadline
        .set(now.tick().plus(settings.client.write_stall));
    // The connection ends either way.
    drop(
        send(
            &client.socket,
            &client.deadline,
            &mut text.into_bytes(),
            NO_BODY,
        )
        .await,
    );
}

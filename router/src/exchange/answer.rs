//! Answers that the router makes itself.

use std::pin::pin;

use component::shutdown::Phase;
use router_core::failure::{Answer, Body, Failure, reason};
use router_core::http1::Version;
use router_core::http1::request::Method;

use super::Exchange;
use super::send::{NO_BODY, send};
use crate::config::settings::Settings;
use crate::io::clock::Moment;
use crate::worker::Worker;
use crate::worker::client::{After, Client};

/// The text of an answer.
#[derive(Debug)]
pub(super) struct Page {
    /// Its own fields, as lines with their line ends.
    pub(super) fields: String,
    /// Its body.
    pub(super) body: String,
}

/// Puts an answer into words.
pub(super) fn page(answer: &Answer, settings: &Settings) -> Page {
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
    /// Sends an answer of our own. `closes`: the connection cannot go on after it.
    pub(super) async fn send_answer(
        &mut self,
        status: u16,
        fields: &str,
        body: &str,
        closes: bool,
    ) -> After {
        let complete = self.scratch.request.is_complete();
        let (persistent, old, to_head) = {
            let head = self.head();
            (
                head.persistent,
                head.version == Version::Http10,
                head.method == Method::Head,
            )
        };
        let whole = complete && self.is_whole();
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
            self.story.id(),
        );
        let head = own_head(&self.worker, now, status, &fields);
        let sent_body = if complete && to_head { "" } else { body };
        self.story.answered(status, sent_body.len() as u64);
        self.client.answered.set(true);
        self.client
            .deadline
            .set(now.tick().plus(self.settings.client.stall));
        let (socket, deadline) = (&self.client.socket, &self.client.deadline);
        let parts = [sent_body.as_bytes(), b"", b""];
        let mut head = head.into_bytes();
        self.story.sends_head(head.len());
        let mut written = 0;
        let sent = {
            let sending = pin!(send(socket, deadline, &mut head, parts, &mut written));
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
fn own_head(worker: &Worker, now: Moment, status: u16, fields: &str) -> String {
    let fields = worker.date.with(worker.clock.unix_nanos(now), |date| {
        worker.settings().response_rules.apply(fields, date)
    });
    format!("HTTP/1.1 {status} {}\r\n{fields}\r\n", reason(status))
}

/// Tells the client of an exchange that panicked before it sent anything.
pub(crate) async fn after_panic(client: &Client) {
    let answer = Failure::Panicked.answer();
    let page = page(&answer, &client.worker.settings());
    let worker = &client.worker;
    let now = worker.clock.read();
    let fields = format!(
        "{}Connection: close\r\nContent-Length: {}\r\n",
        page.fields,
        page.body.len(),
    );
    let text = own_head(worker, now, answer.status, &fields) + &page.body;
    worker.metrics.own_response(answer.status);
    client
        .deadline
        .set(now.tick().plus(worker.settings().client.stall));
    // The connection ends either way.
    drop(
        send(
            &client.socket,
            &client.deadline,
            &mut text.into_bytes(),
            NO_BODY,
            &mut 0,
        )
        .await,
    );
}

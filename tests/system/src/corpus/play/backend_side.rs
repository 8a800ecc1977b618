//! What the backend may see.

use tests_kit::End;
use tests_kit::backend::Request;
use tests_kit::bytes::{from_text, show, text};

use super::{PROBE, Play};
use crate::corpus::message::without_host;

impl Play<'_> {
    /// The row's requests that the backend has read, without probes.
    fn requests(&self) -> Vec<Request> {
        let mut requests = self.stage.backend.requests_to(self.seat.backend);
        requests.retain(|request| request.head.target() != PROBE);
        requests
    }

    /// Of a refused message nothing; only what was answered before it.
    pub(super) fn nothing_more_reached_the_backend(&mut self) {
        self.settled();
        let requests = self.requests();
        let connections = self.stage.backend.connections_to(self.seat.backend);
        let bytes: usize = connections
            .iter()
            .map(|connection| connection.tape.bytes().len())
            .sum();
        let expected: usize = requests
            .iter()
            .take(self.seat.row.after)
            .map(|request| request.head.raw.len() + request.body.len())
            .sum();
        if bytes != expected {
            let tapes: Vec<u8> = connections
                .iter()
                .flat_map(|connection| connection.tape.bytes())
                .collect();
            let seen = self.plain(&tapes);
            self.hole(format!("a refused message reached the backend: {seen}"));
        }
    }

    /// Of a message that broke off the beginning at most, and its connection is not used again.
    pub(super) fn no_whole_request_reached_the_backend(&mut self) {
        self.settled();
        self.backend_connections_are_gone();
        for request in self.requests() {
            if request.end == End::Complete {
                let seen = self.plain(&request.head.raw);
                self.hole(format!(
                    "a broken request looks whole to the backend: {seen}"
                ));
            }
        }
    }

    /// The row's requests, each once and whole.
    pub(super) fn requests_reached_the_backend(&mut self) {
        self.settled();
        let row = &self.seat.row;
        let requests = self.requests();
        let got: Vec<String> = requests.iter().map(|request| self.line(request)).collect();
        if requests.len() != row.requests {
            self.hole(format!(
                "the backend got {} requests: {got:?}",
                requests.len()
            ));
        }
        if !row.backend_lines.is_empty() {
            self.expect(got == row.backend_lines, || {
                format!("the backend got {got:?}")
            });
        }
        for request in &requests {
            let end = request.end;
            let is_whole = end == End::Complete;
            self.expect(is_whole, || format!("the backend's request ends {end:?}"));
        }
        if let Some(first) = requests.first() {
            self.first_request(first);
        }
    }

    /// A request's first line, with the row's own host as the row writes it.
    fn line(&self, request: &Request) -> String {
        let line = from_text(&request.head.line).unwrap_or_default();
        text(&without_host(&line, &self.seat.letters))
    }

    fn first_request(&mut self, request: &Request) {
        let row = &self.seat.row;
        for wanted in &row.backend_has {
            let wanted = wanted
                .replace("site.test", &self.seat.host())
                .replace("SITE.TEST", &format!("{}.TEST", self.seat.letters));
            self.has(&request.head, &wanted, "the backend");
        }
        if let Some(body) = &row.backend_body {
            let got = &request.body;
            self.expect(got == body.bytes(), || {
                format!("the backend got the body {}", show(got))
            });
        }
        if let Some(wanted) = &row.backend_trailers {
            self.trailers(&request.trailers, wanted, "the backend");
        }
    }

    /// What may have reached a backend is sent again only if that does no harm.
    pub(super) fn no_request_twice(&mut self) {
        self.settled();
        let requests = self.requests();
        let method = self.seat.row.send.method();
        if requests.len() > 1 && !matches!(method.as_str(), "GET" | "HEAD") {
            self.hole(format!("{method} was sent {} times", requests.len()));
        }
    }
}

//! Plays one row and compares what came of it with what may come of it.

mod backend_side;
mod client_side;

use std::net::SocketAddr;
use std::time::Duration;

use tests_kit::bytes::{find_ignoring_case, show};
use tests_kit::client::{Closed, NoResponse};
use tests_kit::{Client, Response, eventually};

use super::message::without_host;
use super::stage::{PROBE, probe_answer};
use super::{Seat, Stage, Verdict};

/// How a row's bytes are sent, on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// In one piece.
    Whole,
    /// One at a time.
    ByteByByte,
}

/// Something that should not have come of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is.
    pub what: String,
    /// Whether it is a hole: bytes that reached a side they must not reach, a connection out of
    /// step, a cut answer that looks whole.
    pub is_unsafe: bool,
}

/// How long the router may be silent. No row that holds waits for this: it is as long as the other
/// side of a play may take for its bytes on a busy machine.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Plays one seat's row against a router, and returns what was not as it should be.
#[must_use]
pub fn play(stage: &Stage, seat: &Seat, router: SocketAddr) -> Vec<Fault> {
    let mut play = Play {
        stage,
        seat,
        faults: Vec::new(),
        heard: Vec::new(),
    };
    let mut client = Client::connect(router);
    client.set_patience(SILENCE);
    play.send(&mut client);
    match seat.row.verdict {
        Verdict::Reject => play.reject(&mut client),
        Verdict::Answer => play.answer_alone(&mut client),
        Verdict::Break => play.break_off(&mut client, None),
        Verdict::Forward | Verdict::Deliver => play.forward(&mut client, None),
        Verdict::Either => play.either(&mut client),
        Verdict::BadGateway => play.bad_gateway(&mut client),
        Verdict::Abort => play.abort(&mut client),
        Verdict::Tunnel => play.tunnel(&mut client),
    }
    play.lacks();
    play.faults
}

struct Play<'a> {
    stage: &'a Stage,
    seat: &'a Seat,
    faults: Vec<Fault>,
    /// Everything the client got.
    heard: Vec<u8>,
}

impl Play<'_> {
    fn send(&mut self, client: &mut Client) {
        let bytes = self.seat.row.send.with_host(&self.seat.letters);
        // The router may close before it has everything; what it said is read all the same.
        let sent = match self.seat.manner {
            Manner::Whole => client.try_send(bytes),
            Manner::ByteByByte => client.try_send_byte_by_byte(bytes),
        };
        if sent.is_ok() && self.seat.row.finish {
            client.finish();
        }
    }

    fn reject(&mut self, client: &mut Client) {
        for _ in 0..self.seat.row.after {
            let Some(response) = self.response(client) else {
                return;
            };
            self.expect(response.status() == 200, || {
                format!("first got {}", response.head.line)
            });
        }
        if let Some(response) = self.response(client) {
            self.status(&response);
            self.closed(client);
        }
        self.nothing_more_reached_the_backend();
    }

    fn answer_alone(&mut self, client: &mut Client) {
        if let Some(response) = self.response(client) {
            self.status(&response);
            self.whole(&response);
            // Before the probe, which is the first that may reach the backend.
            self.nothing_more_reached_the_backend();
            self.in_step_or_closed(client);
        }
    }

    fn break_off(&mut self, client: &mut Client, response: Option<Response>) {
        match response.map_or_else(|| self.try_response(client), Ok) {
            Ok(response) => {
                self.status(&response);
                self.closed(client);
            }
            // Whoever has closed its own side need not be told why.
            Err(_) if self.seat.row.finish => {}
            Err(none) => self.fault(none.to_string()),
        }
        self.no_whole_request_reached_the_backend();
    }

    fn either(&mut self, client: &mut Client) {
        let Some(response) = self.response(client) else {
            return;
        };
        if response.status() == 200 {
            self.forward(client, Some(response));
        } else {
            self.break_off(client, Some(response));
        }
    }

    fn forward(&mut self, client: &mut Client, first: Option<Response>) {
        let row = &self.seat.row;
        let Some(first) = first.or_else(|| self.response(client)) else {
            return;
        };
        self.status(&first);
        self.answer(&first);
        for _ in 1..row.requests {
            let Some(next) = self.response(client) else {
                break;
            };
            self.status(&next);
        }
        if row.verdict == Verdict::Deliver {
            // Who asks while the backend is still speaking may get what it says then, and no
            // router could know. What has been said must be seen.
            let said = self.stage.wait_until_said(self.seat);
            self.expect(said, || {
                "the backend was not let speak to its end".to_owned()
            });
        }
        match (row.closes, row.verdict) {
            (true, _) => self.closed(client),
            (false, Verdict::Deliver) => self.in_step_or_closed(client),
            (false, _) => self.in_step(client),
        }
        self.requests_reached_the_backend();
        if row.verdict == Verdict::Deliver {
            self.backend_connections_are_gone();
        }
    }

    fn bad_gateway(&mut self, client: &mut Client) {
        if let Some(response) = self.response(client) {
            self.status(&response);
            self.whole(&response);
            if self.seat.row.closes {
                self.closed(client);
            } else {
                self.in_step_or_closed(client);
            }
        }
        self.no_request_twice();
        self.backend_connections_are_gone();
    }

    fn abort(&mut self, client: &mut Client) {
        match self.try_response(client) {
            Ok(response) => {
                self.status(&response);
                if response.status() == 502 {
                    self.whole(&response);
                } else {
                    self.cut(&response);
                    self.closed(client);
                }
            }
            Err(none) if none.is_silence() => self.fault(none.to_string()),
            // No answer at all is seen to be cut as well.
            Err(_) => {}
        }
        self.no_request_twice();
        self.backend_connections_are_gone();
    }

    fn tunnel(&mut self, client: &mut Client) {
        let Some(response) = self.response(client) else {
            return;
        };
        self.status(&response);
        if response.status() != 101 {
            return;
        }
        let message = b"\0ping\r\n\r\nGET /raw HTTP/1.1\r\n\xff";
        let back = client
            .try_send(message)
            .map(|()| client.exactly(message.len()));
        let echoed = back.is_ok_and(|back| back == message);
        self.expect(echoed, || {
            "the tunnel does not carry bytes as they are".to_owned()
        });
        client.finish();
        self.expect(client.closed() != Closed::StillOpen, || {
            "the tunnel stays open".to_owned()
        });
        self.requests_reached_the_backend();
    }

    /// The next answer, or the fault that there is none.
    fn response(&mut self, client: &mut Client) -> Option<Response> {
        self.try_response(client)
            .map_err(|none| self.fault(none.to_string()))
            .ok()
    }

    fn try_response(&mut self, client: &mut Client) -> Result<Response, NoResponse> {
        let response = client.try_response(&self.seat.row.send.method());
        match &response {
            Ok(response) => {
                for head in response.interim.iter().chain([&response.head]) {
                    self.heard.extend_from_slice(&head.raw);
                }
                self.heard.extend_from_slice(&response.body);
                for (name, value) in &response.trailers {
                    self.heard.extend(format!("{name}: {value}\r\n").bytes());
                }
            }
            Err(none) => self.heard.extend_from_slice(&none.so_far),
        }
        response
    }

    /// The connection takes another request, and its answer is that request's.
    fn in_step(&mut self, client: &mut Client) {
        if let Err(none) = self.probe(client) {
            self.fault(format!("no second request: {none}"));
        }
    }

    /// The same, unless the router has closed in order.
    fn in_step_or_closed(&mut self, client: &mut Client) {
        if let Err(none) = self.probe(client)
            && !none.so_far.is_empty()
        {
            self.hole(format!("out of step: {none}"));
        }
    }

    fn probe(&mut self, client: &mut Client) -> Result<(), NoResponse> {
        let host = self.seat.host();
        // When the router has closed, the read says so.
        client
            .try_send(format!("GET {PROBE} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .ok();
        let response = client.try_response("GET")?;
        self.heard.extend_from_slice(&response.body);
        if response.status() != 200 || response.text() != probe_answer(self.seat.backend) {
            let (line, text) = (&response.head.line, show(&response.body));
            self.hole(format!(
                "out of step: a second request got {line} with {text}"
            ));
        }
        Ok(())
    }

    fn closed(&mut self, client: &mut Client) {
        let (rest, closed) = client.until_closed();
        self.expect(closed != Closed::StillOpen, || {
            "the connection stays open".to_owned()
        });
        if !rest.is_empty() {
            self.hole(format!("more after the last answer: {}", show(&rest)));
        }
        self.heard.extend(rest);
    }

    /// Nothing came to a side that must not get it.
    fn lacks(&mut self) {
        let row = &self.seat.row;
        let mut received = Vec::new();
        for connection in self.stage.backend.connections_to(self.seat.backend) {
            received.extend(connection.tape.bytes());
        }
        for what in &row.backend_lacks {
            if find_ignoring_case(&received, what.as_bytes()).is_some() {
                self.hole(format!(
                    "the backend got {what:?}: {}",
                    self.plain(&received)
                ));
            }
        }
        for what in &row.client_lacks {
            if find_ignoring_case(&self.heard, what.as_bytes()).is_some() {
                self.hole(format!(
                    "the client got {what:?}: {}",
                    self.plain(&self.heard)
                ));
            }
        }
    }

    /// What was seen, with the row's own host as the row writes it.
    fn plain(&self, seen: &[u8]) -> String {
        show(&without_host(seen, &self.seat.letters))
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.fault(otherwise());
        }
    }

    fn fault(&mut self, what: String) {
        self.faults.push(Fault {
            what,
            is_unsafe: false,
        });
    }

    fn hole(&mut self, what: String) {
        self.faults.push(Fault {
            what,
            is_unsafe: true,
        });
    }

    fn settled(&mut self) {
        let settled = self.stage.backend.settle(self.seat.backend);
        self.expect(settled, || {
            "the backend does not read what it is sent".to_owned()
        });
    }

    /// Every connection that carried something of the row has ended. What carried probes alone
    /// may be kept.
    fn backend_connections_are_gone(&mut self) {
        let probe = format!("GET {PROBE} ");
        let gone = eventually(SILENCE, || {
            let connections = self.stage.backend.connections_to(self.seat.backend);
            connections.iter().all(|connection| {
                connection.tape.has_ended() || connection.tape.bytes().starts_with(probe.as_bytes())
            })
        });
        if !gone {
            self.hole("the connection to the backend is kept".to_owned());
        }
    }
}

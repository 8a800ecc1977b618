//! A client of a nats-server, in as much of its protocol as tests need.
//!
//! Deliberately not the client that programs use, and blocking: what was flushed has reached the
//! server.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::bytes;
use crate::wire::{End, Framing, Wire};

/// Bytes that are gathered before they are sent.
const GATHERED: usize = 64 * 1024;

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its subject.
    pub subject: String,
    /// Its content.
    pub payload: Vec<u8>,
}

/// One connection to a nats-server. Its methods panic when the connection breaks.
#[derive(Debug)]
pub struct NatsClient {
    wire: Wire,
    gathered: Vec<u8>,
    arrived: VecDeque<Message>,
    pongs: usize,
}

impl NatsClient {
    /// Connects to the server on that port of 127.0.0.1.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn connect(port: u16) -> Self {
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect(server).expect("a nats-server listens");
        let mut client = Self {
            wire: Wire::new(stream, None).expect("a socket takes its options"),
            gathered: b"CONNECT {\"verbose\":false,\"name\":\"test\"}\r\n".to_vec(),
            arrived: VecDeque::new(),
            pongs: 0,
        };
        client.flush();
        client
    }

    /// Publishes; it may not be on its way before [`Self::flush`].
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn publish(&mut self, subject: &str, payload: &str) {
        let head = format!("PUB {subject} {}\r\n", payload.len());
        for piece in [&head, payload, "\r\n"] {
            self.gathered.extend_from_slice(piece.as_bytes());
        }
        if self.gathered.len() >= GATHERED {
            self.send();
        }
    }

    /// Waits until the server has all that was published and knows all subscriptions.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn flush(&mut self) {
        self.gathered.extend_from_slice(b"PING\r\n");
        self.send();
        let goal = self.pongs + 1;
        while self.pongs < goal {
            assert!(self.read(crate::PATIENCE), "the nats-server is silent");
        }
    }

    /// Receives what is published on `subject` from now on.
    pub fn subscribe(&mut self, subject: &str) {
        self.gathered
            .extend_from_slice(format!("SUB {subject} 1\r\n").as_bytes());
        self.flush();
    }

    /// The next message, if one comes within `limit`.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn next(&mut self, limit: Duration) -> Option<Message> {
        while self.arrived.is_empty() {
            if !self.read(limit) {
                return None;
            }
        }
        self.arrived.pop_front()
    }

    fn send(&mut self) {
        let bytes = std::mem::take(&mut self.gathered);
        self.wire.send(bytes).expect("the nats-server takes it");
    }

    /// Reads one thing that the server says; `false` when it says nothing within `limit`.
    fn read(&mut self, limit: Duration) -> bool {
        self.wire.set_patience(limit).expect("a limit above zero");
        let line = match self.wire.until(b"\r\n") {
            Ok(line) => line.expect("the nats-server does not hang up"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(error) => std::panic::panic_any(format!("the nats-server: {error}")),
        };
        let line = bytes::text(&line);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["PONG"] => self.pongs += 1,
            ["PING"] => self.wire.send("PONG\r\n").expect("the server takes it"),
            ["MSG", subject, _, .., length] => {
                let length: usize = length.parse().expect("a length");
                let mut body = self.wire.body(Framing::Length(length + 2));
                assert_eq!(body.end, End::Complete, "a whole message");
                body.bytes.truncate(length);
                self.arrived.push_back(Message {
                    subject: (*subject).to_owned(),
                    payload: body.bytes,
                });
            }
            ["-ERR", ..] => std::panic::panic_any(line),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NatsProgram, NatsServer};

    #[test]
    fn what_one_publishes_another_receives() {
        for program in NatsProgram::all_for("the kit's nats client") {
            let server = NatsServer::start(&program);
            let mut hears = NatsClient::connect(server.port());
            hears.subscribe("a.*");
            let mut says = NatsClient::connect(server.port());
            says.publish("a.b", "text");
            says.publish("c", "unheard");
            says.publish("a.c", "");
            says.flush();
            let heard = |hears: &mut NatsClient| {
                let message = hears.next(crate::PATIENCE).unwrap();
                (message.subject, bytes::text(&message.payload))
            };
            assert_eq!(heard(&mut hears), ("a.b".to_owned(), "text".to_owned()));
            assert_eq!(heard(&mut hears), ("a.c".to_owned(), String::new()));
            assert!(hears.next(Duration::from_millis(1)).is_none());
        }
    }
}

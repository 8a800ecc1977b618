//! What a server says, taken apart within bounds.
//!
//! The form is that of the NATS client protocol. Nothing that a server claims is believed before it
//! has arrived: a line has a longest length, a payload is refused by the size that it announces, and
//! memory is taken for bytes that are here.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Deserializer};

use crate::Address;
use crate::arrival::Arrival;

/// The longest line but [`INFO_MAX`]'s, in bytes: twice what servers accept from those who publish.
const LINE_MAX: usize = 8 * 1024;

/// The longest line of a server about itself, in bytes.
const INFO_MAX: usize = 64 * 1024;

/// The longest payload, headers included, in bytes: the most that a server should be set to.
const PAYLOAD_MAX: usize = 8 * 1024 * 1024;

/// What is read at a time, in bytes.
const READ: usize = 32 * 1024;

/// Room that is given back once it is empty, in bytes.
const ROOM_MAX: usize = 256 * 1024;

/// The bytes of a bad line, or of an error of the server, that are told.
const SHOWN: usize = 200;

/// One thing that a server said.
#[derive(Debug)]
pub(super) enum Operation {
    /// What it is and wants, the first time and whenever that changes.
    Info(Box<Info>),
    /// A message for this one of our subscriptions.
    Message(u64, Arrival),
    /// "Are you there?"
    Ping,
    /// "I am here."
    Pong,
    /// Something went well. Not said unless one asks for it.
    Fine,
    /// What we did wrong, in its words.
    Error(String),
}

/// What a server says about itself; the rest is ignored.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    /// Whether it knows messages with headers.
    pub(super) headers: bool,
    /// The longest payload that it takes, in bytes.
    pub(super) max_payload: usize,
    /// Whether it speaks TLS alone.
    pub(super) tls_required: bool,
    /// The addresses of its cluster.
    #[serde(deserialize_with = "null_is_none")]
    pub(super) connect_urls: Vec<String>,
}

/// A list that a server may write as `null` when it is empty.
fn null_is_none<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(list)?.unwrap_or_default())
}

impl Default for Info {
    fn default() -> Self {
        Self {
            headers: false,
            max_payload: 1024 * 1024,
            tls_required: false,
            connect_urls: Vec::new(),
        }
    }
}

/// Whether an error says that a subscription was not taken: the connection stands, and nothing comes
/// over it.
pub(super) fn deafens(error: &str) -> bool {
    let error = error.trim_matches('\'').to_ascii_lowercase();
    error.starts_with("permissions violation for subscription")
        || error.starts_with("maximum subscriptions exceeded")
}

/// Why a server is not listened to any longer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    /// A line without an end.
    #[error("the server sent a line of more than {LINE_MAX} bytes")]
    LineTooLong,
    /// A line about itself without an end.
    #[error("the server sent more than {INFO_MAX} bytes about itself")]
    InfoTooLong,
    /// A line that is none of the protocol.
    #[error("the server sent what is not understood: {0}")]
    NotUnderstood(String),
    /// A payload that is longer than any may be.
    #[error("the server announced a payload of {0} bytes; the most is {PAYLOAD_MAX}")]
    PayloadTooLong(u64),
    /// A payload that does not end where it should.
    #[error("the server sent a payload that is not as long as announced")]
    PayloadWithoutEnd,
}

/// The line of a message whose payload has not arrived yet.
#[derive(Debug)]
struct Announced {
    subscription: u64,
    subject: Address,
    reply: Option<Address>,
    headers: usize,
    total: usize,
}

/// Takes bytes in and gives operations out.
#[derive(Debug)]
pub(super) struct Decoder {
    bytes: BytesMut,
    /// So many bytes hold no end of a line.
    searched: usize,
    announced: Option<Announced>,
    /// The subject of the last message, which is mostly that of the next one.
    subject: Address,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            bytes: BytesMut::new(),
            searched: 0,
            announced: None,
            subject: Arc::from(""),
        }
    }
}

impl Decoder {
    /// Where the next bytes go; there is room for some.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        if self.bytes.is_empty() && self.bytes.capacity() > ROOM_MAX {
            self.bytes = BytesMut::new();
        }
        self.bytes.reserve(READ);
        &mut self.bytes
    }

    /// Whether all that arrived has been given out.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.announced.is_none()
    }

    /// The next operation, once it is here.
    ///
    /// # Errors
    /// The server broke the protocol or a bound, and nothing that follows can be trusted.
    pub(super) fn next(&mut self) -> Result<Option<Operation>, Breach> {
        if self.announced.is_some() {
            return self.message();
        }
        let Some(end) = self.end_of_line()? else {
            return Ok(None);
        };
        let line = self.bytes.split_to(end + 1);
        self.searched = 0;
        let line = &line[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (verb, rest) = match line.iter().position(|byte| is_blank(*byte)) {
            Some(at) => line.split_at(at),
            None => (line, &[][..]),
        };
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        if is("MSG") || is("HMSG") {
            let announced = self.announce(rest, is("HMSG"));
            self.announced = Some(announced.ok_or_else(|| not_understood(line))??);
            return self.message();
        }
        Ok(Some(if is("PING") {
            Operation::Ping
        } else if is("PONG") {
            Operation::Pong
        } else if is("+OK") {
            Operation::Fine
        } else if is("-ERR") {
            let shown = rest.trim_ascii();
            let shown = &shown[..shown.len().min(SHOWN)];
            let text = String::from_utf8_lossy(shown);
            Operation::Error(text.trim_matches('\'').to_owned())
        } else if is("INFO") {
            let info = serde_json::from_slice(rest).map_err(|_| not_understood(line))?;
            Operation::Info(info)
        } else {
            return Err(not_understood(line));
        }))
    }

    /// Where the line ends that the bytes begin with.
    fn end_of_line(&mut self) -> Result<Option<usize>, Breach> {
        let found = memchr::memchr(b'\n', &self.bytes[self.searched..]);
        let end = found.map(|at| self.searched + at);
        let len = end.unwrap_or(self.bytes.len());
        let verb = self.bytes.get(..4).unwrap_or_default();
        if verb.eq_ignore_ascii_case(b"INFO") {
            if len > INFO_MAX {
                return Err(Breach::InfoTooLong);
            }
        } else if len > LINE_MAX {
            return Err(Breach::LineTooLong);
        }
        self.searched = self.bytes.len();
        Ok(end)
    }

    /// `<subject> <subscription> [reply] <length>`, or with `headers`
    /// `<subject> <subscription> [reply] <length of headers> <length>`. None when it is not that.
    fn announce(&mut self, fields: &[u8], headers: bool) -> Option<Result<Announced, Breach>> {
        let mut fields = fields
            .split(|byte| is_blank(*byte))
            .filter(|field| !field.is_empty());
        let subject = fields.next()?;
        let subscription = number(fields.next()?)?;
        let rest: [Option<&[u8]>; 4] = std::array::from_fn(|_| fields.next());
        let (reply, header_len, total) = match (headers, rest) {
            (false, [Some(total), None, ..]) => (None, None, total),
            (false, [Some(reply), Some(total), None, _]) => (Some(reply), None, total),
            (true, [Some(headers), Some(total), None, _]) => (None, Some(headers), total),
            (true, [Some(reply), Some(headers), Some(total), None]) => {
                (Some(reply), Some(headers), total)
            }
            _ => return None,
        };
        let total = number(total)?;
        let header_len = header_len.map_or(Some(0), number)?;
        let (Ok(header_len), Ok(len)) = (usize::try_from(header_len), usize::try_from(total))
        else {
            return Some(Err(Breach::PayloadTooLong(total.max(header_len))));
        };
        if len > PAYLOAD_MAX {
            return Some(Err(Breach::PayloadTooLong(total)));
        }
        if header_len > len {
            return None;
        }
        if *subject != *self.subject.as_bytes() {
            self.subject = Arc::from(std::str::from_utf8(subject).ok()?);
        }
        let reply = match reply {
            Some(reply) => Some(Arc::from(std::str::from_utf8(reply).ok()?)),
            None => None,
        };
        Some(Ok(Announced {
            subscription,
            subject: Arc::clone(&self.subject),
            reply,
            headers: header_len,
            total: len,
        }))
    }

    /// The message that was announced, once its payload is here. The payload is copied: a short one
    /// must not keep all that arrived with it.
    fn message(&mut self) -> Result<Option<Operation>, Breach> {
        let Some(announced) = &self.announced else {
            return Ok(None);
        };
        let whole = announced.total + 2;
        if self.bytes.len() < whole {
            return Ok(None);
        }
        let Some(announced) = self.announced.take() else {
            return Ok(None);
        };
        let (headers, payload) = self.bytes[..announced.total].split_at(announced.headers);
        let arrival = Arrival {
            subject: announced.subject,
            reply: announced.reply,
            payload: Bytes::copy_from_slice(payload),
            no_responders: headers.starts_with(b"NATS/1.0 503"),
        };
        if self.bytes[announced.total..whole] != *b"\r\n" {
            return Err(Breach::PayloadWithoutEnd);
        }
        self.bytes.advance(whole);
        Ok(Some(Operation::Message(announced.subscription, arrival)))
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A number in digits alone; none when it is something else, or does not fit.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

fn not_understood(line: &[u8]) -> Breach {
    let shown = &line[..line.len().min(SHOWN)];
    Breach::NotUnderstood(shown.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_about_a_subscription_leaves_the_client_deaf() {
        for (error, expected) in [
            (r#"Permissions Violation for Subscription to "app.*""#, true),
            ("maximum subscriptions exceeded", true),
            (r#"Permissions Violation for Publish to "app.start""#, false),
            ("Invalid Subject", false),
            ("", false),
        ] {
            assert_eq!(deafens(error), expected, "{error}");
        }
    }

    /// What comes out of bytes that arrive `at_a_time`, in words, and how it ends.
    fn said(bytes: &[u8], at_a_time: usize) -> (Vec<String>, Option<Breach>) {
        let mut decoder = Decoder::default();
        let mut said = Vec::new();
        for piece in bytes.chunks(at_a_time) {
            decoder.room().extend_from_slice(piece);
            loop {
                match decoder.next() {
                    Ok(Some(operation)) => said.push(words(&operation)),
                    Ok(None) => break,
                    Err(breach) => return (said, Some(breach)),
                }
            }
        }
        (said, None)
    }

    fn words(operation: &Operation) -> String {
        match operation {
            Operation::Message(id, arrival) => format!(
                "{} {} {} {}{}",
                id,
                arrival.subject,
                arrival.reply.as_deref().unwrap_or("-"),
                arrival.payload.escape_ascii(),
                if arrival.no_responders { " nobody" } else { "" },
            ),
            Operation::Info(info) => format!(
                "info {} {} {} {:?}",
                info.headers, info.max_payload, info.tls_required, info.connect_urls
            ),
            Operation::Error(text) => format!("error {text}"),
            Operation::Ping => "ping".to_owned(),
            Operation::Pong => "pong".to_owned(),
            Operation::Fine => "fine".to_owned(),
        }
    }

    #[test]
    fn every_operation_is_understood() {
        let check = |bytes: &str, expected: &[&str]| {
            for at_a_time in [1, 3, bytes.len()] {
                let (said, breach) = said(bytes.as_bytes(), at_a_time);
                assert_eq!((said.as_slice(), breach), (&*owned(expected), None));
            }
        };
        check(
            "INFO {\"max_payload\":9,\"headers\":true,\"x\":1} \r\n",
            &["info true 9 false []"],
        );
        check(
            "INFO {\"tls_required\":true,\"connect_urls\":[\"a:1\"]}\r\n",
            &["info false 1048576 true [\"a:1\"]"],
        );
        check(
            "PING\r\nping\r\nPONG\n+OK\r\n",
            &["ping", "ping", "pong", "fine"],
        );
        check("-ERR 'No'\r\n-ERR\r\n", &["error No", "error "]);
        check("MSG a.b 7 2\r\nhi\r\nPING\r\n", &["7 a.b - hi", "ping"]);
        check("MSG\ta.b  7 c 0\r\n\r\n", &["7 a.b c "]);
        check("MSG a 7 4\r\n\r\n\r\n\r\n", &["7 a - \\r\\n\\r\\n"]);
        check("HMSG a 7 c 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", &["7 a c hi"]);
        check(
            "HMSG a 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
            &["7 a -  nobody"],
        );
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn whoever_breaks_the_protocol_or_a_bound_is_heard_no_longer() {
        let check = |bytes: &[u8], expected: &str| {
            for at_a_time in [1, 7, bytes.len()] {
                let (_, breach) = said(bytes, at_a_time);
                let breach = breach.map(|breach| breach.to_string()).unwrap_or_default();
                assert!(breach.contains(expected), "{breach:?} {expected:?}");
            }
        };
        check(
            b"MSG app.register 1 18446744073709551615\r\n",
            "18446744073709551615 bytes",
        );
        check(b"MSG app.register 1 1073741824\r\n", "1073741824 bytes");
        check(
            b"HMSG a 1 18446744073709551615 18446744073709551615\r\n",
            "bytes",
        );
        for line in [
            "MSG a 1 18446744073709551616\r\n",
            "MSG a 1 -1\r\n",
            "MSG a 1 +1\r\n",
            "MSG a x 1\r\n",
            "MSG a 1\r\n",
            "MSG a 1 b c 1\r\n",
            "HMSG a 1 2 1\r\n",
            "HMSG a 1 1\r\n",
            "MSG\r\n",
            "INFO\r\n",
            "INFO {\r\n",
            "INFO []x\r\n",
            "\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ] {
            check(line.as_bytes(), "not understood");
        }
        check(b"MSG \xff 1 1\r\n", "not understood");
        check(b"MSG a 1 1\r\nxyz", "not as long as announced");
        check(&[b'x'; LINE_MAX + 1], "a line of more");
        check(&[b'P'; LINE_MAX + 1], "a line of more");
        let mut info = b"INFO {\"x\":\"".to_vec();
        info.resize(INFO_MAX + 1, b'x');
        check(&info, "about itself");
        check(&info[..INFO_MAX], "");
    }

    #[test]
    fn room_is_given_back() {
        let mut decoder = Decoder::default();
        let mut message = format!("MSG a 1 {PAYLOAD_MAX}\r\n").into_bytes();
        message.resize(message.len() + PAYLOAD_MAX, b'x');
        message.extend_from_slice(b"\r\n");
        for piece in message.chunks(READ) {
            decoder.room().extend_from_slice(piece);
            let operation = decoder.next().unwrap();
            assert!(operation.is_none() || decoder.is_empty());
        }
        assert!(decoder.is_empty());
        decoder.room();
        assert!(decoder.bytes.capacity() <= ROOM_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_pieces_make_no_difference(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just(&b"PING\r\n"[..]),
                    Just(&b"MSG a 1 3\r\n"[..]),
                    Just(&b"abc\r\n"[..]),
                    Just(&b"HMSG a 1 r 2 3\r\n"[..]),
                    Just(&b"-ERR"[..]),
                    Just(&b"INFO {}"[..]),
                    Just(&b"\r\n"[..]),
                    Just(&b" 99999999999999999999 "[..]),
                ],
                0..12,
            ),
            noise in proptest::collection::vec(any::<u8>(), 0..16),
            at_a_time in 1_usize..40,
        ) {
            let mut bytes = lines.concat();
            bytes.extend_from_slice(&noise);
            let whole = bytes.len().max(1);
            prop_assert_eq!(said(&bytes, at_a_time), said(&bytes, whole));
        }
    }
}

//! How the clients of a load ask, and the app that answers them.

use std::io;
use std::time::{Duration, Instant};

use super::loss::{How, Loss, unsent};
use crate::backend::{Conversation, Script};
use crate::client::Client;
use crate::wire::{End, Framing};

/// How a client of a load asks. Each knows what it must be answered, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// GET requests on a connection that is kept; any body will do.
    Kept,
    /// A GET request on a connection of its own, with `Connection: close`.
    Short,
    /// GET requests whose responses come in chunks.
    Chunked,
    /// Requests with a body of 64 Ki bytes that take 400 ms.
    SlowUpload,
    /// Responses with a body of 64 Ki bytes that take 400 ms.
    SlowDownload,
}

/// How many bytes the body of a slow message has.
pub(super) const BODY: usize = 64 << 10;

/// How long a slow body takes: long enough that most of a drain's moments fall into one.
pub(super) const SLOW: Duration = Duration::from_millis(400);

/// In how many pieces a slow body comes.
const PIECES: u32 = 20;

/// The chunks of a chunked response.
const CHUNKS: [&str; 3] = ["one", "two and", "three"];

impl Manner {
    /// Sends one request and reads its response.
    pub(super) fn exchange(self, client: &mut Client, host: &str) -> Result<(), Loss> {
        let target = match self {
            Self::Kept | Self::Short => "GET /",
            Self::Chunked => "GET /chunked",
            Self::SlowUpload => "POST /upload",
            Self::SlowDownload => "GET /slow",
        };
        let mut head = format!("{target} HTTP/1.1\r\nHost: {host}\r\n");
        if self == Self::Short {
            head.push_str("Connection: close\r\n");
        }
        if self == Self::SlowUpload {
            head.push_str(&format!("Content-Length: {BODY}\r\n"));
        }
        head.push_str("\r\n");
        let sent = client.try_send(head);
        let begun = Instant::now();
        // What cannot be sent has perhaps been answered.
        let sent = sent.and_then(|()| match self {
            Self::SlowUpload => in_pieces(|piece| client.try_send(piece)),
            _ => Ok(()),
        });
        self.answer(client, begun, sent)
    }

    fn answer(self, client: &mut Client, begun: Instant, sent: io::Result<()>) -> Result<(), Loss> {
        let lost = |how, words| Err(Loss::new(self, begun, how, words));
        let response = match (client.try_response("GET"), sent) {
            (Ok(response), _) => response,
            (Err(none), Ok(())) => return Err(Loss::of(self, begun, &none)),
            (Err(none), Err(error)) if none.so_far.is_empty() => {
                return lost(unsent(&error), error.to_string());
            }
            (Err(none), Err(_)) => return Err(Loss::of(self, begun, &none)),
        };
        let right = match self {
            Self::Kept => true,
            Self::Short => response.body == b"hello",
            Self::Chunked => response.body == CHUNKS.concat().as_bytes(),
            Self::SlowUpload => response.text() == BODY.to_string(),
            Self::SlowDownload => response.body == body(),
        };
        match (response.status(), response.end) {
            (200, End::Complete) if right => Ok(()),
            (200, End::Complete) => lost(How::Altered, response.text()),
            (200, End::Cut) => lost(How::Cut, format!("after {} bytes", response.body.len())),
            (200, End::Silent) => lost(How::Silent, "within the body".to_owned()),
            (200, End::Broken) => lost(How::Altered, "broken chunks".to_owned()),
            (status, _) => lost(How::Status(status), response.text()),
        }
    }
}

/// The app that every manner can be used with: `GET /` is answered `hello`.
#[must_use]
pub fn app() -> impl Script {
    |conversation: &mut Conversation| loop {
        let head = conversation.head()?;
        let uploaded = conversation.wire()?.body(Framing::of_request(&head));
        match head.target() {
            "/upload" if uploaded.end == End::Complete => {
                conversation.send(crate::script::ok(&uploaded.bytes.len().to_string()))?;
            }
            // Its sender has left.
            "/upload" => return Err(io::ErrorKind::UnexpectedEof.into()),
            "/slow" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
                conversation.send(head)?;
                in_pieces(|piece| conversation.send(piece))?;
            }
            "/chunked" => {
                conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for chunk in CHUNKS {
                    conversation.send(format!("{:x}\r\n{chunk}\r\n", chunk.len()))?;
                    std::thread::park_timeout(SLOW / PIECES);
                }
                conversation.send("0\r\n\r\n")?;
            }
            _ => conversation.send(crate::script::ok("hello"))?,
        }
    }
}

/// Bytes of which no two neighbours are alike, so that what is missing shows.
fn body() -> Vec<u8> {
    (b'a'..=b'z').cycle().take(BODY).collect()
}

/// Sends a slow body.
fn in_pieces(mut send: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let body = body();
    for piece in body.chunks(BODY.div_ceil(PIECES as usize)) {
        send(piece)?;
        std::thread::park_timeout(SLOW / PIECES);
    }
    Ok(())
}

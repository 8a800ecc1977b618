//! Reading HTTP/1 messages off a socket.
//!
//! Strict where the sender is under test (framing is taken at its word, and a body that
//! ends early says so), lenient where it does not matter. Deliberately not the codec of what is tested: a
//! test that read with the code under test would share its mistakes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::bytes;
use crate::tape::Tape;

/// The head of a message: its first line, its fields, and the bytes they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line without its line end, one character a byte.
    pub line: String,
    /// The fields in order: the name as sent, the value without the blanks around it.
    pub fields: Vec<(String, String)>,
    /// Every byte up to and including the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = bytes::text(&raw);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
            })
            .collect();
        Self { line, fields, raw }
    }

    /// The value of the first field of that name, letter case aside.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of every field of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The status code of a response's first line; 0 when it has none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    /// The method of a request's first line.
    #[must_use]
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// The target of a request's first line.
    #[must_use]
    pub fn target(&self) -> &str {
        self.word(1)
    }

    fn word(&self, index: usize) -> &str {
        self.line.split(' ').nth(index).unwrap_or_default()
    }

    fn is_chunked(&self) -> bool {
        self.all("transfer-encoding")
            .any(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.field("content-length")
            .and_then(|value| value.parse().ok())
    }
}

/// How a body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(usize),
    /// Chunks up to the empty one, then trailers.
    Chunked,
    /// The sender closes.
    Close,
}

impl Framing {
    /// Of a request.
    #[must_use]
    pub fn of_request(head: &Head) -> Self {
        match (head.is_chunked(), head.length()) {
            (true, _) => Self::Chunked,
            (false, Some(length)) => Self::Length(length),
            (false, None) => Self::None,
        }
    }

    /// Of the final response to a request with `method`.
    #[must_use]
    pub fn of_response(head: &Head, method: &str) -> Self {
        match (head.status(), head.is_chunked(), head.length()) {
            _ if method == "HEAD" => Self::None,
            (204 | 304 | 100..=199, ..) => Self::None,
            (_, true, _) => Self::Chunked,
            (_, false, Some(length)) => Self::Length(length),
            (_, false, None) => Self::Close,
        }
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where its framing said.
    Complete,
    /// The peer closed or reset before that.
    Cut,
    /// Nothing came for as long as the reader waits.
    Silent,
    /// The chunk framing was broken.
    Broken,
}

/// A body as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The content, without its framing.
    pub bytes: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether it is whole.
    pub end: End,
}

/// How many bytes at each end of a message are sent one at a time.
const SINGLE: usize = 2048;

/// How many bytes at a time are sent between: a number that meets no buffer's size.
const PIECE: usize = 61;

/// No more than about so many pieces are sent between, however long the message: each is a turn that
/// others have on a busy machine.
const PIECES: usize = 256;

/// A socket, what was read from it and not yet used, and where a copy of what is read goes.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    unused: Vec<u8>,
    tape: Option<Arc<Tape>>,
}

impl Wire {
    /// A wire over `stream`; what is read from it also goes onto `tape`.
    ///
    /// # Errors
    /// When the socket refuses its options.
    pub fn new(stream: TcpStream, tape: Option<Arc<Tape>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        stream.set_write_timeout(Some(crate::PATIENCE))?;
        Ok(Self {
            stream,
            unused: Vec::new(),
            tape,
        })
    }

    /// The socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sets how long a read waits.
    ///
    /// # Errors
    /// When the socket refuses.
    pub fn set_patience(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the peer is gone or takes nothing for [`crate::PATIENCE`].
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends bytes one at a time, each in a segment of its own where the system lets them. What
    /// lies more than `SINGLE` bytes from both ends of a long message goes in small pieces.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_byte_by_byte(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        let first = bytes.len().min(SINGLE);
        let last = bytes.len().saturating_sub(SINGLE).max(first);
        let between = &bytes[first..last];
        let piece = PIECE * (between.len() / (PIECE * PIECES)).max(1);
        let between = between.chunks(piece);
        for piece in bytes[..first]
            .chunks(1)
            .chain(between)
            .chain(bytes[last..].chunks(1))
        {
            self.stream.write_all(piece)?;
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Closes the sending side.
    ///
    /// # Errors
    /// When it is closed already.
    pub fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Closes so that the peer sees a reset.
    pub fn reset(self) {
        reset(&self.stream);
    }

    /// Reads what has come; 0 at the peer's end.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` when nothing came in time.
    pub fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = match &self.tape {
            Some(tape) => tape.record(&self.stream, &mut chunk)?,
            None => read(&self.stream, &mut chunk)?,
        };
        self.unused.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// What was read and not yet used.
    #[must_use]
    pub fn unused(&self) -> &[u8] {
        &self.unused
    }

    /// Takes what was read and not yet used.
    #[must_use]
    pub fn take_unused(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unused)
    }

    /// Everything up to and including `mark`; `None` when the peer ends before its first byte.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer ends in the middle; the socket's own.
    pub fn until(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(at) = bytes::find(&self.unused[searched..], mark) {
                return Ok(Some(self.take(searched + at + mark.len())));
            }
            searched = self.unused.len().saturating_sub(mark.len() - 1);
            if self.fill()? == 0 {
                return if self.unused.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The next head; `None` when the peer ends before its first byte.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        Ok(self.until(b"\r\n\r\n")?.map(Head::parse))
    }

    /// A body with that framing.
    pub fn body(&mut self, framing: Framing) -> Body {
        let mut body = Body {
            bytes: Vec::new(),
            trailers: Vec::new(),
            end: End::Complete,
        };
        let read = match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.sized(length, &mut body.bytes),
            Framing::Chunked => self.chunked(&mut body),
            Framing::Close => self.until_closed(&mut body.bytes),
        };
        if let Err(error) = read {
            body.end = match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Silent,
                ErrorKind::InvalidData => End::Broken,
                _ => End::Cut,
            };
        }
        body
    }

    fn sized(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let goal = into.len() + length;
        loop {
            let count = self.unused.len().min(goal - into.len());
            into.extend(self.unused.drain(..count));
            if into.len() == goal {
                return Ok(());
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn chunked(&mut self, body: &mut Body) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim_end();
            let size = usize::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            self.sized(size, &mut body.bytes)?;
            if !self.line()?.is_empty() {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                return if line.is_empty() {
                    Ok(())
                } else {
                    Err(ErrorKind::InvalidData.into())
                };
            };
            body.trailers
                .push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let line = self.until(b"\r\n")?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(bytes::text(&line[..line.len() - 2]))
    }

    fn until_closed(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        loop {
            into.append(&mut self.unused);
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.unused.drain(..count).collect()
    }
}

/// Resets a connection at once, whoever else holds the socket.
pub(crate) fn reset(stream: &TcpStream) {
    // A linger of zero would send the reset with the last close only, and a tape or a pump may
    // hold the socket too. Disconnecting sends it now.
    rustix::net::connect_unspec(stream).ok();
}

/// Reads once, again when a signal came between.
fn read(mut stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A wire that reads exactly `bytes` and then the peer's end.
    fn wire(bytes: &[u8]) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.write_all(bytes).unwrap();
        Wire::new(listener.accept().unwrap().0, None).unwrap()
    }

    fn body(bytes: &[u8], framing: Framing) -> (Vec<u8>, End) {
        let body = wire(bytes).body(framing);
        (body.bytes, body.end)
    }

    #[test]
    fn heads_are_split_into_line_and_fields() {
        let mut wire = wire(b"GET /a HTTP/1.1\r\nHost: a\r\nX: \xff \r\n\r\nrest");
        let head = wire.head().unwrap().unwrap();
        assert_eq!((head.method(), head.target()), ("GET", "/a"));
        assert_eq!(
            (head.field("host"), head.field("x")),
            (Some("a"), Some("\u{ff}"))
        );
        assert_eq!(wire.unused(), b"rest");
        assert_eq!(wire.head().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_end_before_a_head_is_no_head() {
        assert_eq!(wire(b"").head().unwrap(), None);
    }

    #[test]
    fn bodies_end_where_their_framing_says_or_are_cut() {
        assert_eq!(
            body(b"hello", Framing::Length(5)),
            (b"hello".to_vec(), End::Complete)
        );
        assert_eq!(
            body(b"hell", Framing::Length(5)),
            (b"hell".to_vec(), End::Cut)
        );
        assert_eq!(
            body(b"hell", Framing::Close),
            (b"hell".to_vec(), End::Complete)
        );
        assert_eq!(
            body(b"2\r\nhe\r\n0\r\n\r\n", Framing::Chunked),
            (b"he".to_vec(), End::Complete)
        );
        assert_eq!(
            body(b"2\r\nhe\r\n", Framing::Chunked),
            (b"he".to_vec(), End::Cut)
        );
        assert_eq!(
            body(b"2\r\nhex\r\n", Framing::Chunked),
            (b"he".to_vec(), End::Broken)
        );
    }

    #[test]
    fn trailers_follow_the_last_chunk() {
        let body = wire(b"0\r\nA: b\r\n\r\n").body(Framing::Chunked);
        assert_eq!(body.trailers, [("A".to_owned(), "b".to_owned())]);
    }
}

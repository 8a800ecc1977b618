//! A client that sends exactly the bytes it is given.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::bytes;
use crate::wire::{Body, End, Framing, Head, Wire};

/// A response as the client read it.
#[derive(Clone, Debug)]
pub struct Response {
    /// The heads of the interim responses before it.
    pub interim: Vec<Head>,
    /// Its head.
    pub head: Head,
    /// Its content, without framing.
    pub body: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether the body is whole.
    pub end: End,
}

impl Response {
    /// Its status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// Its content as text, one character a byte.
    #[must_use]
    pub fn text(&self) -> String {
        bytes::text(&self.body)
    }
}

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// In order.
    Finished,
    /// With a reset.
    Reset,
    /// Not at all, in the time there was.
    StillOpen,
}

/// Why there is no response.
#[derive(Debug)]
pub struct NoResponse {
    /// What the socket said; `UnexpectedEof` for an end in order, `WouldBlock` for silence.
    pub reason: io::Error,
    /// What had come by then.
    pub so_far: Vec<u8>,
}

impl NoResponse {
    /// Whether the other side has said nothing and not ended either.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(
            self.reason.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut
        )
    }
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no response: {}; so far: {}",
            self.reason,
            bytes::show(&self.so_far)
        )
    }
}

impl std::error::Error for NoResponse {}

/// One client connection. Methods panic when the connection breaks, unless they say otherwise.
#[derive(Debug)]
pub struct Client(Wire);

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).expect("a connection")
    }

    /// Connects.
    ///
    /// # Errors
    /// When the other side refuses, or resets at once.
    pub fn try_connect(to: SocketAddr) -> io::Result<Self> {
        Ok(Self(Wire::new(
            TcpStream::connect_timeout(&to, crate::PATIENCE)?,
            None,
        )?))
    }

    /// The address it speaks from.
    ///
    /// # Panics
    /// When the socket is gone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0
            .stream()
            .local_addr()
            .expect("a connected socket has an address")
    }

    /// How long a read waits from now on.
    ///
    /// # Panics
    /// For a limit of zero.
    pub fn set_patience(&self, limit: Duration) {
        self.0.set_patience(limit).expect("a limit above zero");
    }

    /// Sends bytes, and panics when they are not taken.
    ///
    /// # Panics
    /// When the other side is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes)
            .expect("the other side takes what is sent");
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.send(bytes)
    }

    /// Sends bytes one at a time.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn try_send_byte_by_byte(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.send_byte_by_byte(bytes)
    }

    /// Sends a GET and reads its response.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&mut self, host: &str, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        self.response("GET")
    }

    /// The next final response, to a request with `method`.
    ///
    /// # Panics
    /// When there is none.
    pub fn response(&mut self, method: &str) -> Response {
        match self.try_response(method) {
            Ok(response) => response,
            Err(none) => std::panic::panic_any(none.to_string()),
        }
    }

    /// The next final response, to a request with `method`.
    ///
    /// # Errors
    /// When the other side ends or says nothing before a whole head.
    pub fn try_response(&mut self, method: &str) -> Result<Response, NoResponse> {
        let mut interim = Vec::new();
        loop {
            let head = self.try_head()?;
            if matches!(head.status(), 100 | 102..=199) {
                interim.push(head);
                continue;
            }
            let framing = Framing::of_response(&head, method);
            let Body {
                bytes: body,
                trailers,
                end,
            } = self.0.body(framing);
            return Ok(Response {
                interim,
                head,
                body,
                trailers,
                end,
            });
        }
    }

    /// The next head, interim or final, without its body.
    ///
    /// # Panics
    /// When there is none.
    pub fn head(&mut self) -> Head {
        match self.try_head() {
            Ok(head) => head,
            Err(none) => std::panic::panic_any(none.to_string()),
        }
    }

    fn try_head(&mut self) -> Result<Head, NoResponse> {
        let read = self
            .0
            .head()
            .and_then(|head| head.ok_or_else(|| ErrorKind::UnexpectedEof.into()));
        read.map_err(|reason| NoResponse {
            reason,
            so_far: self.0.unused().to_vec(),
        })
    }

    /// Reads until `mark` has come, and returns everything up to its end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn until(&mut self, mark: impl AsRef<[u8]>) -> Vec<u8> {
        match self.0.until(mark.as_ref()) {
            Ok(Some(bytes)) => bytes,
            other => std::panic::panic_any(format!(
                "{} did not come ({other:?}); so far: {}",
                bytes::show(mark.as_ref()),
                bytes::show(self.0.unused())
            )),
        }
    }

    /// Reads `count` bytes.
    ///
    /// # Panics
    /// When fewer come.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        let body = self.0.body(Framing::Length(count));
        assert_eq!(
            body.end,
            End::Complete,
            "{count} bytes; so far: {}",
            bytes::show(&body.bytes)
        );
        body.bytes
    }

    /// Reads until the other side ends the connection: what came, and how it ended.
    pub fn until_closed(&mut self) -> (Vec<u8>, Closed) {
        let closed = loop {
            match self.0.fill() {
                Ok(0) => break Closed::Finished,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => break Closed::StillOpen,
                    _ => break Closed::Reset,
                },
            }
        };
        (self.0.take_unused(), closed)
    }

    /// Whether the other side has ended the connection already, as far as the system knows: what a
    /// client looks at before it uses a connection again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let seen = rustix::net::recv(self.0.stream(), &mut byte, flags);
        !matches!(seen, Ok((_, 1..)) | Err(Errno::WOULDBLOCK))
    }

    /// How the other side ends the connection, whatever it says before that.
    pub fn closed(&mut self) -> Closed {
        self.until_closed().1
    }

    /// Closes the sending side.
    ///
    /// # Panics
    /// When it is closed already.
    pub fn finish(&self) {
        self.0.finish().expect("the sending side is open");
    }

    /// Closes with a reset.
    pub fn reset(self) {
        self.0.reset();
    }
}

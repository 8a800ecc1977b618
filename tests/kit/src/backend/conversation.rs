//! One connection from the backend's side.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::tape::Tape;
use crate::wire::{Body, End, Framing, Head, Wire};

/// A request as a backend read it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The address its connection was made to.
    pub to: SocketAddr,
    /// Its head.
    pub head: Head,
    /// Its content, without framing.
    pub body: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether the body is whole.
    pub end: End,
}

/// Where a request is told of once it is read.
pub(super) type Note = Box<dyn Fn(&Request) + Send>;

/// One connection from the backend's side: read requests, send bytes, close in any manner.
pub struct Conversation {
    wire: Option<Wire>,
    to: SocketAddr,
    note: Note,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation")
            .field("wire", &self.wire)
            .field("to", &self.to)
            .finish()
    }
}

impl Conversation {
    pub(super) fn new(
        stream: TcpStream,
        to: SocketAddr,
        tape: Option<Arc<Tape>>,
        note: Note,
    ) -> io::Result<Self> {
        Ok(Self {
            wire: Some(Wire::new(stream, tape)?),
            to,
            note,
        })
    }

    /// The address the connection was made to.
    #[must_use]
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// The next request, whole or cut; noted for [`super::Backend::requests`].
    ///
    /// # Errors
    /// `UnexpectedEof` when there is none; the socket's own.
    pub fn request(&mut self) -> io::Result<Request> {
        let head = self.head()?;
        let framing = Framing::of_request(&head);
        let Body {
            bytes: body,
            trailers,
            end,
        } = self.wire()?.body(framing);
        let request = Request {
            to: self.to,
            head,
            body,
            trailers,
            end,
        };
        (self.note)(&request);
        Ok(request)
    }

    /// The next request's head alone, its body left unread.
    ///
    /// # Errors
    /// `UnexpectedEof` when there is none; the socket's own.
    pub fn head(&mut self) -> io::Result<Head> {
        self.wire()?
            .head()?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Notes a request of which only the head was read.
    pub fn note(&self, head: Head) {
        (self.note)(&Request {
            to: self.to,
            head,
            body: Vec::new(),
            trailers: Vec::new(),
            end: End::Silent,
        });
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire()?.send(bytes)
    }

    /// Sends back whatever comes, until the peer ends.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn echo(&mut self) -> io::Result<()> {
        let wire = self.wire()?;
        loop {
            let unused = wire.take_unused();
            wire.send(unused)?;
            if wire.fill()? == 0 {
                return Ok(());
            }
        }
    }

    /// Reads until the peer ends; says whether it did in time.
    pub fn drain(&mut self) -> bool {
        let Ok(wire) = self.wire() else { return true };
        wire.body(Framing::Close).end != End::Silent
    }

    /// Closes the sending side and goes on reading until the peer ends.
    ///
    /// # Errors
    /// When it is closed already.
    pub fn finish(&mut self) -> io::Result<()> {
        self.wire()?.finish()?;
        self.drain();
        Ok(())
    }

    /// Closes with a reset.
    pub fn reset(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.reset();
        }
    }

    /// The wire itself.
    ///
    /// # Errors
    /// `NotConnected` after [`Self::reset`].
    pub fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

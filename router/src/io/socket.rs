//! A stream socket of either kind, used through a shared reference by the one task that owns it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// What a look at a connection between two messages shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peeked {
    /// Nothing is waiting.
    Nothing,
    /// Bytes are waiting.
    Bytes,
    /// The other side sends no more.
    End,
    /// The connection is broken.
    Error,
}

impl Socket {
    /// Reads what is there into `room`; zero bytes are the end.
    ///
    /// A read that does not fill `room` has emptied the socket, so that the next call waits for the
    /// event loop instead of asking the kernel again.
    #[inline]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            match self.try_read(room) {
                Ok(count) => {
                    if count > 0 && count < room.len() {
                        self.forget_readable();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes some of `slices`, in order: as a message, which spares the kernel what `writev` does
    /// for files, and a single one by the shorter call.
    #[inline]
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = self.try_io(Interest::WRITABLE, || {
                if let [slice] = slices {
                    return Ok(send(self, slice, SendFlags::NOSIGNAL)?);
                }
                let mut control = SendAncillaryBuffer::default();
                Ok(sendmsg(self, slices, &mut control, SendFlags::NOSIGNAL)?)
            });
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_write_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether there is something to read, once there is.
    #[inline]
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
            Self::Unix(unix) => unix.poll_read_ready(cx),
        }
    }

    /// Whether there is room to write, once there is.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_write_ready(cx),
            Self::Unix(unix) => unix.poll_write_ready(cx),
        }
    }

    /// Runs a non-blocking operation if the socket was last seen ready for it.
    ///
    /// # Errors
    /// `WouldBlock` when it is not ready, else what the operation says.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Self::Tcp(tcp) => tcp.try_io(interest, operation),
            Self::Unix(unix) => unix.try_io(interest, operation),
        }
    }

    /// Looks at what came without taking it, and asks the kernel to be sure.
    #[must_use]
    pub(crate) fn peek(&self) -> Peeked {
        match rustix::net::recv(self, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => Peeked::End,
            Ok(_) => Peeked::Bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Peeked::Nothing,
            Err(_) => Peeked::Error,
        }
    }

    /// Looks at what came once the event loop says that something did.
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<Peeked> {
        loop {
            if ready!(self.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Peeked::Error);
            }
            match self.peek() {
                Peeked::Nothing => self.forget_readable(),
                seen => return Poll::Ready(seen),
            }
        }
    }

    /// Whether nothing has come as far as the event loop knows. Asks the kernel only when the event
    /// loop says that something did.
    #[inline]
    #[must_use]
    pub(crate) fn seems_quiet(&self) -> bool {
        let look = || match self.peek() {
            Peeked::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Peeked::Bytes | Peeked::End | Peeked::Error => Ok(()),
        };
        self.try_io(Interest::READABLE, look).is_err()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        // The other side may be gone already; then there is nobody to tell.
        rustix::net::shutdown(self, Shutdown::Write).ok();
    }

    /// Makes the close that follows a reset, so that nobody takes what was sent for complete.
    pub(crate) fn reset_on_close(&self) {
        let abort = Some(std::time::Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(self, abort).ok();
    }

    /// This end's address; nothing for a unix socket.
    #[must_use]
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Whether both ends are TCP, which the kernel can splice.
    #[must_use]
    pub(crate) const fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    #[inline]
    fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_read(room),
            Self::Unix(unix) => unix.try_read(room),
        }
    }

    /// Tells the event loop that the socket is empty. A new event sets it readable again: epoll
    /// reports edges, and only this thread polls it.
    #[inline]
    fn forget_readable(&self) {
        let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        drop(self.try_io(Interest::READABLE, empty));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

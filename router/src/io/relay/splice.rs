//! Moving bytes from socket to socket without reading them: `splice(2)` through a pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags};
use tokio::io::Interest;

use crate::io::free_list::FreeList;
use crate::io::socket::Socket;

/// What a pipe holds, if the system grants it: four times the usual, for a quarter of the calls.
const PIPE_BYTES: usize = 256 << 10;

/// Pipes kept for the next taker.
const KEPT: usize = 32;

/// The pipes of one worker. A kept pipe is empty.
#[derive(Clone, Debug)]
pub(crate) struct Pipes(Rc<FreeList<Pipe>>);

impl Default for Pipes {
    fn default() -> Self {
        Self(Rc::new(FreeList::new(KEPT)))
    }
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    capacity: usize,
}

impl Pipes {
    fn take(&self) -> Option<Pipe> {
        if let Some(pipe) = self.0.take() {
            return Some(pipe);
        }
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reader, writer) = rustix::pipe::pipe_with(flags).ok()?;
        // Beyond the user's share of pipe memory the size stays what it was, which works too.
        rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES).ok();
        let capacity = rustix::pipe::fcntl_getpipe_size(&writer).ok()?;
        Some(Pipe {
            reader,
            writer,
            capacity,
        })
    }

    /// Closes those that have been of no use lately.
    pub(crate) fn sweep(&self) {
        self.0.sweep();
    }
}

/// A pipe between two sockets and how many bytes are in it.
#[derive(Debug)]
pub(crate) struct Splice {
    pipe: Option<Pipe>,
    filled: usize,
    home: Pipes,
}

impl Splice {
    /// Takes a pipe; none when the process may open no more.
    #[must_use]
    pub(crate) fn begin(pipes: &Pipes) -> Option<Self> {
        let pipe = pipes.take()?;
        Some(Self {
            pipe: Some(pipe),
            filled: 0,
            home: pipes.clone(),
        })
    }

    /// Whether every byte that went in has come out.
    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Fills the empty pipe with at most `most` bytes. Zero bytes are the end of `from`.
    ///
    /// The pipe must be empty: the kernel says "try again" for a full pipe and an empty socket alike.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket,
        most: u64,
    ) -> Poll<io::Result<u64>> {
        let Some(pipe) = &self.pipe else {
            return Poll::Ready(Ok(0));
        };
        debug_assert_eq!(self.filled, 0);
        let length = pipe
            .capacity
            .min(usize::try_from(most).unwrap_or(usize::MAX));
        loop {
            ready!(from.poll_read_ready(cx))?;
            let moved = from.try_io(Interest::READABLE, || {
                splice(from.as_fd(), pipe.writer.as_fd(), length)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    self.filled = count;
                    return Poll::Ready(Ok(count as u64));
                }
            }
        }
    }

    /// Empties the pipe.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, to: &Socket) -> Poll<io::Result<()>> {
        let Some(pipe) = &self.pipe else {
            return Poll::Ready(Ok(()));
        };
        while self.filled > 0 {
            ready!(to.poll_write_ready(cx))?;
            let moved = to.try_io(Interest::WRITABLE, || {
                splice(pipe.reader.as_fd(), to.as_fd(), self.filled)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.filled -= count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn splice(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
    length: usize,
) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(rustix::pipe::splice(from, None, to, None, length, flags)?)
}

impl Drop for Splice {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take()
            && self.filled == 0
        {
            self.home.0.keep(pipe);
        }
    }
}

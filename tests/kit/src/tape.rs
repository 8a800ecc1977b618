//! What came over one connection, byte for byte.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::RecvFlags;

/// Every byte that came over one connection, and whether the peer has ended it.
#[derive(Debug)]
pub struct Tape {
    stream: TcpStream,
    recorded: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    bytes: Vec<u8>,
    ended: bool,
}

impl Tape {
    pub(super) fn new(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self {
            stream: stream.try_clone()?,
            recorded: Mutex::default(),
        })
    }

    /// Everything so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Whether the peer has closed or reset the connection, whether or not a script has read so
    /// far.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let recorded = self.lock();
        recorded.ended || !matches!(self.peek(), Ok(1..) | Err(rustix::io::Errno::WOULDBLOCK))
    }

    /// Whether nothing has arrived that is not recorded.
    pub(super) fn is_current(&self) -> bool {
        let recorded = self.lock();
        recorded.ended || matches!(self.peek(), Err(_) | Ok(0))
    }

    /// Reads once from `stream`. From the kernel onto the tape is one step under the lock: no
    /// byte is ever in neither.
    pub(crate) fn record(&self, mut stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        let waited = stream.peek(&mut into[..1]);
        let mut recorded = self.lock();
        let read = waited.and_then(|_| stream.read(into));
        match &read {
            Ok(0) => recorded.ended = true,
            Ok(count) => recorded.bytes.extend_from_slice(&into[..*count]),
            Err(error) => recorded.ended |= error.kind() == io::ErrorKind::ConnectionReset,
        }
        read
    }

    /// Ends the connection under whoever uses it.
    pub(super) fn shut_down(&self) {
        self.stream.shutdown(Shutdown::Both).ok();
    }

    fn peek(&self) -> rustix::io::Result<usize> {
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.stream, &mut byte, flags).map(|(count, _)| count)
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The backend under every peer: one thread on epoll, built to cost less than any proxy before it.
//!
//! Small answers are one write from a prepared buffer, large ones are sent by `sendfile` from
//! memory that is never filled, uploads are discarded in the kernel without being copied.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

/// What a path answers: a prepared head with a small body, then zeros from the large body.
struct Answer {
    path: &'static str,
    prepared: Vec<u8>,
    /// Bytes that follow from the zero-filled file.
    zeros: u64,
}

const KIB: usize = 1024;
/// Bodies up to this size live in the prepared buffer.
const PREPARED_BODY: usize = 64 * KIB;
/// The token of the listener; connections count from zero.
const LISTENER: u64 = u64::MAX;
/// Longest request head that is accepted. A load generator's is far below.
const MAX_HEAD: usize = 16 * KIB;
const ACCEPT_BACKLOG: i32 = 4096;

/// Serves `listen` until the process ends.
///
/// `/1k`, `/64k`, `/1m` and `/100m` answer bodies of that size, `/upload` swallows one and answers
/// `ok`, everything else answers `ok`. Request bodies need a `Content-Length`.
///
/// # Errors
/// When the address cannot be bound or the kernel refuses epoll.
pub fn serve(listen: SocketAddr) -> Result<()> {
    let mut backend = Backend::bind(listen)?;
    let mut events = Vec::with_capacity(512);
    loop {
        match epoll::wait(&backend.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => backend.accept(),
                token => backend.advance(token),
            }
        }
    }
}

struct Backend {
    epoll: OwnedFd,
    listener: TcpListener,
    answers: Vec<Answer>,
    zeros: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    scratch: Vec<u8>,
}

impl Backend {
    fn bind(listen: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        // The standard library's backlog is too short for hundreds of connections at once.
        rustix::net::listen(&listener, ACCEPT_BACKLOG)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        let answers = vec![
            Answer::new("/1k", KIB),
            Answer::new("/64k", 64 * KIB),
            Answer::new("/1m", KIB * KIB),
            Answer::new("/100m", 100 * KIB * KIB),
            Answer::new("/", 2),
        ];
        let zeros = rustix::fs::memfd_create("zeros", MemfdFlags::CLOEXEC)?;
        let longest = answers.iter().map(|answer| answer.zeros).max().unwrap_or(0);
        rustix::fs::ftruncate(&zeros, longest)?;
        Ok(Self {
            epoll,
            listener,
            answers,
            zeros,
            connections: Vec::new(),
            free: Vec::new(),
            scratch: vec![0; 256 * KIB],
        })
    }

    fn accept(&mut self) {
        // Level triggered: whatever is left after a failure comes back with the next wait.
        while let Ok(socket) =
            rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
        {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let token = EventData::new_u64(slot as u64);
            if epoll::add(&self.epoll, &socket, token, flags).is_err() {
                self.free.push(slot);
                continue;
            }
            self.connections[slot] = Some(Connection::new(socket));
        }
    }

    fn advance(&mut self, token: u64) {
        let Ok(slot) = usize::try_from(token) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if connection
            .advance(&self.answers, &self.zeros, &mut self.scratch)
            .is_err()
        {
            self.connections[slot] = None;
            self.free.push(slot);
        }
    }
}

impl Answer {
    fn new(path: &'static str, size: usize) -> Self {
        let mut prepared = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
        )
        .into_bytes();
        if size <= PREPARED_BODY {
            prepared.resize(prepared.len() + size, b'x');
            return Self {
                path,
                prepared,
                zeros: 0,
            };
        }
        Self {
            path,
            prepared,
            zeros: size as u64,
        }
    }
}

/// Why a connection ends: the peer closed it, it broke, or it sent what is not understood.
struct Ended;

impl From<Errno> for Ended {
    fn from(_: Errno) -> Self {
        Self
    }
}

enum State {
    /// Waiting for the rest of a request head; `head` holds what has come.
    Head,
    /// A request body is being swallowed.
    Upload { left: u64 },
    /// An answer is being sent.
    Sending {
        answer: usize,
        prepared_sent: usize,
        zeros_sent: u64,
    },
}

struct Connection {
    socket: OwnedFd,
    state: State,
    head: Vec<u8>,
    /// The last read emptied the socket: with edge triggering the next bytes bring an event, so
    /// that no read is spent on learning that there are none.
    drained: bool,
}

impl Connection {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            state: State::Head,
            head: Vec::new(),
            drained: false,
        }
    }

    /// Reads once: none when the socket would block, an end when the peer closed it.
    fn receive(&self, buffer: &mut [u8], flags: RecvFlags) -> Result<Option<usize>, Ended> {
        match rustix::net::recv(&self.socket, buffer, flags) {
            Ok((_, 0)) => Err(Ended),
            Ok((_, read)) => Ok(Some(read)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on until the socket would block.
    fn advance(
        &mut self,
        answers: &[Answer],
        zeros: &OwnedFd,
        scratch: &mut [u8],
    ) -> Result<(), Ended> {
        loop {
            let would_block = match self.state {
                State::Head => self.read_head(answers, scratch)?,
                State::Upload { left } => self.swallow(left, answers, scratch)?,
                State::Sending {
                    answer,
                    prepared_sent,
                    zeros_sent,
                } => self.send(&answers[answer], zeros, answer, prepared_sent, zeros_sent)?,
            };
            if would_block {
                return Ok(());
            }
        }
    }

    /// Reads until one head is complete; true when more has to come.
    fn read_head(&mut self, answers: &[Answer], scratch: &mut [u8]) -> Result<bool, Ended> {
        if !self.head.is_empty() && self.begin(answers)? {
            return Ok(false);
        }
        let Some(read) = self.receive(scratch, RecvFlags::empty())? else {
            return Ok(true);
        };
        self.drained = read < scratch.len();
        self.head.extend_from_slice(&scratch[..read]);
        if self.begin(answers)? {
            return Ok(false);
        }
        if self.head.len() > MAX_HEAD {
            return Err(Ended);
        }
        Ok(self.drained)
    }

    /// Takes one complete request off the front of `head`, if there is one.
    fn begin(&mut self, answers: &[Answer]) -> Result<bool, Ended> {
        let Some(end) = self
            .head
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        else {
            return Ok(false);
        };
        let end = end + 4;
        let request = Request::parse(&self.head[..end])?;
        let answer = answer_to(answers, request.path);
        let body = request.content_length;
        // What followed the head is the start of the body, then perhaps the next request.
        let here = usize::try_from(body)
            .unwrap_or(usize::MAX)
            .min(self.head.len() - end);
        self.head.drain(..end + here);
        self.state = match body - here as u64 {
            0 => State::Sending {
                answer,
                prepared_sent: 0,
                zeros_sent: 0,
            },
            left => State::Upload { left },
        };
        Ok(true)
    }

    /// Discards body bytes in the kernel.
    fn swallow(
        &mut self,
        left: u64,
        answers: &[Answer],
        scratch: &mut [u8],
    ) -> Result<bool, Ended> {
        let want = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(scratch.len());
        let Some(read) = self.receive(&mut scratch[..want], RecvFlags::TRUNC)? else {
            return Ok(true);
        };
        self.drained = read < want;
        self.state = match left - read as u64 {
            0 => State::Sending {
                answer: answer_to(answers, b"/"),
                prepared_sent: 0,
                zeros_sent: 0,
            },
            left => State::Upload { left },
        };
        Ok(false)
    }

    /// Sends what is left of the answer; true when the socket is full.
    fn send(
        &mut self,
        answer: &Answer,
        zeros: &OwnedFd,
        index: usize,
        mut prepared_sent: usize,
        mut zeros_sent: u64,
    ) -> Result<bool, Ended> {
        let mut full = false;
        while prepared_sent < answer.prepared.len() && !full {
            let rest = &answer.prepared[prepared_sent..];
            let flags = if answer.zeros > 0 {
                SendFlags::MORE
            } else {
                SendFlags::empty()
            };
            match rustix::net::send(&self.socket, rest, flags | SendFlags::NOSIGNAL) {
                Ok(sent) => prepared_sent += sent,
                Err(Errno::AGAIN) => full = true,
                Err(error) => return Err(error.into()),
            }
        }
        while prepared_sent == answer.prepared.len() && zeros_sent < answer.zeros && !full {
            let left = usize::try_from(answer.zeros - zeros_sent).unwrap_or(usize::MAX);
            match rustix::fs::sendfile(&self.socket, zeros, Some(&mut zeros_sent), left) {
                Ok(0) => return Err(Ended),
                Ok(_) => {}
                Err(Errno::AGAIN) => full = true,
                Err(error) => return Err(error.into()),
            }
        }
        self.state = if full {
            State::Sending {
                answer: index,
                prepared_sent,
                zeros_sent,
            }
        } else {
            State::Head
        };
        Ok(full || (self.drained && self.head.is_empty()))
    }
}

/// The answer whose path is asked for; the last one serves everything else.
fn answer_to(answers: &[Answer], path: &[u8]) -> usize {
    answers
        .iter()
        .position(|answer| answer.path.as_bytes() == path)
        .unwrap_or(answers.len() - 1)
}

/// The two facts of a request head that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    path: &'a [u8],
    content_length: u64,
}

impl<'a> Request<'a> {
    fn parse(head: &'a [u8]) -> Result<Self, Ended> {
        let mut lines = head.split(|byte| *byte == b'\n');
        let path = lines
            .next()
            .and_then(|line| line.split(|byte| *byte == b' ').nth(1));
        let mut content_length = 0;
        for line in lines {
            if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
                let digits = std::str::from_utf8(&line[15..]).map_err(|_| Ended)?;
                content_length = digits.trim().parse().map_err(|_| Ended)?;
            }
        }
        Ok(Self {
            path: path.ok_or(Ended)?,
            content_length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_for_path_and_length() {
        let rows: &[(&str, &str, u64)] = &[
            ("GET /1k HTTP/1.1\r\nHost: a\r\n\r\n", "/1k", 0),
            (
                "POST /upload HTTP/1.1\r\nContent-Length: 12\r\n\r\n",
                "/upload",
                12,
            ),
            (
                "POST /upload HTTP/1.1\r\ncontent-length:7\r\nHost: a\r\n\r\n",
                "/upload",
                7,
            ),
        ];
        for (head, path, content_length) in rows {
            let request = Request::parse(head.as_bytes()).ok();
            let want = Request {
                path: path.as_bytes(),
                content_length: *content_length,
            };
            assert_eq!(request, Some(want), "{head:?}");
        }
        assert!(Request::parse(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn bodies_beyond_the_prepared_size_come_from_the_file() {
        assert_eq!(Answer::new("/64k", 64 * KIB).zeros, 0);
        assert_eq!(Answer::new("/1m", KIB * KIB).zeros, 1 << 20);
    }
}

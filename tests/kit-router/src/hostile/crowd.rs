//! Many connections of one hostile peer, driven by one thread.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::scene::Scene;

/// Descriptors that the test itself needs beside a crowd.
const OTHERS: u64 = 512;

/// Connections that never block. What the router says is read and counted by its first bytes.
pub(super) struct Crowd {
    members: Vec<Member>,
    began: Instant,
    /// When the last of them was seen to be ended by the router.
    ended: Option<Duration>,
}

/// One connection.
pub(super) struct Member {
    stream: Option<TcpStream>,
    /// How much of what it wants to send was sent.
    pub(super) sent: usize,
    /// The first bytes that came.
    pub(super) answer: Vec<u8>,
    /// How much came.
    pub(super) received: usize,
    /// Whether it goes on sending when the router has ended its side.
    stubborn: bool,
}

/// As much of an answer as is kept.
const KEPT: usize = 64;

impl Crowd {
    /// Connects `count` times, or as often as the system lets us.
    pub(super) fn gather(to: SocketAddr, count: usize) -> Self {
        let mut crowd = Self {
            members: Vec::new(),
            began: Instant::now(),
            ended: None,
        };
        for _ in 0..count.min(room()) {
            let Ok(stream) = TcpStream::connect_timeout(&to, tests_kit::PATIENCE) else {
                break;
            };
            stream.set_nodelay(true).ok();
            if stream.set_nonblocking(true).is_ok() {
                crowd.members.push(Member {
                    stream: Some(stream),
                    sent: 0,
                    answer: Vec::new(),
                    received: 0,
                    stubborn: false,
                });
            }
        }
        crowd.began = Instant::now();
        crowd
    }

    /// Goes on sending when the router has ended its side: only a reset ends these.
    pub(super) fn stubborn(mut self) -> Self {
        for member in &mut self.members {
            member.stubborn = true;
        }
        self
    }

    /// How many there were.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many are left.
    pub(super) fn left(&self) -> usize {
        let open = |member: &&Member| member.stream.is_some();
        self.members.iter().filter(open).count()
    }

    /// Every connection, open or not.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Lets each of those that are left send more of `message`, `piece` bytes at most, again from
    /// the beginning where `again` says so, and reads what has come.
    pub(super) fn turn(&mut self, message: &[u8], piece: usize, again: Option<usize>) {
        for member in &mut self.members {
            if let (Some(from), true) = (again, member.sent >= message.len()) {
                member.sent = from;
            }
            member.write(message, piece);
        }
        self.listen();
    }

    /// Lets each of those that are left send what is left of `message`, and reads nothing.
    pub(super) fn send(&mut self, message: &[u8]) {
        for member in &mut self.members {
            member.write(message, message.len());
        }
    }

    /// Reads what has come, and takes note of who was ended.
    pub(super) fn listen(&mut self) {
        for member in &mut self.members {
            member.read();
        }
        self.note();
    }

    fn note(&mut self) {
        if self.ended.is_none() && self.left() == 0 {
            self.ended = Some(self.began.elapsed());
        }
    }

    /// Listens until the scene is over or all are ended, `each` before every look.
    pub(super) fn stay(&mut self, scene: &Scene, look: Duration, mut each: impl FnMut(&mut Self)) {
        while self.left() > 0 && scene.goes_on(look) {
            each(self);
            self.listen();
        }
    }

    /// When the router had ended the last of them, counted from the last connection.
    pub(super) fn cut_off(&self) -> Option<Duration> {
        self.ended
    }

    /// How many were answered with something that begins so.
    pub(super) fn answered(&self, beginning: &str) -> usize {
        let told = |member: &&Member| member.answer.starts_with(beginning.as_bytes());
        self.members.iter().filter(told).count()
    }

    /// The answers by their status, as `408: 300, none: 2`.
    pub(super) fn told(&self) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for member in &self.members {
            let status = tests_kit::bytes::text(&member.answer);
            let status = status.split(' ').nth(1).unwrap_or("no answer").to_owned();
            *counts.entry(status).or_insert(0) += 1;
        }
        let told: Vec<String> = counts
            .iter()
            .map(|(status, count)| format!("{status}: {count}"))
            .collect();
        told.join(", ")
    }
}

impl Member {
    /// Sends a piece of what is left of `message`.
    fn write(&mut self, message: &[u8], piece: usize) {
        let rest = &message[self.sent.min(message.len())..];
        let Some(mut stream) = self.stream.as_ref().filter(|_| !rest.is_empty()) else {
            return;
        };
        match stream.write(&rest[..rest.len().min(piece)]) {
            Ok(count) => self.sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // What came before it is still to be read.
            Err(_) => self.stubborn = false,
        }
    }

    /// Reads all that has come; the connection is over at its end.
    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(mut stream) = self.stream.as_ref() {
            match stream.read(&mut buffer) {
                Ok(0) if self.stubborn => return,
                Ok(0) => self.stream = None,
                Ok(count) => {
                    self.received += count;
                    let room = KEPT.saturating_sub(self.answer.len()).min(count);
                    self.answer.extend_from_slice(&buffer[..room]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.stream = None,
            }
        }
    }
}

/// How many connections we may have, after the limit was raised as far as it goes.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum.or(limit.current),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).ok();
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(current.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

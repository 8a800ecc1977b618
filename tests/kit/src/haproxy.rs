//! A real HAProxy in front of servers, as a load balancer that asks for their health.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{TempDir, eventually, free_address, installed};

/// How often it asks each server for its health. One answer that is not 200 takes a server out of
/// service, one that is brings it back.
pub const HEALTH_INTERVAL: Duration = Duration::from_millis(100);

/// The column of a server's status in what the statistics socket tells.
const STATUS_COLUMN: usize = 17;

/// A HAProxy program that was found on this machine.
#[derive(Clone, Debug)]
pub struct HaproxyProgram(PathBuf);

/// A running HAProxy on a port of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Haproxy {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

/// One of its servers.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where it answers `GET /health`.
    pub health: SocketAddr,
}

impl HaproxyProgram {
    /// The program in `PATH` or where Debian's package puts it, if there is one.
    #[must_use]
    pub fn find() -> Option<Self> {
        installed("haproxy").map(Self)
    }

    /// As [`Self::find`], and says so when there is none: `what` is then not tested.
    #[must_use]
    pub fn find_for(what: &str) -> Option<Self> {
        let found = Self::find();
        if found.is_none() {
            eprintln!("SKIPPED: {what}: no haproxy found (apt-get install haproxy)");
        }
        found
    }

    /// Starts it in front of `members` and waits until it has found all of them healthy.
    ///
    /// # Panics
    /// When it does not start, or a member is not healthy.
    #[must_use]
    pub fn start(&self, members: &[Member]) -> Haproxy {
        // It cannot be given port 0: whoever takes the port first makes us choose another.
        for _ in 0..8 {
            let directory = TempDir::new();
            let address = free_address();
            let file = directory.file("haproxy.cfg", configuration(address, members, &directory));
            let mut child = self.run(&file);
            let listens = eventually(crate::PATIENCE, || {
                ended(&mut child) || TcpStream::connect(address).is_ok()
            });
            if !listens || ended(&mut child) {
                drop(child.kill());
                drop(child.wait());
                continue;
            }
            let haproxy = Haproxy {
                child,
                address,
                directory,
            };
            for member in 0..members.len() {
                assert!(haproxy.finds(member, "UP"), "{members:?}");
            }
            return haproxy;
        }
        std::panic::panic_any("haproxy does not start")
    }

    fn run(&self, file: &Path) -> Child {
        Command::new(&self.0)
            .arg("-db")
            .arg("-f")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy can be started")
    }
}

impl Haproxy {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it calls a member `UP` or `DOWN`; says whether it does.
    #[must_use]
    pub fn finds(&self, member: usize, status: &str) -> bool {
        eventually(crate::PATIENCE, || {
            self.status(member).is_some_and(|found| found == status)
        })
    }

    /// What it calls a member; nothing while it cannot be asked.
    fn status(&self, member: usize) -> Option<String> {
        let mut socket = UnixStream::connect(socket_of(&self.directory)).ok()?;
        socket.set_read_timeout(Some(crate::PATIENCE)).ok()?;
        socket.write_all(b"show stat\n").ok()?;
        let mut table = String::new();
        socket.read_to_string(&mut table).ok()?;
        let row = format!("servers,m{member},");
        let row = table.lines().find(|line| line.starts_with(&row))?;
        row.split(',').nth(STATUS_COLUMN).map(str::to_owned)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

fn socket_of(directory: &TempDir) -> PathBuf {
    directory.path().join("statistics")
}

/// As its manual advises for servers that announce their end by their health: what could not be
/// connected is tried on another server, and nothing that was sent is sent again.
fn configuration(listen: SocketAddr, members: &[Member], directory: &TempDir) -> String {
    let interval = HEALTH_INTERVAL.as_millis();
    let socket = socket_of(directory);
    let mut text = format!(
        "global
    nbthread 1
    maxconn 2000
    stats socket {} mode 600 level operator

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 5s
    retries 3
    option redispatch 1

frontend edge
    bind {listen} backlog 4096
    default_backend servers

backend servers
    balance roundrobin
    option httpchk GET /health
    default-server check inter {interval}ms fall 1 rise 1
",
        socket.display()
    );
    for (at, member) in members.iter().enumerate() {
        let Member { address, health } = member;
        writeln!(
            text,
            "    server m{at} {address} addr {} port {}",
            health.ip(),
            health.port()
        )
        .expect("a string takes what is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, Client, Conversation, Gate, script};

    #[test]
    fn a_member_that_is_unwell_gets_no_requests() {
        let Some(program) = HaproxyProgram::find_for("the load balancer of the kit") else {
            return;
        };
        let unwell = Gate::new();
        let apps = [
            Backend::start(script::hello("one")),
            Backend::start(script::hello("two")),
        ];
        let seen = unwell.clone();
        let health = Backend::start(move |conversation: &mut Conversation| {
            conversation.request()?;
            let status = if seen.is_open() {
                "503 Unavailable"
            } else {
                "200 OK"
            };
            conversation.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
        });
        let well = Backend::start(script::hello("well"));
        let haproxy = program.start(&[
            Member {
                address: apps[0].address(),
                health: health.address(),
            },
            Member {
                address: apps[1].address(),
                health: well.address(),
            },
        ]);
        let ask = || Client::connect(haproxy.address()).get("a.test", "/").text();
        let mut both = [ask(), ask()];
        both.sort();
        assert_eq!(both, ["one", "two"]);
        unwell.open();
        assert!(haproxy.finds(0, "DOWN"));
        assert_eq!([ask(), ask(), ask()], ["two", "two", "two"]);
    }
}

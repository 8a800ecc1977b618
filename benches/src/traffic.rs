//! Keep-alive requests through a router, from clients to a backend, all on blocking sockets.
//!
//! A request is what `curl` sends; the response is 1 KiB behind the head that a small app sends.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The host of the one route.
pub const HOST: &str = "app.test";

/// What a client sends.
pub const REQUEST: &[u8] = b"GET /some/path?query=1 HTTP/1.1\r\n\
Host: app.test\r\n\
User-Agent: curl/8.5.0\r\n\
Accept: */*\r\n\
Accept-Encoding: gzip, deflate\r\n\
\r\n";

/// What the backend answers, without the body.
pub const RESPONSE_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\
Content-Type: text/plain; charset=utf-8\r\n\
Content-Length: 1024\r\n\
Server: app\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
\r\n";

/// Bytes of the body.
pub const BODY: usize = 1024;

/// Far longer than anything takes, under valgrind too.
const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration of a router with one worker and one static route: every header rule and
/// metric on, no access log, no bus.
#[must_use]
pub fn config(listen: SocketAddr, admin: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "listeners: [{{address: \"{listen}\"}}]
workers: 1
nats: off
status: {{port: off, routes: {{port: {}}}}}
routes:
  - uris: [{HOST}]
    backends: [{{address: \"{backend}\"}}]
",
        admin.port()
    )
}

/// A backend that answers every request with 1 KiB, on threads that end with the process.
///
/// `begin` runs first on each of its threads.
///
/// # Errors
/// No port or no thread is to be had.
pub fn backend(begin: fn()) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().spawn(move || {
        begin();
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = move || {
                begin();
                // It ends when the router closes the connection.
                answer(stream).unwrap_or_default();
            };
            if thread::Builder::new().spawn(serve).is_err() {
                break;
            }
        }
    })?;
    Ok(address)
}

/// Answers requests, each of which comes in one piece or ends in an empty line of its own.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let response = [RESPONSE_HEAD, &[b'x'; BODY]].concat();
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            count => filled += count,
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            stream.write_all(&response)?;
        }
    }
}

/// Clients that keep their connections.
#[derive(Debug)]
pub struct Clients {
    streams: Vec<TcpStream>,
}

impl Clients {
    /// Opens `count` connections.
    ///
    /// # Errors
    /// One is refused.
    pub fn connect(address: SocketAddr, count: usize) -> io::Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let streams = (0..count).map(connect).collect::<io::Result<_>>()?;
        Ok(Self { streams })
    }

    /// Sends at least `requests` requests: one on each connection, then the responses are read.
    /// Returns how many there were.
    ///
    /// # Errors
    /// A response other than the backend's.
    pub fn send(&mut self, requests: u64) -> io::Result<u64> {
        let mut sent = 0;
        while sent < requests {
            for stream in &mut self.streams {
                stream.write_all(REQUEST)?;
            }
            for stream in &mut self.streams {
                receive(stream)?;
            }
            sent += self.streams.len() as u64;
        }
        Ok(sent)
    }
}

fn receive(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..])?;
        filled += count;
        let there = &buffer[..filled];
        let end = there.windows(4).position(|four| four == b"\r\n\r\n");
        if end.is_some_and(|end| filled == end + 4 + BODY) && there.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        if count == 0 {
            let text = String::from_utf8_lossy(there).into_owned();
            return Err(io::Error::other(text));
        }
    }
}

/// An address on loopback where nothing listens now.
///
/// # Errors
/// No port is to be had.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

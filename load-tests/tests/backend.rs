//! The backend as a process: what it answers must be right, or every figure is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

struct Backend {
    process: Child,
    address: SocketAddr,
}

impl Backend {
    fn start() -> Self {
        let address = tests_kit::free_address();
        let process = Command::new(env!("CARGO_BIN_EXE_load-tests"))
            .args(["backend", "--listen", &address.to_string()])
            .spawn()
            .unwrap();
        Self { process, address }
    }

    fn connect(&self) -> Client {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(self.address) {
                Ok(socket) => {
                    socket
                        .set_read_timeout(Some(Duration::from_secs(10)))
                        .unwrap();
                    return Client(BufReader::new(socket));
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Reads one answer and returns the length of its body.
    fn answer(&mut self) -> usize {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        let mut length = None;
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = Some(value.trim().parse::<usize>().unwrap());
            }
        }
        let mut body = vec![0; length.unwrap()];
        self.0.read_exact(&mut body).unwrap();
        body.len()
    }
}

#[test]
fn each_path_answers_its_size_on_one_connection() {
    let backend = Backend::start();
    let mut client = backend.connect();
    let rows = [
        ("/1k", 1 << 10),
        ("/64k", 64 << 10),
        ("/1m", 1 << 20),
        ("/100m", 100 << 20),
        ("/x", 2),
    ];
    for (path, size) in rows {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes());
        assert_eq!(client.answer(), size, "{path}");
    }
}

#[test]
fn requests_in_pieces_and_in_a_row_are_answered() {
    let backend = Backend::start();
    let mut client = backend.connect();
    for byte in b"GET /1k HTTP/1.1\r\nHost: app.test\r\n\r\n" {
        client.send(&[*byte]);
    }
    assert_eq!(client.answer(), 1024);
    client.send(&b"GET /1k HTTP/1.1\r\nHost: app.test\r\n\r\n".repeat(20));
    for _ in 0..20 {
        assert_eq!(client.answer(), 1024);
    }
}

#[test]
fn uploads_are_swallowed_whole() {
    let backend = Backend::start();
    let mut client = backend.connect();
    for size in [0, 1, 5_000_000] {
        client.send(format!("POST /upload HTTP/1.1\r\nContent-Length: {size}\r\n\r\n").as_bytes());
        client.send(&vec![b'x'; size]);
        assert_eq!(client.answer(), 2);
    }
    client.send(b"GET /1k HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(client.answer(), 1024);
}

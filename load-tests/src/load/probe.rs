//! A keep-alive client for single requests: what waits for a route uses it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// One connection.
pub(super) struct Probe {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Probe {
    pub(super) async fn connect(to: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            buffer: Vec::new(),
        })
    }

    /// Sends a GET and returns the status after the whole body was read. The answer must carry a
    /// `Content-Length`; one that does not leaves the connection unusable.
    pub(super) async fn get(&mut self, host: &str, path: &str) -> Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        timeout(ANSWER_LIMIT, self.exchange(request.as_bytes()))
            .await
            .context("no answer")?
    }

    /// Gives the receive buffer back: ten thousand of them would weigh on the load's side.
    pub(super) fn rest(&mut self) {
        self.buffer = Vec::new();
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed before the answer was complete");
            }
            if let Some(status) = complete_answer(&self.buffer) {
                return status;
            }
        }
    }
}

/// The status, once head and body are there.
fn complete_answer(bytes: &[u8]) -> Option<Result<u16>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    let (Some(status), Some(length)) = (status, length) else {
        return Some(Err(anyhow::anyhow!("not understood: {head}")));
    };
    (bytes.len() >= end + length).then_some(Ok(status))
}

/// Asks one address again and again until a route answers.
pub(super) struct Watcher {
    to: SocketAddr,
    probe: Option<Probe>,
}

impl Watcher {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self { to, probe: None }
    }

    /// Waits until `host` answers 200, asking every `pause`; returns how long that took since
    /// `since`. A lost or refused connection is made anew.
    pub(super) async fn until_routed(
        &mut self,
        host: &str,
        since: Instant,
        pause: Duration,
        limit: Duration,
    ) -> Result<Duration> {
        while since.elapsed() < limit {
            if self.routed(host).await {
                return Ok(since.elapsed());
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        bail!("{host} did not answer 200 within {} s", limit.as_secs())
    }

    async fn routed(&mut self, host: &str) -> bool {
        self.status(host).await == Some(200)
    }

    /// What `host` answers; none when there is no connection or it is lost.
    pub(super) async fn status(&mut self, host: &str) -> Option<u16> {
        self.ask(host, "/1k").await
    }

    /// The same for any path.
    pub(super) async fn ask(&mut self, host: &str, path: &str) -> Option<u16> {
        let mut probe = match self.probe.take() {
            Some(probe) => probe,
            None => Probe::connect(self.to).await.ok()?,
        };
        let status = probe.get(host, path).await.ok()?;
        self.probe = Some(probe);
        Some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_with_their_body() {
        let rows: &[(&str, Option<u16>)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Some(200)),
            (
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                Some(404),
            ),
        ];
        for (bytes, want) in rows {
            assert_eq!(
                complete_answer(bytes.as_bytes()).transpose().unwrap(),
                *want,
                "{bytes:?}"
            );
        }
        assert!(
            complete_answer(b"HTTP/1.1 200 OK\r\n\r\n")
                .unwrap()
                .is_err()
        );
    }
}

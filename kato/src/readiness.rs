//! Whether a process is ready.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::config::Ready;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);
/// How an answer begins that says yes.
const START: &[u8; 10] = b"HTTP/1.1 2";

/// Looks until all that `ready` names holds.
pub async fn until(ready: &Ready) {
    while !matches!(timeout(LOOK, holds(ready)).await, Ok(Ok(true))) {
        sleep(PAUSE).await;
    }
}

async fn holds(ready: &Ready) -> io::Result<bool> {
    if let Some(address) = ready.tcp {
        TcpStream::connect(address).await?;
    }
    if let Some(path) = &ready.socket {
        UnixStream::connect(path).await?;
    }
    if let Some(url) = &ready.http
        && !answers(url).await?
    {
        return Ok(false);
    }
    Ok(ready.file.as_deref().is_none_or(Path::exists))
}

/// Whether a GET of `address/path` is answered with 2xx.
async fn answers(url: &str) -> io::Result<bool> {
    let (address, path) = url.split_once('/').unwrap_or((url, ""));
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = [0; START.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *START)
}

#[cfg(test)]
mod tests {
    use tests_kit::TempDir;
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    fn ready() -> Ready {
        crate::config::Description::default().ready
    }

    #[tokio::test]
    async fn what_listens_or_is_there_is_ready() {
        let directory = TempDir::new();
        let path = directory.path().join("socket");
        let (tcp, file) = (tests_kit::free_address(), directory.path().join("file"));
        let ways = [
            Ready {
                tcp: Some(tcp),
                ..ready()
            },
            Ready {
                socket: Some(path.clone()),
                ..ready()
            },
            Ready {
                file: Some(file.clone()),
                ..ready()
            },
        ];
        for way in &ways {
            assert!(!holds(way).await.unwrap_or(false), "{way:?}");
        }
        let _tcp = TcpListener::bind(tcp).await.unwrap();
        let _socket = UnixListener::bind(path).unwrap();
        drop(directory.file("file", ""));
        for way in &ways {
            assert!(holds(way).await.unwrap(), "{way:?}");
        }
        assert!(holds(&ready()).await.unwrap());
    }

    #[tokio::test]
    async fn an_answer_counts_when_its_status_is_2xx() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("{}/health", listener.local_addr().unwrap());
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1024];
                let length = stream.read(&mut head).await.unwrap();
                assert!(head[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            };
            let (answers, ()) = tokio::join!(answers(&url), serve);
            // A connection that is cut off is no answer either.
            assert_eq!(answers.unwrap_or(false), expected, "{answer}");
        }
    }
}

//! One request at a time to the admin listener of a program that runs.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::{Credentials, basic};
use crate::secret::Secret;

/// To connect, and to get the head of the answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const PIECE: Duration = Duration::from_secs(30);

/// Asks the admin listener of one program.
#[derive(Debug)]
pub struct AdminClient {
    program: &'static str,
    address: SocketAddr,
    authorization: Option<Secret>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens there, or the way is blocked.
    #[error("no {program} answers on {address}")]
    Unreachable {
        /// What should listen there.
        program: &'static str,
        /// The admin listener.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The connection ended inside the answer, or what came is not HTTP.
    #[error("the answer broke off")]
    Broken(#[from] hyper::Error),
    /// Nothing came for a long time.
    #[error("the {0} does not answer")]
    Silent(&'static str),
    /// The program wants to know who asks.
    #[error("the {0} wants a user and a password, those of its configuration")]
    Unauthorized(&'static str),
    /// The program does not answer this.
    #[error("the {program} refuses ({status}): {reason}")]
    Refused {
        /// Who refuses.
        program: &'static str,
        /// Its status.
        status: StatusCode,
        /// Its words.
        reason: String,
    },
    /// The answer is of another kind.
    #[error("the answer cannot be read; is it a program of this version?")]
    Unreadable(#[from] serde_json::Error),
    /// The question has characters that no URL has.
    #[error("the question cannot be asked")]
    Unaskable(#[from] hyper::http::Error),
    /// The answer cannot be printed.
    #[error("the answer cannot be printed")]
    Output(#[from] io::Error),
}

impl AdminError {
    /// Whether nobody was there to answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Silent(_) | Self::Broken(_)
        )
    }
}

impl AdminClient {
    /// A client of the admin listener at `address`, where messages call the program `program`.
    #[must_use]
    pub fn new(
        program: &'static str,
        address: SocketAddr,
        credentials: Option<&Credentials>,
    ) -> Self {
        Self {
            program,
            address,
            authorization: credentials.map(basic),
        }
    }

    /// The admin listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read.
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let mut whole = Vec::new();
        self.copy(path, &mut whole).await?;
        Ok(serde_json::from_slice(&whole)?)
    }

    /// Copies an answer as it comes.
    ///
    /// # Errors
    /// When there is no answer, or `out` does not take it.
    pub async fn copy(&self, path: &str, out: &mut impl io::Write) -> Result<(), AdminError> {
        let mut body = self.send(Method::GET, path, "").await?.into_body();
        loop {
            match timeout(PIECE, body.frame()).await {
                Err(_elapsed) => return Err(AdminError::Silent(self.program)),
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    if let Some(data) = frame?.data_ref() {
                        out.write_all(data)?;
                    }
                }
            }
        }
    }

    /// Sends a short text and returns the short text that comes back.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn put(&self, path: &str, text: &str) -> Result<String, AdminError> {
        let response = self.send(Method::PUT, path, text).await?;
        Ok(self.text(response).await)
    }

    /// Asks for something to be done and for the JSON document that tells of it.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let response = self.send(Method::POST, path, "").await?;
        Ok(serde_json::from_str(&self.text(response).await)?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        text: &str,
    ) -> Result<Response<Incoming>, AdminError> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(HOST, self.address.to_string());
        if let Some(token) = &self.authorization {
            request = request.header(AUTHORIZATION, format!("Basic {}", token.reveal()));
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(text.as_bytes())))?;
        let answer = timeout(ANSWER, self.exchange(request)).await;
        let response = answer.map_err(|_elapsed| AdminError::Silent(self.program))??;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(AdminError::Unauthorized(self.program)),
            status => {
                let reason = self.text(response).await.trim().to_owned();
                Err(AdminError::Refused {
                    program: self.program,
                    status,
                    reason,
                })
            }
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, AdminError> {
        let unreachable = |source| AdminError::Unreachable {
            program: self.program,
            address: self.address,
            source,
        };
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(unreachable)?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let mut driver = tokio::task::JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await?;
        // The body still needs it; it ends with the body.
        driver.detach_all();
        Ok(response)
    }

    /// The beginning of a text, as far as it came in time.
    async fn text(&self, response: Response<Incoming>) -> String {
        const LONGEST: usize = 64 << 10;
        let body = http_body_util::Limited::new(response.into_body(), LONGEST);
        match timeout(PIECE, body.collect()).await {
            Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            _ => String::new(),
        }
    }
}

/// A value for a query string (RFC 3986 §2.1).
pub fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

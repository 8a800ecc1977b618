//! Making a connection to one server.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::decoder::{Decoder, Info, Operation};
use super::tls;
use crate::options::{Options, Server, Tls};

/// What waits to be sent before no more commands are taken, in bytes.
const CROWDED: usize = 64 * 1024;

/// What waits to be sent when the server is given up, in bytes: it talks and does not listen.
const CLOGGED: usize = 4 * 1024 * 1024;

/// A stream of bytes, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to a server that knows us.
pub(super) struct Link {
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    pub(super) info: Info,
}

/// What a server says.
pub(super) struct Inlet {
    stream: ReadHalf<Box<dyn Stream>>,
    decoder: Decoder,
}

/// What a server is told.
pub(super) struct Outlet {
    stream: WriteHalf<Box<dyn Stream>>,
    bytes: BytesMut,
    /// All that was written is with the operating system.
    flushed: bool,
}

impl Inlet {
    /// Waits for more bytes. Cancel-safe.
    ///
    /// # Errors
    /// The server is gone.
    pub(super) async fn read(&mut self) -> Result<(), String> {
        match self.stream.read_buf(self.decoder.room()).await {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The next operation, once it is here.
    ///
    /// # Errors
    /// The server says what no server may.
    pub(super) fn next(&mut self) -> Result<Option<Operation>, String> {
        self.decoder.next().map_err(|breach| breach.to_string())
    }

    async fn operation(&mut self) -> Result<Operation, String> {
        loop {
            if let Some(operation) = self.next()? {
                return Ok(operation);
            }
            self.read().await?;
        }
    }
}

impl Outlet {
    /// Has a line sent.
    pub(super) fn line(&mut self, words: &[&str]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.bytes.extend_from_slice(b" ");
            }
            self.bytes.extend_from_slice(word.as_bytes());
        }
        self.payload(b"");
    }

    /// Has the payload of the line before sent.
    pub(super) fn payload(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.bytes.extend_from_slice(b"\r\n");
        self.flushed = false;
    }

    /// Whether all is with the operating system.
    pub(super) fn is_done(&self) -> bool {
        self.flushed
    }

    /// Whether so much waits that it should become less first.
    pub(super) fn is_crowded(&self) -> bool {
        self.bytes.len() >= CROWDED
    }

    /// Whether the server does not take what it is told.
    pub(super) fn is_clogged(&self) -> bool {
        self.bytes.len() >= CLOGGED
    }

    /// Sends all that waits.
    ///
    /// # Errors
    /// The server is gone.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        while !self.is_done() {
            self.write().await?;
        }
        Ok(())
    }

    /// Sends some of what waits. Cancel-safe.
    ///
    /// # Errors
    /// The server is gone.
    pub(super) async fn write(&mut self) -> Result<(), String> {
        let sent = if self.bytes.has_remaining() {
            self.stream.write_buf(&mut self.bytes).await
        } else {
            let flushed = self.stream.flush().await;
            self.flushed = flushed.is_ok();
            flushed.map(|()| 1)
        };
        match sent {
            Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero).to_string()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What we say of ourselves.
#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    name: &'a str,
    lang: &'static str,
    version: &'static str,
    /// 1: we want to be told when the cluster changes.
    protocol: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    headers: bool,
    no_responders: bool,
}

/// Connects to one server and introduces us. The caller holds it to a limit of time.
///
/// # Errors
/// In words: why there is no connection.
pub(super) async fn dial(
    options: &Options,
    trust: Option<Arc<ClientConfig>>,
    server: &Server,
) -> Result<Link, String> {
    let mut socket = connect(server, options.connect_timeout).await?;
    let mut decoder = Decoder::default();
    let info = introduction(&mut socket, &mut decoder).await?;
    let trust = match trust {
        None if info.tls_required => {
            let ours = tls::client_config(&Tls::default()).map_err(words)?;
            Some(Arc::new(ours))
        }
        trust => trust,
    };
    let encrypted = trust.is_some();
    let stream: Box<dyn Stream> = match trust {
        None => Box::new(socket),
        Some(trust) => {
            // What came before the encryption could be anybody's.
            if !decoder.is_empty() {
                return Err("the server spoke before the connection was encrypted".to_owned());
            }
            let name = ServerName::try_from(server.host.clone()).map_err(words)?;
            let connected = TlsConnector::from(trust).connect(name, socket).await;
            Box::new(connected.map_err(words)?)
        }
    };
    let (reading, writing) = tokio::io::split(stream);
    let inlet = Inlet {
        stream: reading,
        decoder,
    };
    let outlet = Outlet {
        stream: writing,
        bytes: BytesMut::new(),
        flushed: true,
    };
    let link = Link {
        inlet,
        outlet,
        info,
    };
    login(options, encrypted, link).await
}

/// Tries the addresses of a name in turn. Each has an equal share of the time, so that one which
/// swallows packets does not hide the others.
async fn connect(server: &Server, limit: Duration) -> Result<TcpStream, String> {
    let found = tokio::net::lookup_host((&*server.host, server.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(words)?.collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = "its name has no address".to_owned();
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true).map_err(words)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no answer from {address} in time"),
        }
    }
    Err(last)
}

/// The first thing that a server says is what it is.
async fn introduction(socket: &mut TcpStream, decoder: &mut Decoder) -> Result<Info, String> {
    loop {
        match decoder.next().map_err(words)? {
            Some(Operation::Info(info)) => return Ok(*info),
            Some(_) => return Err("the server did not say what it is".to_owned()),
            None => {}
        }
        if socket.read_buf(decoder.room()).await.map_err(words)? == 0 {
            return Err("the server closed the connection".to_owned());
        }
    }
}

async fn login(options: &Options, encrypted: bool, mut link: Link) -> Result<Link, String> {
    let login = options.login.as_ref();
    let connect = Connect {
        verbose: false,
        pedantic: false,
        tls_required: encrypted,
        name: &options.name,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        protocol: 1,
        user: login.map(|login| &*login.user),
        pass: login.map(|login| &*login.password),
        headers: link.info.headers,
        no_responders: link.info.headers,
    };
    let connect = serde_json::to_string(&connect).map_err(words)?;
    link.outlet.line(&["CONNECT", &connect]);
    link.outlet.line(&["PING"]);
    link.outlet.finish().await?;
    loop {
        match link.inlet.operation().await? {
            Operation::Pong => return Ok(link),
            Operation::Error(error) => return Err(error),
            Operation::Info(info) => link.info = *info,
            Operation::Ping => {
                link.outlet.line(&["PONG"]);
                link.outlet.finish().await?;
            }
            Operation::Fine | Operation::Message(..) => {}
        }
    }
}

fn words(error: impl Display) -> String {
    error.to_string()
}

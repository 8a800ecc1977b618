//! Long connections of one app beside changes of other routes: none of them may be touched.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::routes::OnBus;
use crate::measure::Measure;
use crate::nats::{Claims, Nats};
use crate::rounds::Figures;
use crate::scenario::Undisturbed;
use crate::site::Site;

const HOST: &str = "lasting.apps.test";
/// The bytes of one download, and of each piece that trickles until the end.
const BODY: usize = 1 << 20;
const PIECE: usize = 1 << 10;
/// Descriptors that either side needs beside those.
const SPARE_DESCRIPTORS: usize = 200;
/// Connections or changes after which the app's route is renewed.
const RENEWED: usize = 500;
/// Between two pieces.
const TRICKLE: Duration = Duration::from_millis(100);
/// Changes are published in batches of this spacing.
const BATCH: Duration = Duration::from_millis(10);
const BATCHED: usize = 10;
/// How long memory may take to settle before it is read.
const SETTLE: Duration = Duration::from_secs(1);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const MIB: f64 = (1 << 20) as f64;

pub(super) async fn measure(load: &Undisturbed, site: &Site) -> Result<Figures> {
    // Both ends of each connection are in one process: the router's, or this one.
    let needed = 2 * (load.websockets + load.downloads) + SPARE_DESCRIPTORS;
    ensure!(
        needed < site.descriptors,
        "{needed} descriptors are needed, the limit is {}",
        site.descriptors
    );
    let nats = Nats::start(site).await?;
    let mut bench = OnBus::start(site, &nats).await?;
    let mut app = App::start().await?;
    nats.register_host(HOST, app.address).await?;
    let now = Instant::now();
    let pause = Duration::from_millis(5);
    bench
        .watcher
        .until_routed(HOST, now, pause, ANSWER_LIMIT)
        .await?;

    let mut sockets = Vec::with_capacity(load.websockets);
    for number in 0..load.websockets {
        if number % RENEWED == 0 {
            nats.register_host(HOST, app.address).await?;
        }
        sockets.push(websocket(bench.address).await?);
    }
    let mut downloads = JoinSet::new();
    for _ in 0..load.downloads {
        downloads.spawn(download(bench.address));
    }
    sleep(SETTLE).await;
    let before = bench.server.memory()?;
    change(load.changes, &nats, site, app.address).await?;
    sleep(SETTLE).await;
    let growth = bench.server.memory()?.saturating_sub(before);

    let mut disturbed = 0;
    for socket in &mut sockets {
        disturbed += u32::from(echo(socket).await.is_err());
    }
    app.end.send(true).context("the app has ended")?;
    while let Some(done) = downloads.join_next().await {
        disturbed += u32::from(done?.is_err());
    }
    drop(sockets);
    app.tasks.shutdown().await;
    bench.server.stop().await?;
    nats.stop().await?;
    Ok(Figures::from([
        (Measure::Disturbed, f64::from(disturbed)),
        (Measure::ChangesMib, growth as f64 / MIB),
    ]))
}

/// Adds routes, moves each to the app, and removes it, until that many changes are made.
async fn change(changes: usize, nats: &Nats, site: &Site, app: SocketAddr) -> Result<()> {
    let claims = |backend| Claims {
        count: changes,
        backend,
    };
    let (old, new) = (claims(site.backend), claims(app));
    let mut ticks = interval(BATCH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Each route that comes is moved a little later, and goes after that.
    for turn in 0..changes.div_ceil(3) + 2 * BATCHED {
        if turn % BATCHED == 0 {
            ticks.tick().await;
        }
        if turn % RENEWED == 0 {
            nats.register_host(HOST, app).await?;
        }
        let turns = changes.div_ceil(3);
        if turn < turns {
            nats.register_one(&old, turn + 1).await?;
        }
        if let Some(moved) = turn.checked_sub(BATCHED).filter(|moved| *moved < turns) {
            nats.register_one(&new, moved + 1).await?;
            nats.unregister_one(&old, moved + 1).await?;
        }
        if let Some(gone) = turn.checked_sub(2 * BATCHED) {
            nats.unregister_one(&new, gone + 1).await?;
        }
    }
    Ok(())
}

/// A backend with WebSockets that wait and downloads that take until the end.
struct App {
    address: SocketAddr,
    end: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl App {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (end, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, ended.clone()));
            }
        });
        Ok(Self {
            address,
            end,
            tasks,
        })
    }
}

/// What becomes of a connection is seen at its other end.
async fn serve(mut socket: TcpStream, ended: watch::Receiver<bool>) {
    drop(answer(&mut socket, ended).await);
}

async fn answer(socket: &mut TcpStream, mut ended: watch::Receiver<bool>) -> Result<()> {
    loop {
        // Nothing follows a request before it is answered.
        let head = head(&mut BufReader::new(&mut *socket)).await?;
        if head.starts_with("GET /ws ") {
            let accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                            Upgrade: websocket\r\n\r\n";
            socket.write_all(accepted.as_bytes()).await?;
            let (mut from, mut to) = socket.split();
            tokio::io::copy(&mut from, &mut to).await?;
            return Ok(());
        }
        if !head.starts_with("GET /slow ") {
            let small = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            socket.write_all(small).await?;
            continue;
        }
        let begin = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
        socket.write_all(begin.as_bytes()).await?;
        for _ in 0..BODY / PIECE {
            let end = ended.wait_for(|ended| *ended);
            // A pause that the end cuts short.
            drop(timeout(TRICKLE, end).await);
            socket.write_all(&[b'x'; PIECE]).await?;
        }
    }
}

/// The head of a message; what comes after it is left in the reader.
async fn head(from: &mut BufReader<&mut TcpStream>) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
        ensure!(head.len() < 16 * 1024, "a head without an end");
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn websocket(router: SocketAddr) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(router).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    // Nothing follows before the echo.
    let mut reader = BufReader::new(&mut socket);
    let head = timeout(ANSWER_LIMIT, head(&mut reader)).await??;
    ensure!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
    Ok(socket)
}

async fn echo(socket: &mut TcpStream) -> Result<()> {
    socket.write_all(b"here").await?;
    let mut answer = [0; 4];
    timeout(ANSWER_LIMIT, socket.read_exact(&mut answer)).await??;
    ensure!(answer == *b"here", "an echo of something else");
    Ok(())
}

async fn download(router: SocketAddr) -> Result<()> {
    let mut socket = TcpStream::connect(router).await?;
    let request = format!("GET /slow HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut reader = BufReader::new(&mut socket);
    let head = head(&mut reader).await?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "no download: {head}");
    let mut left = BODY;
    let mut buffer = vec![0; 16 * PIECE];
    while left > 0 {
        match reader.read(&mut buffer).await? {
            0 => bail!("cut with {left} bytes to come"),
            read => left = left.checked_sub(read).context("more than announced")?,
        }
    }
    Ok(())
}

//! A large route table: filled over NATS, kept alive by heartbeats, lost in a crash and back from
//! the snapshot.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tests_kit::free_address;
use tokio::time::{Instant, sleep};

use super::probe::Watcher;
use super::{Figures, open};
use crate::measure::Measure;
use crate::nats::{Audience, Claims, Nats};
use crate::peer::{Kind, router};
use crate::scenario::{Open, Routes};
use crate::server::Server;
use crate::site::{Site, find_program};

/// How long the table may take to fill, and the router to come back.
const ROUTED_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
/// How long the snapshot on disk must have been quiet to count as written.
const SNAPSHOT_QUIET: Duration = Duration::from_secs(1);
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(30);
/// Routes that are asked for after a crash, spread over all of them.
const ANSWERS: usize = 2_000;
const STRIDE: usize = 7_919;
const MIB: f64 = (1 << 20) as f64;

pub(super) async fn measure(routes: &Routes, site: &Site) -> Result<Figures> {
    let snapshot = site.path("routes.snapshot");
    let nats = Nats::start(site).await?;
    let mut bench = OnBus::start(site, &nats).await?;
    let claims = Claims {
        count: routes.routes,
        backend: site.backend,
    };
    let mut figures = Figures::new();
    bench.fill(&nats, &claims, &mut figures).await?;
    bench.renew(&nats, &claims, routes, &mut figures).await?;
    if find_program("oha").is_some() {
        bench
            .compare_latency(&nats, &claims, routes, site, &mut figures)
            .await?;
    }
    until_written(&snapshot).await?;
    bench
        .crash(&claims, site, nats.address, &mut figures)
        .await?;
    nats.stop().await?;
    Ok(figures)
}

/// A router that gets its routes from the bus.
pub(super) struct OnBus {
    pub(super) watcher: Watcher,
    pub(super) server: Server,
    pub(super) address: SocketAddr,
}

impl OnBus {
    /// Starts it and waits until a first registration has come through.
    pub(super) async fn start(site: &Site, nats: &Nats) -> Result<Self> {
        // A route of an earlier scenario would answer before this router has heard of any.
        std::fs::remove_file(site.path("routes.snapshot")).ok();
        let address = free_address();
        let server = spawn(site, address, free_address(), nats.address).await?;
        let mut watcher = Watcher::new(address);
        let first = Claims {
            count: 1,
            backend: site.backend,
        };
        let began = Instant::now();
        loop {
            // What is published before the router subscribes is lost.
            nats.register(&first).await?;
            let now = Instant::now();
            let wait = Duration::from_millis(50);
            if watcher
                .until_routed(&Claims::host(0), now, POLL, wait)
                .await
                .is_ok()
            {
                return Ok(Self {
                    watcher,
                    server,
                    address,
                });
            }
            if began.elapsed() > ROUTED_LIMIT {
                bail!("the router takes no registrations from the bus");
            }
        }
    }

    async fn fill(&mut self, nats: &Nats, claims: &Claims, figures: &mut Figures) -> Result<()> {
        let before = self.server.memory()?;
        let last = Claims::host(claims.count - 1);
        let began = Instant::now();
        let (sent, routed) = tokio::join!(
            nats.register(claims),
            self.watcher.until_routed(&last, began, POLL, ROUTED_LIMIT)
        );
        sent?;
        figures.insert(Measure::RoutableSeconds, routed?.as_secs_f64());
        sleep(Duration::from_secs(1)).await;
        let growth = self.server.memory()?.saturating_sub(before);
        figures.insert(Measure::RoutesMib, growth as f64 / MIB);
        Ok(())
    }

    async fn renew(
        &self,
        nats: &Nats,
        claims: &Claims,
        routes: &Routes,
        figures: &mut Figures,
    ) -> Result<()> {
        let before = self.server.cpu()?;
        let began = Instant::now();
        let time = Duration::from_secs(routes.seconds.into());
        let rate = routes.heartbeats;
        nats.heartbeats(claims, rate, time, Audience::Routers)
            .await?;
        let share = (self.server.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
        figures.insert(Measure::HeartbeatCpu, share * 100.0);
        Ok(())
    }

    async fn compare_latency(
        &self,
        nats: &Nats,
        claims: &Claims,
        routes: &Routes,
        site: &Site,
        figures: &mut Figures,
    ) -> Result<()> {
        let host = Claims::host(claims.count / 2);
        let load = Open {
            connections: 16,
            rate: routes.rate,
            path: "/1k".into(),
            seconds: routes.seconds,
        };
        let (rate, time) = (
            routes.heartbeats,
            Duration::from_secs(routes.seconds.into()),
        );
        let p99 = async |audience| -> Result<f64> {
            let (sent, done) = tokio::join!(
                nats.heartbeats(claims, rate, time, audience),
                open::run_to_host(&load, self.address, &host, load.seconds, site)
            );
            sent?;
            Ok(done?.p99_millis)
        };
        // At rest the machine is as busy, but for the router. In this order, a drift of the machine
        // weighs the same on both sides.
        let rest = p99(Audience::Nobody).await?;
        let churn = p99(Audience::Routers).await? + p99(Audience::Routers).await?;
        let rest = rest + p99(Audience::Nobody).await?;
        figures.insert(Measure::ChurnP99, churn / rest);
        Ok(())
    }

    async fn crash(
        self,
        claims: &Claims,
        site: &Site,
        bus: SocketAddr,
        figures: &mut Figures,
    ) -> Result<()> {
        self.server.kill().await?;
        let (admin, began) = (free_address(), Instant::now());
        let (server, routed, ready) = tokio::join!(
            spawn(site, self.address, admin, bus),
            missing(self.address, claims, began),
            missing_once_ready(self.address, claims, admin, began),
        );
        let (took, missing) = routed.context("after kill -9")?;
        figures.insert(Measure::RestartMillis, took.as_secs_f64() * 1e3);
        figures.insert(Measure::WrongAnswers, f64::from(missing + ready?));
        server?.stop().await
    }
}

/// How long it took to the first 200, and how many of its first answers were none.
async fn missing(router: SocketAddr, claims: &Claims, began: Instant) -> Result<(Duration, u32)> {
    let mut watcher = Watcher::new(router);
    let (mut first, mut missing, mut answers) = (None, 0, 0);
    while answers < ANSWERS && began.elapsed() < ROUTED_LIMIT {
        let host = Claims::host(answers * STRIDE % claims.count);
        match watcher.status(&host).await {
            None => sleep(POLL / 4).await,
            Some(status) => {
                answers += 1;
                missing += u32::from(status != 200);
                if status == 200 {
                    first.get_or_insert_with(|| began.elapsed());
                }
            }
        }
    }
    Ok((first.context("no route answered 200")?, missing))
}

/// How many routes were missing once it said that it wants traffic.
async fn missing_once_ready(
    router: SocketAddr,
    claims: &Claims,
    admin: SocketAddr,
    began: Instant,
) -> Result<u32> {
    let mut health = Watcher::new(admin);
    while health.ask("localhost", "/health").await != Some(200) {
        ensure!(began.elapsed() < ROUTED_LIMIT, "it is never ready");
        sleep(POLL / 4).await;
    }
    let mut watcher = Watcher::new(router);
    let mut missing = 0;
    for answer in 0..ANSWERS {
        let host = Claims::host(answer * STRIDE % claims.count);
        missing += u32::from(watcher.status(&host).await != Some(200));
    }
    Ok(missing)
}

async fn spawn(
    site: &Site,
    listen: SocketAddr,
    admin: SocketAddr,
    bus: SocketAddr,
) -> Result<Server> {
    let log = site.path("router-on-bus.log");
    let command = router::on_bus(site, listen, admin, bus)?;
    let mut server = Server::spawn(Kind::Router.label(), command, site.cores.proxy, &log)?;
    server.accepts(listen, &log).await?;
    Ok(server)
}

/// Waits until the snapshot is on disk and no longer being replaced.
async fn until_written(snapshot: &Path) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < SNAPSHOT_LIMIT {
        let age = std::fs::metadata(snapshot)
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| modified.elapsed().ok());
        if age.is_some_and(|age| age > SNAPSHOT_QUIET) {
            return Ok(());
        }
        sleep(POLL).await;
    }
    bail!("no snapshot was written to {}", snapshot.display())
}

//! A large route table: filled over NATS, kept alive by heartbeats, lost in a crash and back from
//! the snapshot.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, sleep};

use super::probe::Watcher;
use super::{Figures, open};
use crate::measure::Measure;
use crate::nats::{Audience, Claims, Nats};
use crate::peer::{Kind, router};
use crate::scenario::{Open, Routes};
use crate::server::Server;
use crate::site::{Site, find_program, free_address};

/// How long the table may take to fill, and the router to come back.
const ROUTED_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
/// How long the snapshot on disk must have been quiet to count as written.
const SNAPSHOT_QUIET: Duration = Duration::from_secs(1);
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(30);
const MIB: f64 = (1 << 20) as f64;

pub(super) async fn measure(routes: &Routes, site: &Site) -> Result<Figures> {
    let snapshot = site.path("routes.snapshot");
    std::fs::remove_file(&snapshot).ok();
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
    address: SocketAddr,
}

impl OnBus {
    /// Starts it and waits until a first registration has come through.
    pub(super) async fn start(site: &Site, nats: &Nats) -> Result<Self> {
        let address = free_address()?;
        let server = spawn(site, address, nats.address).await?;
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
        let server = spawn(site, self.address, bus).await?;
        let last = Claims::host(claims.count - 1);
        let took = Watcher::new(self.address)
            .until_routed(&last, server.started(), POLL / 4, ROUTED_LIMIT)
            .await
            .context("after kill -9")?;
        figures.insert(Measure::RestartMillis, took.as_secs_f64() * 1e3);
        server.stop().await
    }
}

async fn spawn(site: &Site, listen: SocketAddr, bus: SocketAddr) -> Result<Server> {
    let log = site.path("router-on-bus.log");
    let command = router::on_bus(site, listen, bus)?;
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

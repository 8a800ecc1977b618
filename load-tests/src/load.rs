//! What is done to the peers, and what is read off while it is done.

mod blocking;
pub(crate) mod closed;
mod drain;
mod hostile;
mod idle;
pub(crate) mod open;
mod probe;
mod registration;
mod routes;
mod undisturbed;

use anyhow::{Context as _, Result, ensure};

use crate::measure::Measure;
use crate::peer::{Kind, Peer};
use crate::progress::Progress;
use crate::rounds::{Driven, Figures, Table};
use crate::scenario::{Load, Scenario};
use crate::site::{Site, find_program};

/// Returns the programs without which a load cannot be driven.
#[must_use]
pub fn needed_programs(load: &Load) -> &'static [&'static str] {
    match load {
        Load::Closed(_) => &["wrk"],
        Load::Open(_) => &["oha"],
        Load::Idle { .. } | Load::Hostile { .. } => &[],
        Load::Routes(_) | Load::Registration { .. } | Load::Undisturbed(_) => &["nats-server"],
        Load::Drain { .. } => &["haproxy"],
    }
}

/// Returns the programs without which some of a load's figures are missing.
#[must_use]
pub fn helpful_programs(load: &Load) -> &'static [&'static str] {
    match load {
        Load::Routes(_) => &["oha"],
        _ => &[],
    }
}

/// Returns a program without which a load cannot be driven and which is not on this machine.
#[must_use]
pub fn missing_program(load: &Load) -> Option<&'static str> {
    let mut needed = needed_programs(load).iter().copied();
    needed.find(|name| find_program(name).is_none())
}

/// The peer that takes part in a load without being measured.
#[must_use]
pub fn helper(load: &Load) -> Option<Kind> {
    matches!(load, Load::Drain { .. }).then_some(Kind::Haproxy)
}

/// Drives the peers in turn, round after round, each round beginning with another one, so that
/// what the machine does meanwhile touches all of them alike.
///
/// # Errors
/// When a peer does not come up, answers wrongly or cannot be measured.
pub async fn drive(
    scenario: &Scenario,
    peers: &[Kind],
    site: &Site,
    progress: &mut Progress,
) -> Result<Driven> {
    let mut stage = Stage::prepare(scenario, peers, site).await?;
    let mut driven = Driven::default();
    for round in 0..scenario.repeats {
        for turn in 0..peers.len() {
            let kind = peers[(round + turn) % peers.len()];
            progress.turn(round + 1, scenario.repeats, kind);
            let figures = stage.measure(kind).await?;
            driven.rounds.entry(kind).or_default().push(figures);
        }
    }
    driven.table = stage.table.take();
    stage.close().await?;
    Ok(driven)
}

/// The peers of a scenario. Those of the HTTP loads run all the time, idle while another one is
/// driven; the others start anew for each measurement because memory does not shrink back.
struct Stage<'a> {
    site: &'a Site,
    load: &'a Load,
    running: Vec<Peer>,
    table: Option<Table>,
}

impl<'a> Stage<'a> {
    async fn prepare(scenario: &'a Scenario, peers: &[Kind], site: &'a Site) -> Result<Self> {
        let mut stage = Self {
            site,
            load: &scenario.load,
            running: Vec::new(),
            table: None,
        };
        let access_log = match &scenario.load {
            Load::Closed(closed) => closed.access_log,
            Load::Open(_) => false,
            Load::Idle { .. }
            | Load::Routes(_)
            | Load::Registration { .. }
            | Load::Undisturbed(_)
            | Load::Drain { .. }
            | Load::Hostile { .. } => return Ok(stage),
        };
        for kind in peers {
            stage
                .running
                .push(Peer::start(*kind, site, access_log).await?);
        }
        // The first requests open the connections to the backend and are not counted.
        let warmed = if scenario.warm_up {
            stage.running.as_slice()
        } else {
            &[]
        };
        for peer in warmed {
            stage
                .http(peer, 1)
                .await
                .with_context(|| peer.kind.label())?;
        }
        Ok(stage)
    }

    async fn measure(&mut self, kind: Kind) -> Result<Figures> {
        match self.load {
            Load::Closed(closed) => self.running_http(kind, closed.seconds).await,
            Load::Open(open) => self.running_http(kind, open.seconds).await,
            Load::Idle { connections } => idle::measure(kind, *connections, self.site)
                .await
                .with_context(|| kind.label()),
            Load::Routes(routes) => routes::measure(routes, self.site).await,
            Load::Registration { routes } => registration::measure(*routes, self.site).await,
            Load::Undisturbed(load) => undisturbed::measure(load, self.site).await,
            Load::Drain { drains, wait } => {
                let (figures, table) = drain::measure(*drains, *wait, self.site).await?;
                self.table = Some(table);
                Ok(figures)
            }
            Load::Hostile {
                seconds,
                peers,
                meetings,
            } => {
                let meeting = hostile::Meeting {
                    seconds: *seconds,
                    most: *meetings,
                };
                let (figures, table) = hostile::measure(meeting, *peers, self.site).await?;
                self.table = Some(table);
                Ok(figures)
            }
        }
    }

    async fn running_http(&self, kind: Kind, seconds: u32) -> Result<Figures> {
        let peer = self.running.iter().find(|peer| peer.kind == kind);
        let Some(peer) = peer else {
            return Ok(Figures::new());
        };
        self.http(peer, seconds).await.with_context(|| kind.label())
    }

    async fn http(&self, peer: &Peer, seconds: u32) -> Result<Figures> {
        let before = peer.cpu()?;
        let done = match self.load {
            Load::Closed(closed) => closed::run(closed, peer.address, seconds, self.site).await?,
            Load::Open(open) => open::run(open, peer.address, seconds, self.site).await?,
            Load::Idle { .. }
            | Load::Routes(_)
            | Load::Registration { .. }
            | Load::Undisturbed(_)
            | Load::Drain { .. }
            | Load::Hostile { .. } => return Ok(Figures::new()),
        };
        let after = peer.cpu()?;
        ensure!(done.requests > 0, "answered nothing");
        ensure!(
            done.failed == 0,
            "{} of {} requests failed",
            done.failed,
            done.requests
        );
        let mut figures = done.figures();
        if let (Some(before), Some(after)) = (before, after) {
            let cpu = (after - before).as_secs_f64();
            figures.insert(Measure::CpuPerRequest, cpu * 1e6 / done.requests as f64);
            figures.insert(
                Measure::CpuPerGib,
                cpu / (done.bytes as f64 / f64::from(1 << 30)),
            );
        }
        Ok(figures)
    }

    async fn close(self) -> Result<()> {
        for peer in self.running {
            peer.stop().await?;
        }
        Ok(())
    }
}

/// What a load generator reports of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Done {
    pub requests: u64,
    /// Requests without an answer, or with another status than 2xx.
    pub failed: u64,
    /// Bytes of bodies moved, in the direction of the scenario.
    pub bytes: u64,
    /// Completed per second.
    pub rate: f64,
    pub p50_millis: f64,
    pub p99_millis: f64,
}

impl Done {
    fn figures(&self) -> Figures {
        Figures::from([
            (Measure::Rate, self.rate),
            (Measure::P50, self.p50_millis),
            (Measure::P99, self.p99_millis),
        ])
    }
}

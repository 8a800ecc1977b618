//! Connections that made one request and then wait: memory of the proxy for each.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::sleep;

use super::probe::Probe;
use crate::measure::Measure;
use crate::peer::{Kind, Peer};
use crate::rounds::Figures;
use crate::site::{HOST, Site};

/// Descriptors that either side needs beside the clients' connections.
const SPARE_DESCRIPTORS: usize = 200;
/// How long buffers of the last request may take to be given back before memory is read.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn measure(kind: Kind, connections: usize, site: &Site) -> Result<Figures> {
    let possible = site.descriptors.saturating_sub(SPARE_DESCRIPTORS);
    ensure!(
        connections <= possible,
        "{connections} connections need more descriptors than the limit of {} allows",
        site.descriptors
    );
    let peer = Peer::start(kind, site, false).await?;
    // What the first request allocates once and for all is not the connections' share.
    Probe::connect(peer.address).await?.get(HOST, "/1k").await?;
    sleep(SETTLE).await;
    let before = peer.memory()?.context("no proxy to measure")?;
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut probe = Probe::connect(peer.address).await?;
        let status = probe.get(HOST, "/1k").await?;
        ensure!(status == 200, "{kind} answered {status}");
        probe.rest();
        held.push(probe);
    }
    sleep(SETTLE).await;
    let after = peer.memory()?.context("no proxy to measure")?;
    drop(held);
    peer.stop().await?;
    let growth = after.saturating_sub(before) as f64 / 1024.0;
    Ok(Figures::from([(
        Measure::ConnectionKib,
        growth / connections as f64,
    )]))
}

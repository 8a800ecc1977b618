//! Two routers behind HAProxy, drained in turn while requests go on.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tests_kit::HaproxyProgram;
use tests_kit::load::How;
use tests_kit_router::RouterProgram;
use tests_kit_router::drains::{self, Drained};

use super::blocking::{self, KeepGoing};
use crate::measure::Measure;
use crate::rounds::Figures;
use crate::rounds::Table;
use crate::site::Site;

/// Failures that are told in words.
const TOLD: usize = 3;

pub(super) async fn measure(count: usize, wait: u64, site: &Site) -> Result<(Figures, Table)> {
    let wait = Duration::from_millis(wait);
    let waiting = drain(count, wait, site).await?;
    let at_once = drain(count, Duration::ZERO, site).await?;
    if waiting.took.len() < count || at_once.took.len() < count {
        bail!("interrupted");
    }
    let requests = waiting.tally.good + at_once.tally.good;
    let figures = Figures::from([
        (Measure::DrainFailed, waiting.tally.failed as f64),
        (
            Measure::DrainFailedAtOnce,
            at_once.tally.failed as f64 / count as f64,
        ),
        (Measure::DrainRequests, requests as f64),
    ]);
    let table = Table {
        columns: COLUMNS.map(str::to_owned).to_vec(),
        rows: vec![cells(wait, &waiting), cells(Duration::ZERO, &at_once)],
        faults: told(&waiting).collect(),
    };
    Ok((figures, table))
}

const COLUMNS: [&str; 7] = [
    "drain_wait",
    "drains",
    "good requests",
    "failed",
    "of them unanswered / cut / others",
    "longest drain",
    "p99 of requests",
];

fn cells(wait: Duration, drained: &Drained) -> Vec<String> {
    let tally = &drained.tally;
    let (unanswered, cut) = (tally.lost(How::Unanswered), tally.lost(How::Cut));
    let others = tally.losses.len() - unanswered - cut;
    let longest = drained.took.iter().max().copied().unwrap_or_default();
    let p99 = tally.latencies.percentile(99);
    vec![
        format!("{} s", wait.as_secs_f64()),
        drained.took.len().to_string(),
        tally.good.to_string(),
        tally.failed.to_string(),
        format!("{unanswered} / {cut} / {others}"),
        format!("{:.2} s", longest.as_secs_f64()),
        format!("{:.0} ms", p99.as_secs_f64() * 1e3),
    ]
}

/// The first failures: the figure alone would not say what to look for.
fn told(drained: &Drained) -> impl Iterator<Item = String> {
    let losses = drained.tally.losses.iter().take(TOLD);
    losses.map(|loss| format!("{:?}, {:?}: {}", loss.manner, loss.how, loss.words))
}

async fn drain(count: usize, wait: Duration, site: &Site) -> Result<Drained> {
    let haproxy = HaproxyProgram::find().context("haproxy is not installed")?;
    let (program, core) = (site.router.clone(), site.cores.proxy);
    blocking::work(move |wanted: &KeepGoing| {
        let start = |program: &RouterProgram, yaml: &str| core.run(|| program.start(yaml));
        let drains = drains::Plan {
            start: &start,
            wait,
            count,
            wanted: &|| wanted.holds(),
        };
        drains::drain(&haproxy, RouterProgram::new(&program), &drains)
    })
    .await
}

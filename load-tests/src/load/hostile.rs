//! Hostile peers, each beside well-behaved clients of the same router.

use std::time::Duration;

use anyhow::{Result, bail};
use tests_kit_router::RouterProgram;
use tests_kit_router::hostile::{COLUMNS, PEERS, Row, Times, meet};

use super::blocking::{self, KeepGoing};
use crate::measure::Measure;
use crate::rounds::Figures;
use crate::rounds::Table;
use crate::site::Site;

/// What a peer cost may take so long to be given back.
const BACK: Duration = Duration::from_secs(15);

/// How a peer is met.
#[derive(Clone, Copy)]
pub(super) struct Meeting {
    /// Seconds of the attack, and of rest before it.
    pub(super) seconds: u32,
    /// How often, at most, if it is felt.
    pub(super) most: usize,
}

pub(super) async fn measure(
    meeting: Meeting,
    peers: usize,
    site: &Site,
) -> Result<(Figures, Table)> {
    let (program, core) = (site.router.clone(), site.cores.proxy);
    let attack = Duration::from_secs(meeting.seconds.into());
    let peers = PEERS.get(..peers).unwrap_or(PEERS);
    let rows = blocking::work(move |wanted: &KeepGoing| {
        let program = RouterProgram::new(&program);
        let start = |program: &RouterProgram, yaml: &str| core.run(|| program.start(yaml));
        let times = Times {
            rest: attack,
            attack,
            back: BACK,
        };
        let peers = peers.iter().take_while(|_| wanted.holds());
        peers
            .map(|peer| Met::by(meeting.most, || meet(peer, &program, &start, times)))
            .collect::<Vec<Met>>()
    })
    .await?;
    if rows.len() < peers.len() {
        bail!("interrupted");
    }
    let failed = rows.iter().map(|met| met.failed).sum();
    let rows: Vec<Row> = rows.into_iter().map(|met| met.row).collect();
    Ok((figures(&rows, failed), table(&rows)))
}

/// A p99 that is at most so many times that at rest is not felt.
const FELT: f64 = 2.0;

/// One peer, met until it is not felt.
struct Met {
    /// The meeting that was felt least.
    row: Row,
    /// What well-behaved clients lost in all meetings: for that there is no excuse.
    failed: u64,
}

impl Met {
    fn by(most: usize, meet: impl Fn() -> Row) -> Self {
        let (mut least, mut failed) = (None::<Row>, 0);
        for _ in 0..most {
            let row = meet();
            failed += row.tally.failed + row.unhealthy;
            let rank = |row: &Row| (row.faults().len(), row.slowdown());
            let (faults, slowdown) = rank(&row);
            if least.as_ref().is_none_or(|least| rank(&row) < rank(least)) {
                least = Some(row);
            }
            if faults == 0 && slowdown <= FELT {
                break;
            }
        }
        Self {
            row: least.unwrap_or_else(meet),
            failed,
        }
    }
}

fn figures(rows: &[Row], failed: u64) -> Figures {
    let faults = rows.iter().flat_map(Row::faults).count();
    let worst = |of: fn(&Row) -> f64| rows.iter().map(of).fold(0.0, f64::max);
    Figures::from([
        (Measure::HostileFailed, failed as f64),
        (Measure::HostileFaults, faults as f64),
        (Measure::HostileP99, worst(Row::slowdown)),
        (Measure::HostileMib, worst(Row::growth_mib)),
    ])
}

fn table(rows: &[Row]) -> Table {
    Table {
        columns: COLUMNS.map(str::to_owned).to_vec(),
        rows: rows.iter().map(Row::cells).collect(),
        faults: rows.iter().flat_map(Row::faults).collect(),
    }
}

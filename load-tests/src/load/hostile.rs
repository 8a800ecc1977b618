//! Hostile peers, each beside well-behaved clients of the same router.

use std::time::Duration;

use anyhow::{Result, bail};
use tests_kit::RouterProgram;
use tests_kit::hostile::{COLUMNS, PEERS, Row, Times, meet};

use super::Figures;
use super::blocking::{self, Wanted};
use crate::measure::Measure;
use crate::outcome::Table;
use crate::site::Site;

/// What a peer cost may take so long to be given back.
const BACK: Duration = Duration::from_secs(15);

pub(super) async fn measure(seconds: u32, peers: usize, site: &Site) -> Result<(Figures, Table)> {
    let (program, core) = (site.router.clone(), site.cores.proxy);
    let attack = Duration::from_secs(seconds.into());
    let peers = PEERS.get(..peers).unwrap_or(PEERS);
    let rows = blocking::work(move |wanted: &Wanted| {
        let program = RouterProgram::new(&program);
        let start = |program: &RouterProgram, yaml: &str| core.run(|| program.start(yaml));
        let times = Times {
            rest: attack,
            attack,
            back: BACK,
        };
        let peers = peers.iter().take_while(|_| wanted.holds());
        peers
            .map(|peer| meet(peer, &program, &start, times))
            .collect::<Vec<Row>>()
    })
    .await?;
    if rows.len() < peers.len() {
        bail!("interrupted");
    }
    Ok((figures(&rows), table(&rows)))
}

fn figures(rows: &[Row]) -> Figures {
    let failed: u64 = rows
        .iter()
        .map(|row| row.tally.failed + row.unhealthy)
        .sum();
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

//! What the report says of the machine.

use time::OffsetDateTime;

use crate::cores::Cores;
use crate::outcome::Machine;
use crate::peer::Kind;

/// Reads the machine's own account of itself, and the versions of those that took part.
#[must_use]
pub fn describe(cores: &Cores, peers: &[Kind], warnings: Vec<String>) -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown CPU", |(_, model)| model.trim());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: cpu.to_owned(),
        cores: cpuinfo
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count(),
        kernel: kernel.trim().to_owned(),
        pinning: cores.to_string(),
        warnings,
        versions: Kind::ALL
            .into_iter()
            .filter(|kind| peers.contains(kind))
            .filter_map(|kind| Some((kind, kind.version()?)))
            .collect(),
    }
}

/// Now as `YYYY-MM-DD HH:MM`, UTC.
#[must_use]
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    format!("{} {:02}:{:02}", now.date(), now.hour(), now.minute())
}

//! What the report says of the machine.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::cores::Cores;
use crate::outcome::Machine;
use crate::peer::Kind;

/// Reads the machine's own account of itself, and the versions of those that took part.
#[must_use]
pub fn describe(cores: &Cores, peers: &[Kind]) -> Machine {
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
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    format_time(seconds)
}

/// Days since 1970 to a date, by the civil calendar's 400-year cycle with years that begin in
/// March, so that the leap day comes last.
fn format_time(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        second / 3600,
        second / 60 % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        let rows = [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (1_798_761_599, "2026-12-31 23:59"),
        ];
        for (seconds, want) in rows {
            assert_eq!(format_time(seconds), want);
        }
    }
}

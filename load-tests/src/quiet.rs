//! Whether others keep the machine busy, of which the figures would tell as well.

use std::time::Duration;

/// How long the machine is watched before a run.
const LOOK: Duration = Duration::from_millis(500);
/// The share of its CPUs that others may use before a run until they are warned of.
const BUSY: f64 = 0.1;
/// The share of the time that the host may take away during a run until it is warned of.
const STOLEN: f64 = 0.02;

/// What the machine did before a run, and its counters at the begin.
#[derive(Debug)]
pub struct Quiet {
    busy: f64,
    load: f64,
    begin: CpuTime,
}

/// CPU time of the machine since its start, in ticks of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct CpuTime {
    all: f64,
    idle: f64,
    steal: f64,
}

impl Quiet {
    /// Watches the machine for half a second.
    pub async fn watch() -> Self {
        let before = CpuTime::now();
        tokio::time::sleep(LOOK).await;
        let begin = CpuTime::now();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let first = load.split(' ').next().and_then(|load| load.parse().ok());
        Self {
            busy: 1.0 - begin.share_since(before, |time| time.idle),
            load: first.unwrap_or_default(),
            begin,
        }
    }

    /// What speaks against a run now.
    #[must_use]
    pub fn before(&self) -> Option<String> {
        let (percent, load) = (self.busy * 100.0, self.load);
        (self.busy > BUSY).then(|| {
            format!("others use {percent:.0} % of the CPUs (load {load:.1}): the figures will tell of them")
        })
    }

    /// What spoke against the figures, at the end of a run.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let steal = CpuTime::now().share_since(self.begin, |time| time.steal);
        let stolen = (steal > STOLEN).then(|| {
            let percent = steal * 100.0;
            format!("the host took {percent:.1} % of the CPU time away during the run")
        });
        self.before().into_iter().chain(stolen).collect()
    }
}

impl CpuTime {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&stat).unwrap_or_default()
    }

    /// Reads the first line of `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, irq,
    /// softirq, steal.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<f64> = line
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        Some(Self {
            all: fields.iter().take(8).sum(),
            idle: fields.get(3)? + fields.get(4)?,
            steal: *fields.get(7)?,
        })
    }

    /// A part's share of the time since `earlier`.
    fn share_since(self, earlier: Self, part: impl Fn(Self) -> f64) -> f64 {
        (part(self) - part(earlier)) / (self.all - earlier.all).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_between_two_looks() {
        let before = CpuTime::parse("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1").unwrap();
        let after = CpuTime::parse("cpu  20 0 30 120 20 0 0 10 0 0").unwrap();
        assert!((after.share_since(before, |time| time.idle) - 0.6).abs() < 1e-9);
        assert!((after.share_since(before, |time| time.steal) - 0.1).abs() < 1e-9);
        assert_eq!(CpuTime::parse("intr 1"), None);
        let now = CpuTime::now();
        assert!(now.all >= now.idle && now.idle > 0.0, "{now:?}");
    }

    #[test]
    fn a_busy_machine_is_warned_of() {
        let machine = |busy| Quiet {
            busy,
            load: 1.5,
            begin: CpuTime::now(),
        };
        assert_eq!(machine(0.05).before(), None);
        let warning = machine(0.42).before().unwrap();
        assert!(
            warning.contains("42 %") && warning.contains("load 1.5"),
            "{warning}"
        );
    }
}

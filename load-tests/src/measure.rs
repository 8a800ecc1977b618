//! What is measured, in which unit, and how repeats become one figure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A quantity that a run yields. For all but rates and counts of requests, less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// CPU time of the proxy per request, in microseconds.
    CpuPerRequest,
    /// CPU time of the proxy per GiB of bodies, in seconds.
    CpuPerGib,
    /// Requests completed per second.
    Rate,
    /// Median latency in milliseconds.
    P50,
    /// 99th percentile of latency in milliseconds.
    P99,
    /// Memory of the proxy per idle client connection, in KiB.
    ConnectionKib,
    /// Seconds from the first registration published until the last route answers.
    RoutableSeconds,
    /// Growth of the router's memory with all routes registered, in MiB.
    RoutesMib,
    /// Share of one core spent on heartbeats, in percent.
    HeartbeatCpu,
    /// 99th percentile while registrations are renewed, divided by the same while nobody
    /// hears them.
    ChurnP99,
    /// Median of registration published to first routed request, in milliseconds.
    RegisterP50,
    /// 99th percentile of the same.
    RegisterP99,
    /// Milliseconds from a withdrawal to the first request that is not routed by it, the median.
    UnregisterP50,
    /// The same, the 99th percentile.
    UnregisterP99,
    /// Milliseconds from a start after `kill -9` until a route of the snapshot answers.
    RestartMillis,
    /// Connections that were cut or answered wrongly by changes that do not concern them.
    Disturbed,
    /// Growth of the router's memory over such changes, in MiB.
    ChangesMib,
    /// Answers other than 404 before a route is known and other than 200 from then on.
    WrongAnswers,
    /// Requests that failed while routers were drained that went on for a while, in all.
    DrainFailed,
    /// Requests that failed per drain of routers that closed at once.
    DrainFailedAtOnce,
    /// Requests that were answered while routers were drained, in both manners.
    DrainRequests,
    /// Requests and health checks of well-behaved clients that failed beside hostile peers, in all.
    HostileFailed,
    /// Bounds that did not hold beside hostile peers: memory, descriptors, time until cut off.
    HostileFaults,
    /// 99th percentile of well-behaved clients beside a hostile peer, divided by the same before it
    /// came: of the peer that was felt most.
    HostileP99,
    /// Growth of the router's memory beside the hostile peer that cost most, in MiB.
    HostileMib,
}

impl Measure {
    /// Name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "CPU per request",
            Self::CpuPerGib => "CPU per GiB",
            Self::Rate => "requests per second",
            Self::P50 => "p50 latency",
            Self::P99 => "p99 latency",
            Self::ConnectionKib => "memory per idle connection",
            Self::RoutableSeconds => "until the last route answers",
            Self::RoutesMib => "memory of the routes",
            Self::HeartbeatCpu => "CPU for heartbeats",
            Self::ChurnP99 => "p99 under heartbeats ÷ at rest",
            Self::RegisterP50 => "registration to first request, p50",
            Self::RegisterP99 => "registration to first request, p99",
            Self::UnregisterP50 => "withdrawal to first 404, p50",
            Self::UnregisterP99 => "withdrawal to first 404, p99",
            Self::RestartMillis => "kill -9: start to first 200",
            Self::Disturbed => "connections disturbed",
            Self::ChangesMib => "memory grown by changes",
            Self::WrongAnswers => "wrong answers",
            Self::DrainFailed => "failed, with a wait",
            Self::DrainFailedAtOnce => "failed, without a wait",
            Self::DrainRequests => "requests",
            Self::HostileFailed => "well-behaved requests that failed",
            Self::HostileFaults => "bounds that did not hold",
            Self::HostileP99 => "p99 beside the worst peer ÷ at rest",
            Self::HostileMib => "memory for the worst peer",
        }
    }

    /// Unit of the figure, empty for a plain ratio.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::CpuPerRequest => "µs",
            Self::CpuPerGib | Self::RoutableSeconds => "s",
            Self::Rate => "/s",
            Self::P50
            | Self::P99
            | Self::RegisterP50
            | Self::RegisterP99
            | Self::UnregisterP50
            | Self::UnregisterP99
            | Self::RestartMillis => "ms",
            Self::ConnectionKib => "KiB",
            Self::RoutesMib | Self::ChangesMib | Self::HostileMib => "MiB",
            Self::HeartbeatCpu => "% of a core",
            Self::DrainFailedAtOnce => "/drain",
            Self::ChurnP99
            | Self::Disturbed
            | Self::WrongAnswers
            | Self::DrainFailed
            | Self::DrainRequests
            | Self::HostileFailed
            | Self::HostileFaults
            | Self::HostileP99 => "",
        }
    }

    /// Whether a smaller figure is the better one.
    #[must_use]
    pub fn less_is_better(self) -> bool {
        !matches!(self, Self::Rate | Self::DrainRequests)
    }
}

/// Median and range of the repeats of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle repeat, or the mean of the two middle ones.
    pub median: f64,
    /// Smallest repeat.
    pub min: f64,
    /// Largest repeat.
    pub max: f64,
}

impl Spread {
    /// Of at least one value; none of an empty list.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }

    /// Of the quotients repeat by repeat: what a drifting machine does to both sides of a pair
    /// cancels out.
    #[must_use]
    pub fn of_ratios(values: &[f64], to: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = values
            .iter()
            .zip(to)
            .filter(|(_, to)| **to > 0.0)
            .map(|(value, to)| value / to)
            .collect();
        Self::of(&ratios)
    }
}

/// The smallest value that at least `share` of the sorted values do not exceed.
#[must_use]
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank within a list of samples"
    )]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied()
}

/// A figure in three significant digits, as people compare them.
#[derive(Debug, Clone, Copy)]
pub struct ThreeDigits(pub f64);

impl fmt::Display for ThreeDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        let whole = format!("{:.0}", value.abs());
        match whole.len() {
            4.. => {
                let mut grouped = String::new();
                for (at, digit) in whole.chars().enumerate() {
                    if at > 0 && (whole.len() - at) % 3 == 0 {
                        grouped.push(',');
                    }
                    grouped.push(digit);
                }
                write!(f, "{}{grouped}", if value < 0.0 { "-" } else { "" })
            }
            3 => write!(f, "{value:.0}"),
            2 => write!(f, "{value:.1}"),
            _ => write!(f, "{value:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_take_the_middle() {
        let check = |values: &[f64], [median, min, max]: [f64; 3]| {
            assert_eq!(
                Spread::of(values),
                Some(Spread { median, min, max }),
                "{values:?}"
            );
        };
        check(&[2.0], [2.0, 2.0, 2.0]);
        check(&[3.0, 1.0, 2.0], [2.0, 1.0, 3.0]);
        check(&[4.0, 1.0, 2.0, 3.0], [2.5, 1.0, 4.0]);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let spread = Spread::of_ratios(&[1.0, 4.0, 9.0], &[2.0, 4.0, 0.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                median: 0.75,
                min: 0.5,
                max: 1.0
            }
        );
    }

    #[test]
    fn percentiles_are_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), Some(99.0));
        assert_eq!(percentile(&values, 0.5), Some(50.0));
        assert_eq!(percentile(&values, 1.0), Some(100.0));
        assert_eq!(percentile(&[7.0], 0.01), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn figures_keep_three_digits() {
        let rows = [
            (0.7512, "0.75"),
            (14.53, "14.5"),
            (257.3, "257"),
            (62_512.0, "62,512"),
        ];
        for (value, want) in rows {
            assert_eq!(ThreeDigits(value).to_string(), want);
        }
    }
}

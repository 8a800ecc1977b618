//! The open loop: oha at a fixed rate, latency from the planned start of each request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Done;
use crate::scenario::Open;
use crate::site::{HOST, Site, find_program};

const GRACE: Duration = Duration::from_secs(20);

pub(super) async fn run(open: &Open, to: SocketAddr, seconds: u32, site: &Site) -> Result<Done> {
    run_to_host(open, to, HOST, seconds, site).await
}

/// The same for another host than the one that all peers serve.
pub(super) async fn run_to_host(
    open: &Open,
    to: SocketAddr,
    host: &str,
    seconds: u32,
    site: &Site,
) -> Result<Done> {
    let url = format!("http://{to}{}", open.path);
    site.cores
        .load
        .run(|| oha(open, &url, Some(host), seconds))?
        .done()
        .await
}

/// An oha that runs.
pub(crate) struct Oha {
    child: Child,
    seconds: u32,
}

/// Starts oha against `url`.
///
/// # Errors
/// When it is not there.
pub(crate) fn oha(open: &Open, url: &str, host: Option<&str>, seconds: u32) -> Result<Oha> {
    let mut command = Command::new(find_program("oha").context("oha is not installed")?);
    if let Some(host) = host {
        command.args(["-H", &format!("Host: {host}")]);
    }
    command
        .args(["--no-tui", "--output-format", "json", "--latency-correction"])
        .args(["--disable-compression", "--worker-threads", "1"])
        // Requests on their way at the end are waited for: they are no failures.
        .arg("--wait-ongoing-requests-after-deadline")
        .args(["-c", &open.connections.to_string()])
        .args(["-q", &open.rate.to_string()])
        .args(["-z", &format!("{seconds}s")])
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().context("oha cannot be started")?;
    Ok(Oha { child, seconds })
}

impl Oha {
    /// Waits for its end and reads its figures.
    ///
    /// # Errors
    /// When it fails or does not end in time.
    pub(crate) async fn done(self) -> Result<Done> {
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let output = timeout(limit, self.child.wait_with_output())
            .await
            .context("oha does not end")??;
        let summary: Output = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("oha failed: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(summary.done())
    }
}

/// The part of oha's JSON that is read. Times are seconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    summary: OhaSummary,
    latency_percentiles: Percentiles,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OhaSummary {
    requests_per_sec: f64,
    total_data: u64,
}

#[derive(Deserialize)]
struct Percentiles {
    p50: Option<f64>,
    p99: Option<f64>,
}

impl Output {
    fn done(&self) -> Done {
        let answered: u64 = self.status_code_distribution.values().sum();
        let good: u64 = self
            .status_code_distribution
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(_, count)| count)
            .sum();
        let unanswered: u64 = self.error_distribution.values().sum();
        Done {
            requests: answered + unanswered,
            failed: answered - good + unanswered,
            bytes: self.summary.total_data,
            rate: self.summary.requests_per_sec,
            p50_millis: self.latency_percentiles.p50.unwrap_or(f64::NAN) * 1e3,
            p99_millis: self.latency_percentiles.p99.unwrap_or(f64::NAN) * 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_whatever_is_not_2xx() {
        let output: Output = serde_json::from_str(
            r#"{"summary":{"requestsPerSec":10.0,"totalData":4096,"successRate":1.0},
                "latencyPercentiles":{"p50":0.001,"p99":0.002,"p99.9":null},
                "statusCodeDistribution":{"200":8,"502":1},
                "errorDistribution":{"connection refused":2}}"#,
        )
        .unwrap();
        let done = output.done();
        assert_eq!((done.requests, done.failed, done.bytes), (11, 3, 4096));
        assert_eq!((done.p50_millis, done.p99_millis), (1.0, 2.0));
    }
}

//! The closed loop: wrk, one thread, whose script hands its figures over as JSON.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Done;
use crate::scenario::Closed;
use crate::site::{HOST, Site, find_program};

/// How much longer than asked a run may take, connecting and draining included.
const GRACE: Duration = Duration::from_secs(20);

pub(super) async fn run(
    closed: &Closed,
    to: SocketAddr,
    seconds: u32,
    site: &Site,
) -> Result<Done> {
    let script = site.write("wrk.lua", &script(closed, Some(HOST)))?;
    let url = format!("http://{to}{}", closed.path);
    site.cores
        .load
        .run(|| wrk(closed, &url, seconds, &script))?
        .done(closed)
        .await
}

/// A wrk that runs.
pub(crate) struct Wrk {
    child: Child,
    seconds: u32,
}

/// Starts wrk against `url`, with a script made by [`script`].
///
/// # Errors
/// When it is not there.
pub(crate) fn wrk(closed: &Closed, url: &str, seconds: u32, script: &Path) -> Result<Wrk> {
    let mut command = Command::new(find_program("wrk").context("wrk is not installed")?);
    command
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &closed.connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg("--script")
        .arg(script)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().context("wrk cannot be started")?;
    Ok(Wrk { child, seconds })
}

impl Wrk {
    /// Waits for its end and reads its figures.
    ///
    /// # Errors
    /// When it fails or does not end in time.
    pub(crate) async fn done(self, closed: &Closed) -> Result<Done> {
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let output = timeout(limit, self.child.wait_with_output())
            .await
            .context("wrk does not end")??;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(json) = text.lines().find_map(|line| line.strip_prefix("figures ")) else {
            bail!(
                "wrk failed: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        Ok(serde_json::from_str::<WrkSummary>(json)?.done(closed.upload))
    }
}

/// Without a `request` function wrk prepares the request once and the script costs nothing.
pub(crate) fn script(closed: &Closed, host: Option<&str>) -> String {
    let mut script = String::new();
    if let Some(host) = host {
        script.push_str(&format!("wrk.headers[\"Host\"] = {host:?}\n"));
    }
    if closed.close {
        script.push_str("wrk.headers[\"Connection\"] = \"close\"\n");
    }
    if closed.upload > 0 {
        script.push_str("wrk.method = \"POST\"\n");
        script.push_str(&format!(
            "wrk.body = string.rep(\"x\", {})\n",
            closed.upload
        ));
    }
    script.push_str(
        r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'figures {"requests":%d,"bytes":%d,"micros":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#,
    );
    script
}

/// What the script prints. Times are microseconds.
#[derive(Deserialize)]
struct WrkSummary {
    requests: u64,
    bytes: u64,
    micros: u64,
    failed: u64,
    p50: u64,
    p99: u64,
}

impl WrkSummary {
    fn done(&self, upload: usize) -> Done {
        let bytes = if upload > 0 {
            self.requests * upload as u64
        } else {
            self.bytes
        };
        Done {
            requests: self.requests,
            failed: self.failed,
            bytes,
            rate: self.requests as f64 * 1e6 / self.micros.max(1) as f64,
            p50_millis: self.p50 as f64 / 1e3,
            p99_millis: self.p99 as f64 / 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_become_figures() {
        let summary: WrkSummary = serde_json::from_str(
            r#"{"requests":100,"bytes":2000,"micros":2000000,"failed":1,"p50":250,"p99":1500}"#,
        )
        .unwrap();
        let done = summary.done(0);
        assert_eq!((done.requests, done.failed, done.bytes), (100, 1, 2000));
        assert_eq!(
            (done.rate, done.p50_millis, done.p99_millis),
            (50.0, 0.25, 1.5)
        );
        assert_eq!(summary.done(1 << 20).bytes, 100 << 20);
    }
}

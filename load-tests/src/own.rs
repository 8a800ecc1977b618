//! A server of the user's own under load.

use anyhow::{Context as _, Result, bail, ensure};

use crate::args::OwnArgs;
use crate::load::{closed, open};
use crate::measure::Spread;
use crate::scenario::{Closed, Open};

/// How often the server is driven.
const REPEATS: usize = 3;

/// Drives the server at `url` and returns lines for the terminal: requests a second, latencies and
/// failures of each repeat, and the medians.
///
/// # Errors
/// When the load generator is missing or fails, or nothing is answered.
pub async fn drive(url: &str, args: &OwnArgs) -> Result<String> {
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("{url}: the URL begins with http://");
    };
    ensure!(
        !rest.starts_with('/') && !rest.is_empty(),
        "{url}: names no server"
    );
    let mut lines = format!(
        "{:<8}{:>14}{:>12}{:>12}{:>10}\n",
        "repeat", "requests/s", "p50 ms", "p99 ms", "failed"
    );
    let (mut rates, mut p50s, mut p99s) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 1..=REPEATS {
        let done = once(url, args).await?;
        ensure!(done.requests > 0, "{url} answered nothing");
        lines.push_str(&row(
            &repeat.to_string(),
            [done.rate, done.p50_millis, done.p99_millis],
            &done.failed.to_string(),
        ));
        rates.push(done.rate);
        p50s.push(done.p50_millis);
        p99s.push(done.p99_millis);
    }
    let median = |values: &[f64]| Spread::of(values).map_or(f64::NAN, |spread| spread.median);
    let medians = [median(&rates), median(&p50s), median(&p99s)];
    lines.push_str(&row("median", medians, ""));
    Ok(lines)
}

async fn once(url: &str, args: &OwnArgs) -> Result<crate::load::Done> {
    let host = args.host.as_deref();
    if let Some(rate) = args.rate {
        let open = Open {
            connections: args.connections,
            rate,
            path: String::new(),
            seconds: args.seconds,
        };
        return open::oha(&open, url, host, args.seconds)?.done().await;
    }
    let closed = Closed {
        connections: args.connections,
        path: String::new(),
        seconds: args.seconds,
        upload: 0,
        close: false,
        access_log: false,
    };
    let name = format!("switchyard-load-{}.lua", std::process::id());
    let script = std::env::temp_dir().join(name);
    std::fs::write(&script, closed::script(&closed, host))
        .with_context(|| script.display().to_string())?;
    let done = match closed::wrk(&closed, url, args.seconds, &script) {
        Ok(wrk) => wrk.done(&closed).await,
        Err(error) => Err(error),
    };
    std::fs::remove_file(&script).ok();
    done
}

fn row(name: &str, [rate, p50, p99]: [f64; 3], failed: &str) -> String {
    format!("{name:<8}{rate:>14.0}{p50:>12.2}{p99:>12.2}{failed:>10}\n")
}

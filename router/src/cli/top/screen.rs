//! What `top` shows, line by line.

use protocol::router::{Latency, Varz};

use component::text_table::{TextTable, bytes, shown, span};

/// The screen for the numbers of `now`. Rates are those since `before`; without it they are those
/// of the last minute or since the start.
pub(super) fn lines(name: &str, now: &Varz, before: Option<&Varz>) -> Vec<String> {
    let since = Since::new(now, before);
    let vitals = &now.switchyard;
    let mut lines = vec![
        format!(
            "router {}  {}  up {}",
            shown(name),
            shown(&vitals.health),
            shown(&now.uptime)
        ),
        String::new(),
        requests(now, before, &since),
        responses(&since),
        format!("latency      {}", quantiles(&now.latency)),
        format!("own part     {}", quantiles(&vitals.gorouter_time)),
        connections(now, &since),
        backends(&since),
        traffic(&since),
        table(now),
        process(now, &since),
    ];
    if !now.top10_app_requests.is_empty() {
        lines.push(String::new());
        lines.extend(apps(now));
    }
    lines
}

/// Two looks, and the time between them.
struct Since<'a> {
    now: &'a Varz,
    before: Varz,
    seconds: f64,
}

impl<'a> Since<'a> {
    /// Without an earlier look, since the start.
    fn new(now: &'a Varz, before: Option<&Varz>) -> Self {
        let before = before.cloned().unwrap_or_default();
        let millis = now
            .switchyard
            .uptime_ms
            .saturating_sub(before.switchyard.uptime_ms);
        Self {
            now,
            before,
            seconds: (millis as f64 / 1e3).max(0.001),
        }
    }

    fn rate(&self, count: impl Fn(&Varz) -> u64) -> f64 {
        count(self.now).saturating_sub(count(&self.before)) as f64 / self.seconds
    }
}

fn requests(now: &Varz, before: Option<&Varz>, since: &Since<'_>) -> String {
    let [one, five, fifteen] = now.rate;
    let current = if before.is_some() {
        since.rate(|varz| varz.requests)
    } else {
        one
    };
    format!("requests     {current:.1}/s   1m {one:.1}  5m {five:.1}  15m {fifteen:.1}")
}

fn responses(since: &Since<'_>) -> String {
    format!(
        "responses    2xx {:.1}/s  3xx {:.1}/s  4xx {:.1}/s  5xx {:.1}/s  other {:.1}/s",
        since.rate(|varz| varz.responses.responses_2xx),
        since.rate(|varz| varz.responses.responses_3xx),
        since.rate(|varz| varz.responses.responses_4xx),
        since.rate(|varz| varz.responses.responses_5xx),
        since.rate(|varz| varz.responses.responses_xxx),
    )
}

fn quantiles(latency: &Latency) -> String {
    if latency.samples == 0 {
        return "none yet".to_owned();
    }
    let [p50, p75, p90, p95, p99] = [
        latency.p50,
        latency.p75,
        latency.p90,
        latency.p95,
        latency.p99,
    ]
    .map(span);
    format!("50% {p50}  75% {p75}  90% {p90}  95% {p95}  99% {p99}")
}

fn connections(now: &Varz, since: &Since<'_>) -> String {
    let open = &now.switchyard.connections;
    let workers: Vec<String> = open.iter().map(u64::to_string).collect();
    format!(
        "connections  {} ({})   new {:.1}/s",
        open.iter().sum::<u64>(),
        workers.join(" + "),
        since.rate(|varz| varz.switchyard.connections_opened),
    )
}

fn backends(since: &Since<'_>) -> String {
    format!(
        "backends     reused {:.1}/s  connected {:.1}/s  stale {:.1}/s  retries {:.1}/s  \
         ejections {}",
        since.rate(|varz| varz.switchyard.upstream_reuses),
        since.rate(|varz| varz.switchyard.upstream_connects),
        since.rate(|varz| varz.switchyard.upstream_stale),
        since.rate(|varz| varz.switchyard.retries),
        since.now.switchyard.ejections,
    )
}

fn traffic(since: &Since<'_>) -> String {
    let received = bytes(since.rate(|varz| varz.switchyard.bytes_in));
    let sent = bytes(since.rate(|varz| varz.switchyard.bytes_out));
    format!("traffic      in {received}/s  out {sent}/s")
}

fn table(now: &Varz) -> String {
    let vitals = &now.switchyard;
    format!(
        "table        {} routes  {} endpoints  {} apps  generation {}  bus {}",
        now.urls,
        vitals.table_endpoints,
        now.droplets,
        vitals.table_generation,
        shown(&vitals.bus),
    )
}

fn process(now: &Varz, since: &Since<'_>) -> String {
    let vitals = &now.switchyard;
    let cpu = since.rate(|varz| varz.switchyard.cpu_ms) / 10.0;
    format!(
        "process      cpu {cpu:.1} %  memory {}  files {}  panics {}  log lines dropped {}",
        bytes(now.mem as f64 * 1024.0),
        vitals.file_descriptors,
        vitals.panics,
        vitals.access_log_dropped,
    )
}

fn apps(now: &Varz) -> Vec<String> {
    let mut table = TextTable::new(&["APP", "REQUESTS/S>"]);
    for app in &now.top10_app_requests {
        table.row([app.application_id.clone(), format!("{:.1}", app.rps)]);
    }
    let mut text = Vec::new();
    // Writing to a vector cannot fail.
    table.write(&mut text).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use protocol::router::AppRequests;

    use super::*;

    fn look(uptime_ms: u64, requests: u64, cpu_ms: u64) -> Varz {
        let mut varz = Varz {
            requests,
            rate: [12.0, 11.0, 10.0],
            mem: 1536,
            ..Varz::default()
        };
        varz.switchyard.uptime_ms = uptime_ms;
        varz.switchyard.cpu_ms = cpu_ms;
        varz.switchyard.connections = vec![3, 4];
        varz.latency = Latency {
            p50: 0.001,
            p99: 0.25,
            samples: 9,
            ..Latency::default()
        };
        varz
    }

    #[test]
    fn rates_are_those_between_two_looks() {
        let (before, now) = (look(10_000, 100, 1_000), look(12_000, 600, 2_000));
        let text = lines("127.0.0.1:8082", &now, Some(&before)).join("\n");
        for part in [
            "requests     250.0/s   1m 12.0  5m 11.0  15m 10.0",
            "50% 1.0ms",
            "99% 250.0ms",
            "own part     none yet",
            "connections  7 (3 + 4)",
            "cpu 50.0 %  memory 1.5 MiB",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn one_look_shows_the_last_minute() {
        let text = lines("r", &look(10_000, 100, 1_000), None).join("\n");
        assert!(
            text.contains("requests     12.0/s") && text.contains("cpu 10.0 %"),
            "{text}"
        );
    }

    #[test]
    fn a_router_that_began_anew_shows_no_negative_rate() {
        let text = lines("r", &look(10, 0, 0), Some(&look(10_000, 100, 1_000))).join("\n");
        assert!(text.contains("requests     0.0/s"), "{text}");
    }

    #[test]
    fn apps_cannot_write_on_the_terminal() {
        let mut now = look(10_000, 100, 1_000);
        let name = "\x1b[2Japp".to_owned();
        now.top10_app_requests = vec![AppRequests {
            application_id: name,
            rps: 5.0,
            rpm: 300.0,
        }];
        let text = lines("r", &now, None).join("\n");
        assert!(text.contains("app") && !text.contains('\x1b'), "{text}");
    }
}

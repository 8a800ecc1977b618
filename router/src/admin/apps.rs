//! Which apps get the most requests.
//!
//! Nothing is counted per app while requests run: every endpoint has its own count, and the sums
//! are taken when somebody asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::router::AppRequests;
use router_core::table::RouteTable;

/// A look at the whole table is good for so long.
const FRESH: Duration = Duration::from_secs(2);
/// How many apps are shown.
const TOP: usize = 10;

/// The last look, to tell the next one what happened since.
#[derive(Debug, Default)]
pub(super) struct Apps(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    counted: Option<Instant>,
    counts: HashMap<Box<str>, u64>,
    report: Arc<AppFigures>,
}

/// What a look showed.
#[derive(Debug, Default)]
pub(super) struct AppFigures {
    /// Apps in the table.
    pub(super) apps: u64,
    /// Those with the most requests since the look before.
    pub(super) top: Vec<AppRequests>,
}

impl Apps {
    /// Looks at the table, unless somebody just did. Milliseconds for a large table: call it off
    /// the event loop.
    pub(super) fn look(&self, table: &RouteTable) -> Arc<AppFigures> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = looks.counted.map(|then| now - then);
        if elapsed.is_none_or(|elapsed| elapsed >= FRESH) {
            let counts = count(table);
            looks.report = Arc::new(report(&looks.counts, &counts, elapsed));
            looks.counts = counts;
            looks.counted = Some(now);
        }
        Arc::clone(&looks.report)
    }
}

/// Requests by app. An endpoint that serves several routes has one count for each.
fn count(table: &RouteTable) -> HashMap<Box<str>, u64> {
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    for endpoint in table.iter().flat_map(|pool| pool.endpoints()) {
        let (app, requests) = (endpoint.facts().app(), endpoint.stats().requests());
        match counts.get_mut(app) {
            Some(count) => *count += requests,
            None if app.is_empty() => {}
            None => {
                counts.insert(app.into(), requests);
            }
        }
    }
    counts
}

/// The first look has nothing to compare with and shows no rates.
fn report(
    before: &HashMap<Box<str>, u64>,
    now: &HashMap<Box<str>, u64>,
    elapsed: Option<Duration>,
) -> AppFigures {
    let apps = now.len() as u64;
    let Some(elapsed) = elapsed else {
        return AppFigures {
            apps,
            top: Vec::new(),
        };
    };
    let mut grown: Vec<_> = now
        .iter()
        .map(|(app, count)| {
            (
                count.saturating_sub(before.get(app).copied().unwrap_or(0)),
                app,
            )
        })
        .filter(|(requests, _)| *requests > 0)
        .collect();
    grown.sort_unstable_by(|(a, a_app), (b, b_app)| b.cmp(a).then(a_app.cmp(b_app)));
    let rate = |requests: u64| requests as f64 / elapsed.as_secs_f64().max(1e-3);
    let top = grown
        .into_iter()
        .take(TOP)
        .map(|(requests, app)| AppRequests {
            application_id: app.to_string(),
            rps: rate(requests),
            rpm: rate(requests) * 60.0,
        })
        .collect();
    AppFigures { apps, top }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> HashMap<Box<str>, u64> {
        rows.iter()
            .map(|(app, count)| ((*app).into(), *count))
            .collect()
    }

    #[test]
    fn the_busiest_come_first() {
        let before = counts(&[("idle", 5), ("busy", 100), ("gone", 9)]);
        let now = counts(&[("idle", 5), ("busy", 400), ("new", 20), ("reset", 3)]);
        let report = report(&before, &now, Some(Duration::from_secs(2)));
        let shown: Vec<_> = report
            .top
            .iter()
            .map(|app| (app.application_id.as_str(), app.rps, app.rpm))
            .collect();
        let expected = [
            ("busy", 150.0, 9_000.0),
            ("new", 10.0, 600.0),
            ("reset", 1.5, 90.0),
        ];
        assert_eq!((report.apps, shown.as_slice()), (4, expected.as_slice()));
    }

    #[test]
    fn the_first_look_shows_no_rates_and_the_list_is_short() {
        let many: Vec<_> = (0..50).map(|n| (format!("app-{n:02}"), n + 1)).collect();
        let now = many
            .iter()
            .map(|(app, n)| (app.as_str().into(), *n))
            .collect();
        let first = report(&HashMap::new(), &now, None);
        assert!(first.top.is_empty());
        let second = report(&HashMap::new(), &now, Some(Duration::from_secs(1)));
        assert_eq!(
            (second.top.len(), second.top[0].application_id.as_str()),
            (TOP, "app-49")
        );
    }
}

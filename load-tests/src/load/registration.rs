//! From a registration published to the first request that is routed by it, and from its withdrawal to
//! the first that is not.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::routes::OnBus;
use crate::measure::{Measure, percentile};
use crate::nats::{Claims, Nats};
use crate::rounds::Figures;
use crate::site::Site;

const ROUTED_LIMIT: Duration = Duration::from_secs(5);
/// Requests to a route that was known once, all of which must be answered by it.
const CONFIRMED: usize = 20;

pub(super) async fn measure(routes: usize, site: &Site) -> Result<Figures> {
    let nats = Nats::start(site).await?;
    let mut bench = OnBus::start(site, &nats).await?;
    let claims = Claims {
        count: routes + 1,
        backend: site.backend,
    };
    let (mut registered, mut withdrawn) = (Vec::new(), Vec::new());
    let mut wrong = 0;
    for index in 1..=routes {
        let began = Instant::now();
        nats.register_one(&claims, index).await?;
        let host = Claims::host(index);
        loop {
            match bench.watcher.status(&host).await {
                Some(200) => break,
                Some(404) => {}
                _ => wrong += 1,
            }
            ensure!(began.elapsed() < ROUTED_LIMIT, "{host} is not routed");
        }
        registered.push(began.elapsed().as_secs_f64() * 1e3);
        for _ in 0..CONFIRMED {
            wrong += u32::from(bench.watcher.status(&host).await != Some(200));
        }
        let began = Instant::now();
        nats.unregister_one(&claims, index).await?;
        while bench.watcher.status(&host).await != Some(404) {
            ensure!(began.elapsed() < ROUTED_LIMIT, "{host} is still routed");
        }
        withdrawn.push(began.elapsed().as_secs_f64() * 1e3);
    }
    bench.server.stop().await?;
    nats.stop().await?;
    registered.sort_by(f64::total_cmp);
    withdrawn.sort_by(f64::total_cmp);
    let shares = [
        (Measure::RegisterP50, &registered, 0.50),
        (Measure::RegisterP99, &registered, 0.99),
        (Measure::UnregisterP50, &withdrawn, 0.50),
        (Measure::UnregisterP99, &withdrawn, 0.99),
    ];
    Ok(shares
        .into_iter()
        .filter_map(|(measure, millis, share)| Some((measure, percentile(millis, share)?)))
        .chain([(Measure::WrongAnswers, f64::from(wrong))])
        .collect())
}

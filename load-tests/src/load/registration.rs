//! From a registration published to the first request that is routed by it.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::Figures;
use super::routes::OnBus;
use crate::measure::{Measure, percentile};
use crate::nats::{Claims, Nats};
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
    let mut millis = Vec::with_capacity(routes);
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
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        for _ in 0..CONFIRMED {
            wrong += u32::from(bench.watcher.status(&host).await != Some(200));
        }
    }
    bench.server.stop().await?;
    nats.stop().await?;
    millis.sort_by(f64::total_cmp);
    let shares = [(Measure::RegisterP50, 0.50), (Measure::RegisterP99, 0.99)];
    Ok(shares
        .into_iter()
        .filter_map(|(m, share)| Some((m, percentile(&millis, share)?)))
        .chain([(Measure::WrongAnswers, f64::from(wrong))])
        .collect())
}

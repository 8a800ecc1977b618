//! `GET /varz`: the state of this router in numbers, for collectors and for `router top`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use component::histogram::Distribution;
use component::process_usage::{self, Usage};
use component::threads;
use protocol::router::{ComponentVarz, Latency, Responses, Varz, VarzTags, Vitals};
use router_core::access_log::timestamp;
use router_core::rates::Rates;

use super::Admin;
use super::apps::AppFigures;
use crate::observe::metrics::{Event, RegistryMetrics, StatusGroup, Totals};

/// Requests a second, in all and by component.
#[derive(Debug, Default)]
pub(super) struct TrafficRates {
    all: Rates,
    components: BTreeMap<usize, Rates>,
}

impl TrafficRates {
    /// Takes the counters `elapsed` after the last time.
    pub(super) fn observe(&mut self, totals: &Totals, elapsed: Duration) {
        self.all.observe(totals.requests(), elapsed);
        for (index, component) in &totals.components {
            self.components
                .entry(*index)
                .or_default()
                .observe(component.requests, elapsed);
        }
    }
}

pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Response {
    look(&admin, |admin| {
        let report = admin.apps.look(&admin.shared.routes.load_full());
        let totals = admin.shared.metrics.totals();
        Json(varz(admin, &totals, &report, process_usage::usage()))
    })
    .await
}

/// Answers with what `show` makes. That takes milliseconds, so it is done off the event loop, which
/// has health checks to answer, and only a few do it at a time; the others wait.
pub(super) async fn look<T>(
    admin: &Arc<Admin>,
    show: impl FnOnce(&Admin) -> T + Send + 'static,
) -> Response
where
    T: IntoResponse + Send + 'static,
{
    let Ok(_turn) = admin.looks.acquire().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let looking = Arc::clone(admin);
    match tokio::task::spawn_blocking(move || show(&looking)).await {
        Ok(shown) => shown.into_response(),
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn varz(admin: &Admin, totals: &Totals, report: &AppFigures, usage: Usage) -> Varz {
    let uptime = admin.uptime();
    let rates = admin.rates.lock().unwrap_or_else(PoisonError::into_inner);
    let [one, five, fifteen] = rates.all.per_second();
    Varz {
        kind: "Router".into(),
        index: admin.options.index,
        host: admin.options.host.clone(),
        credentials: Vec::new(),
        start: timestamp(admin.started_unix_nanos()),
        uuid: admin.options.uuid.clone(),
        uptime: days(uptime),
        num_cores: std::thread::available_parallelism().map_or(1, usize::from),
        mem: usage.resident / 1024,
        cpu: usage.cpu_ms as f64 / uptime.as_secs_f64().max(1e-3) / 10.0,
        requests: totals.requests(),
        bad_requests: totals.event(Event::Rejected),
        bad_gateways: totals.event(Event::BadGateway),
        urls: admin.shared.routes.load().len() as u64,
        droplets: report.apps,
        requests_per_sec: one,
        top10_app_requests: report.top.clone(),
        ms_since_last_registry_update: admin.since_registry_update(),
        rate: [one, five, fifteen],
        latency: latency(&totals.latency()),
        responses: responses(|group| totals.responses(group)),
        tags: VarzTags {
            component: components(admin, totals, &rates),
        },
        switchyard: vitals(admin, totals, usage),
    }
}

fn components(
    admin: &Admin,
    totals: &Totals,
    rates: &TrafficRates,
) -> BTreeMap<String, ComponentVarz> {
    let table = admin.shared.routes.load();
    let names: Vec<&str> = table.components().names().collect();
    let mut components = BTreeMap::new();
    for (index, row) in &totals.components {
        let Some(name) = names.get(*index) else {
            continue;
        };
        let shown = ComponentVarz {
            requests: row.requests,
            rate: rates
                .components
                .get(index)
                .map(Rates::per_second)
                .unwrap_or_default(),
            latency: latency(&row.latency),
            responses: responses(|group| row.responses(group)),
        };
        components.insert((*name).to_owned(), shown);
    }
    components
}

fn vitals(admin: &Admin, totals: &Totals, usage: Usage) -> Vitals {
    let shared = &admin.shared;
    let registry = &shared.metrics.registry;
    let state = shared.health.state();
    let health = match state.reason() {
        Some(reason) => format!("{}: {reason}", state.name()),
        None => state.name().to_owned(),
    };
    Vitals {
        health,
        uptime_ms: u64::try_from(admin.uptime().as_millis()).unwrap_or(u64::MAX),
        cpu_ms: usage.cpu_ms,
        connections: totals.connections.clone(),
        connections_opened: totals.event(Event::ConnectionOpened),
        file_descriptors: usage.descriptors,
        bytes_in: totals.event(Event::BytesIn),
        bytes_out: totals.event(Event::BytesOut),
        retries: totals.event(Event::Retry),
        ejections: totals.event(Event::Ejection),
        upstream_connects: totals.event(Event::UpstreamConnect),
        upstream_reuses: totals.event(Event::UpstreamReuse),
        upstream_stale: totals.event(Event::UpstreamStale),
        panics: totals.event(Event::Panic),
        access_log_written: shared.access_log.written(),
        access_log_dropped: shared.access_log.dropped(),
        thread_failures: threads::failures().values().sum(),
        bus: bus(registry).to_owned(),
        bus_losses: registry.bus_losses.get(),
        bus_dropped_messages: registry.dropped_messages.get(),
        invalid_messages: registry.invalid_messages.get(),
        table_generation: shared.routes.load().generation(),
        table_endpoints: shared.routes.load().endpoints() as u64,
        routes_pruned: registry.routes_pruned.get(),
        snapshot_age_seconds: admin.snapshot_age(),
        gorouter_time: latency(&totals.gorouter_time),
    }
}

fn bus(registry: &RegistryMetrics) -> &'static str {
    match registry.bus_state.get() {
        RegistryMetrics::BUS_UP => "connected",
        RegistryMetrics::BUS_DOWN => "disconnected",
        _ => "none",
    }
}

/// Seconds, from microseconds.
fn latency(micros: &Distribution) -> Latency {
    let quantile = |q| micros.quantile(q) / 1e6;
    Latency {
        p50: quantile(0.50),
        p75: quantile(0.75),
        p90: quantile(0.90),
        p95: quantile(0.95),
        p99: quantile(0.99),
        value: micros.sum() as f64 / 1e6,
        samples: micros.count(),
    }
}

fn responses(of: impl Fn(StatusGroup) -> u64) -> Responses {
    Responses {
        responses_2xx: of(StatusGroup::Success),
        responses_3xx: of(StatusGroup::Redirection),
        responses_4xx: of(StatusGroup::ClientError),
        responses_5xx: of(StatusGroup::ServerError),
        responses_xxx: of(StatusGroup::Other),
    }
}

/// `1d:2h:3m:4s`
fn days(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    format!("{days}d:{hours}h:{}m:{}s", seconds / 60 % 60, seconds % 60)
}

//! `GET /metrics` in the text format of Prometheus.
//!
//! The first part has gorouter's names and labels, the second ours, which begin with
//! `switchyard_`. Labels are bounded: components, groups of statuses, and workers.

mod events;
mod text;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use component::threads;
use router_core::histogram::LOOKUP_NANOS;

use self::events::{EVENTS, OUR_EVENTS};
use self::text::{Exposition, Scale};
use super::Admin;
use super::process::{Usage, usage};
use super::varz::look;
use crate::health::State as Health;
use crate::metrics::{RegistryMetrics, StatusGroup, Totals};

/// gorouter's bounds of `latency`, in milliseconds, and two above them.
const LATENCY: [u64; 14] = [
    1, 2, 4, 6, 8, 10, 20, 40, 50, 100, 500, 1_000, 5_000, 10_000,
];
/// Bounds of `gorouter_time`, in microseconds: gorouter's begin at a second, which this router's
/// part of an exchange does not reach.
const GOROUTER_TIME: [u64; 16] = [
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    2_000_000,
    10_000_000,
    100_000_000,
];

/// Bounds of `route_registration_latency` in microseconds: gorouter's end at 4 ms.
const REGISTRATION_LATENCY: [u64; 14] = [
    100, 200, 400, 600, 800, 1_000, 2_000, 4_000, 10_000, 50_000, 100_000, 500_000, 1_000_000,
    10_000_000,
];

const TEXT: (HeaderName, &str) = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");

pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Response {
    look(&admin, |admin| ([TEXT], text(admin))).await
}

fn text(admin: &Admin) -> String {
    let totals = admin.shared.metrics.totals();
    let mut out = Exposition::default();
    traffic(admin, &totals, &mut out);
    registry(admin, &mut out);
    ours(admin, &totals, &mut out);
    sources(admin, &mut out);
    process(admin, usage(), &mut out);
    out.into_text()
}

fn traffic(admin: &Admin, totals: &Totals, out: &mut Exposition) {
    let table = admin.shared.routes.load();
    let names: Vec<&str> = table.components().names().collect();
    let name = |index: &usize| names.get(*index).copied().unwrap_or_default();
    out.family("total_requests", "counter", "requests given to endpoints");
    for (index, component) in &totals.components {
        out.sample(
            "total_requests",
            &[("component", name(index))],
            component.requests,
        );
    }
    let responses = |group| totals.responses(group);
    let help = "responses, the router's own included";
    by_status("responses", help, responses, out);
    // There are no route services; dashboards find their name all the same.
    let help = "responses of route services";
    by_status("responses_route_services", help, |_| 0, out);
    for (event, family, help) in EVENTS {
        out.counter(family, help, totals.event(event));
    }
    out.family("latency", "histogram", "whole exchanges in ms");
    for (index, component) in &totals.components {
        let bounds = LATENCY.map(|millis| millis * 1_000);
        let label = [("component", name(index))];
        out.histogram(
            "latency",
            &label,
            &component.latency,
            &bounds,
            Scale::Thousandth,
        );
    }
    out.family(
        "gorouter_time",
        "histogram",
        "the router's own part of exchanges in s",
    );
    out.histogram(
        "gorouter_time",
        &[],
        &totals.gorouter_time,
        &GOROUTER_TIME,
        Scale::Millionth,
    );
    out.family("route_lookup_time", "histogram", "lookups in ns, sampled");
    out.histogram(
        "route_lookup_time",
        &[],
        &totals.lookup_time,
        &LOOKUP_NANOS,
        Scale::One,
    );
}

fn by_status(family: &str, help: &str, count: impl Fn(StatusGroup) -> u64, out: &mut Exposition) {
    out.family(family, "counter", help);
    for group in StatusGroup::ALL {
        out.sample(family, &[("status_group", group.name())], count(group));
    }
}

fn registry(admin: &Admin, out: &mut Exposition) {
    let registry = &admin.shared.metrics.registry;
    out.family(
        "registry_message",
        "counter",
        "registrations by what they did",
    );
    registry.registrations(|component, action, count| {
        let labels = [("component", component), ("action", action.name())];
        out.sample("registry_message", &labels, count);
    });
    out.family("unregistry_message", "counter", "unregistrations");
    registry.unregistrations(|component, count| {
        out.sample("unregistry_message", &[("component", component)], count);
    });
    out.counter(
        "routes_pruned",
        "endpoints nobody renewed",
        registry.routes_pruned.get(),
    );
    out.gauge(
        "total_routes",
        "routes in the table",
        admin.shared.routes.load().len() as u64,
    );
    let since = admin.since_registry_update();
    out.gauge(
        "ms_since_last_registry_update",
        "since the table changed or was confirmed",
        since,
    );
    out.family(
        "route_registration_latency",
        "histogram",
        "from endpoint_updated_at_ns until routable, in ms",
    );
    out.histogram(
        "route_registration_latency",
        &[],
        &registry.registration_latency(),
        &REGISTRATION_LATENCY,
        Scale::Thousandth,
    );
    let buffered = registry.buffered_messages.get();
    out.gauge(
        "buffered_messages",
        "messages waiting for the table's writer",
        buffered,
    );
    let dropped = registry.dropped_messages.get();
    out.gauge(
        "total_dropped_messages",
        "bus messages dropped before they were read",
        dropped,
    );
}

fn ours(admin: &Admin, totals: &Totals, out: &mut Exposition) {
    for (event, family, help) in OUR_EVENTS {
        out.counter(family, help, totals.event(event));
    }
    out.family("switchyard_connections", "gauge", "open client connections");
    for (worker, open) in totals.connections.iter().enumerate() {
        out.sample(
            "switchyard_connections",
            &[("worker", &worker.to_string())],
            *open,
        );
    }
    let log = &admin.shared.access_log;
    out.counter(
        "switchyard_access_log_lines_total",
        "lines written",
        log.written(),
    );
    out.counter(
        "switchyard_access_log_dropped_total",
        "lines dropped",
        log.dropped(),
    );
    out.counter(
        "switchyard_access_log_reopened_total",
        "files opened anew",
        log.reopened(),
    );
    let healthy = u64::from(admin.shared.health.state() == Health::Healthy);
    out.gauge("switchyard_healthy", "1 while traffic is wanted", healthy);
}

fn sources(admin: &Admin, out: &mut Exposition) {
    let registry = &admin.shared.metrics.registry;
    if registry.bus_state.get() != RegistryMetrics::BUS_NONE {
        let up = u64::from(registry.bus_state.get() == RegistryMetrics::BUS_UP);
        out.gauge(
            "switchyard_bus_connected",
            "1 while the bus is connected",
            up,
        );
        out.counter(
            "switchyard_bus_losses_total",
            "bus losses",
            registry.bus_losses.get(),
        );
    }
    let invalid = registry.invalid_messages.get();
    out.counter(
        "switchyard_invalid_messages_total",
        "bus messages refused",
        invalid,
    );
    let table = admin.shared.routes.load();
    out.gauge(
        "switchyard_table_generation",
        "of the table in use",
        table.generation(),
    );
    out.gauge(
        "switchyard_table_endpoints",
        "in the table in use",
        table.endpoints() as u64,
    );
    if let Some(age) = admin.snapshot_age() {
        out.gauge(
            "switchyard_snapshot_age_seconds",
            "since the snapshot was written",
            age,
        );
    }
    let failures = registry.snapshot_failures.get();
    out.counter(
        "switchyard_snapshot_failures_total",
        "snapshots not written",
        failures,
    );
}

fn process(admin: &Admin, usage: Usage, out: &mut Exposition) {
    let name = "switchyard_thread_failures_total";
    out.family(name, "counter", "failures of threads that the router needs");
    for (thread, failures) in threads::failures() {
        out.sample(name, &[("thread", &thread)], failures);
    }
    out.gauge(
        "file_descriptors",
        "open file descriptors",
        usage.descriptors,
    );
    out.gauge(
        "process_resident_memory_bytes",
        "resident memory",
        usage.resident,
    );
    out.family(
        "process_cpu_seconds_total",
        "counter",
        "processor time used",
    );
    out.sample(
        "process_cpu_seconds_total",
        &[],
        usage.cpu_ms as f64 / 1_000.0,
    );
    let started = admin.started_unix_nanos() / 1_000_000_000;
    out.gauge(
        "process_start_time_seconds",
        "start, in seconds since 1970",
        started,
    );
}

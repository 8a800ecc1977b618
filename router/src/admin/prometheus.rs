//! `GET /metrics` in the text format of Prometheus.
//!
//! The first part has gorouter's names and labels, the second ours, which begin with
//! `switchyard_`. gorouter's names of counters lack the end that Prometheus asks for: each is there
//! with `_total` too. Labels are bounded: components, groups of statuses, and workers.

mod events;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use component::exposition::{Exposition, Scale};
use component::process_usage::{Usage, usage};
use component::threads;

use self::events::{EVENTS, OUR_EVENTS};
use super::Admin;
use super::varz::look;
use crate::observe::health::HealthState as Health;
use crate::observe::metrics::{LOOKUP_NANOS, RegistryMetrics, StatusGroup, Totals};

/// Bounds of `latency`, in microseconds: those of gorouter's last histogram, and two above them.
const LATENCY: [u64; 14] = [
    1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 20_000, 40_000, 50_000, 100_000, 500_000, 1_000_000,
    5_000_000, 10_000_000,
];
/// Bounds of `gorouter_time`, in microseconds: those of gorouter's last histogram begin at a second,
/// which this router's part of an exchange does not reach. Most are below them.
const GOROUTER_TIME: [u64; 24] = [
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
    4_000_000,
    6_000_000,
    8_000_000,
    10_000_000,
    20_000_000,
    40_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
];
/// Bounds of `route_registration_latency`, in microseconds: those of gorouter's last histogram end at
/// 4 ms.
const REGISTRATION_LATENCY: [u64; 16] = [
    100, 200, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 10_000, 50_000, 100_000,
    500_000, 1_000_000, 10_000_000,
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
    let help = "requests given to endpoints";
    out.counters("total_requests", help, |out, family| {
        for (index, component) in &totals.components {
            out.sample(family, &[("component", name(index))], component.requests);
        }
    });
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
        let label = [("component", name(index))];
        out.histogram(
            "latency",
            &label,
            &component.latency,
            &LATENCY,
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
    out.counters(family, help, |out, family| {
        for group in StatusGroup::ALL {
            out.sample(family, &[("status_group", group.name())], count(group));
        }
    });
}

fn registry(admin: &Admin, out: &mut Exposition) {
    let registry = &admin.shared.metrics.registry;
    let help = "registrations by what they did";
    out.counters("registry_message", help, |out, family| {
        registry.messages(|component, action, count| {
            let labels = [("component", component), ("action", action)];
            out.sample(family, &labels, count);
        });
    });
    out.counters("unregistry_message", "unregistrations", |out, family| {
        registry.unregistrations(|component, count| {
            out.sample(family, &[("component", component)], count);
        });
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
    let help = "registrations that said nothing new";
    out.counters("switchyard_heartbeats_total", help, |out, family| {
        registry.heartbeats(|component, count| {
            out.sample(family, &[("component", component)], count);
        });
    });
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
    out.counters(
        "process_cpu_seconds_total",
        "processor time used",
        |out, family| out.sample(family, &[], usage.cpu_ms as f64 / 1_000.0),
    );
    let started = admin.started_unix_nanos() / 1_000_000_000;
    out.gauge(
        "process_start_time_seconds",
        "start, in seconds since 1970",
        started,
    );
}

#[cfg(test)]
mod tests {
    use component::histogram::MICROSECONDS;

    use super::*;

    /// gorouter's default bounds as long as it had histograms, in our units.
    #[test]
    fn the_bounds_of_gorouters_last_histograms_are_among_ours() {
        let check = |ours: &[u64], recorded: &[u64], gorouters: &[u64]| {
            for bound in ours {
                assert!(recorded.contains(bound), "{bound}");
            }
            for bound in gorouters {
                assert!(ours.contains(bound), "{bound}");
            }
            assert!(ours.is_sorted());
        };
        let steps = [1, 2, 4, 6, 8, 10, 20, 40, 50, 100, 500, 1_000];
        let (millis, seconds) = (steps.map(|n| n * 1_000), steps.map(|n| n * 1_000_000));
        check(&LATENCY, &MICROSECONDS, &millis);
        check(&GOROUTER_TIME, &MICROSECONDS, &seconds);
        let registration = [100, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000];
        check(&REGISTRATION_LATENCY, &MICROSECONDS, &registration);
        let lookup: Vec<u64> = (1..=10).map(|n| n * 10_000).collect();
        check(&LOOKUP_NANOS, &LOOKUP_NANOS, &lookup);
    }
}

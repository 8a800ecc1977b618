//! One line of the access log.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use benches::fleet;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use router_core::access_log::{Entry, Format, Style};
use router_core::endpoint::Endpoint;

fn access_log(criterion: &mut Criterion) {
    let table = fleet::registry(1).unwrap().table();
    let endpoint = &table.iter().next().unwrap().endpoints()[0];
    let entry = entry(endpoint);
    let mut group = criterion.benchmark_group("access_log");
    group.throughput(Throughput::Elements(1));
    for (name, style) in [("line", Style::Line), ("json", Style::Json)] {
        let format = Format {
            style,
            ..Format::default()
        };
        let mut chunk = Vec::with_capacity(32 << 10);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                chunk.clear();
                format.write(black_box(&entry), &mut chunk);
                chunk.len()
            });
        });
    }
}

fn entry(endpoint: &Endpoint) -> Entry<'_> {
    Entry {
        host: b"app-0004711.apps.example.com",
        method: b"GET",
        target: b"/assets/application-5f3c.js?v=7",
        version: "HTTP/1.1",
        referer: b"https://app-0004711.apps.example.com/",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        x_forwarded_for: b"203.0.113.7, 10.0.0.1",
        x_forwarded_proto: b"https",
        request_id: "5f0d5c1a-0000-4000-8000-000000000000",
        peer: "10.0.0.1:40000".parse().ok(),
        client: "203.0.113.7".parse().ok(),
        endpoint: Some(endpoint),
        started_unix_nanos: 1_700_000_000_123_456_789,
        status: Some(200),
        request_bytes: 0,
        response_bytes: 3_456,
        total: Duration::from_micros(12_345),
        gorouter_time: Duration::from_micros(345),
        backend_time: Some(Duration::from_micros(12_000)),
        dial_time: None,
        dns_time: None,
        failed_attempts: 0,
        failed_attempts_time: Duration::ZERO,
        router_error: "",
        local: None,
        extra: &[],
    }
}

criterion_group!(benches, access_log);
criterion_main!(benches);

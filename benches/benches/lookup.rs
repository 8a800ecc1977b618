//! The route of a request, in tables of three sizes.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;

use benches::fleet;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Hosts asked for in turn, spread over the table: too many for the caches to hold their routes.
const ASKED: usize = 100_000;

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(1));
    for (name, routes) in [("1k", 1_000), ("100k", 100_000), ("1M", 1_000_000)] {
        let table = fleet::registry(routes).unwrap().table();
        let spread = |number: usize| number.wrapping_mul(0x9e37_79b1) % routes;
        let hosts: Vec<String> = (0..ASKED).map(|n| fleet::host(spread(n))).collect();
        group.bench_function(format!("{name} routes"), |bencher| {
            let mut turn = hosts.iter().cycle();
            bencher.iter(|| table.lookup(black_box(turn.next()?), black_box("/some/path?query=1")));
        });
        let strangers: Vec<String> = hosts.iter().map(|host| host.replace("app", "no")).collect();
        group.bench_function(format!("{name} routes, unknown host"), |bencher| {
            let mut turn = strangers.iter().cycle();
            bencher.iter(|| table.lookup(black_box(turn.next()?), black_box("/some/path?query=1")));
        });
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);

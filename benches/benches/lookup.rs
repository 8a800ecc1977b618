//! The route of a request, in tables of three sizes.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;

use benches::fleet;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;

/// As in the router: where things lie decides what a lookup costs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Hosts whose routes stay in the caches.
const BUSY: usize = 1_000;

/// Hosts whose routes do not.
const ANY: usize = 100_000;

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(1));
    for (name, routes) in [("1k", 1_000), ("100k", 100_000), ("1M", 1_000_000)] {
        let table = fleet::registry(routes).unwrap().table();
        // Spread over the table, in an order that nothing foresees.
        let spread = |number: usize| number.wrapping_mul(0x9e37_79b1) % routes;
        let hosts = |count| (0..count).map(|number| fleet::host(spread(number)));
        let busy: Vec<String> = hosts(BUSY).collect();
        let any: Vec<String> = hosts(ANY).collect();
        let unknown: Vec<String> = any.iter().map(|host| host.replace("app", "no")).collect();
        for (kind, hosts) in [("busy", &busy), ("any", &any), ("unknown", &unknown)] {
            group.bench_function(format!("{name} routes, {kind} host"), |bencher| {
                let mut turn = hosts.iter().cycle();
                let path = black_box("/some/path?query=1");
                bencher.iter(|| table.lookup(black_box(turn.next()?), path));
            });
        }
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);

//! What one message does to a table of 100,000 routes, a new table given out after each change.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;

use benches::fleet;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use router_core::registry::Command;

const ROUTES: usize = 100_000;

fn registry(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registry");
    group.throughput(Throughput::Elements(1));
    let rules = fleet::rules();
    let mut registry = fleet::registry(ROUTES).unwrap();
    let mut published = registry.table();
    let mut turn = (0..ROUTES)
        .map(|n| n.wrapping_mul(0x9e37_79b1) % ROUTES)
        .cycle();

    group.bench_function("heartbeat", |bencher| {
        let claim = || fleet::claim(&fleet::message(turn.next().unwrap(), 0), &rules).unwrap();
        bencher.iter_batched(
            claim,
            |claim| black_box(registry.apply(Command::Register(claim), fleet::NOW)),
            BatchSize::SmallInput,
        );
    });
    // A route that goes and comes back: every iteration leaves the table as it was.
    group.bench_function("unregister and register", |bencher| {
        let both = || {
            let message = fleet::message(turn.next().unwrap(), 0);
            let claim = fleet::claim(&message, &rules).unwrap();
            (fleet::withdrawal(&message, &rules).unwrap(), claim)
        };
        bencher.iter_batched(
            both,
            |(withdrawal, claim)| {
                registry.apply(Command::Unregister(withdrawal), fleet::NOW);
                published.clone_from(&registry.table());
                registry.apply(Command::Register(claim), fleet::NOW);
                published.clone_from(&registry.table());
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, registry);
criterion_main!(benches);

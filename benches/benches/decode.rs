//! A registration on its way in: from the bytes on the bus to a claim.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;

use benches::fleet;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::bus::{Message as _, Register};
use router_core::registration::Registration;

fn decode(criterion: &mut Criterion) {
    let message = fleet::message(4711, 0);
    let rules = fleet::rules();
    let decoded = Register::decode(&message).unwrap();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("message", |bencher| {
        bencher.iter(|| Register::decode(black_box(&message)));
    });
    group.bench_function("claim", |bencher| {
        bencher.iter(|| Registration::from_message(black_box(&decoded), &rules));
    });
}

criterion_group!(benches, decode);
criterion_main!(benches);

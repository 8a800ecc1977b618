//! The endpoint of a request, among pools of several sizes.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use benches::fleet;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use router_core::balance::Balance;
use router_core::endpoint::{Description, Digest, Facts, Origin};
use router_core::pool::Want;
use router_core::registration::Registration;
use router_core::registry::{Command, Registry, RegistryConfig};
use router_core::route::RouteKey;

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    group.throughput(Throughput::Elements(1));
    for balance in [Balance::RoundRobin, Balance::LeastConnection] {
        for endpoints in [1, 3, 100] {
            let table = pool_of(endpoints, balance).table();
            let pool = table.lookup("app.test", "/").unwrap();
            let mut entropy = 0_u64;
            group.bench_function(format!("{balance:?} of {endpoints}"), |bencher| {
                bencher.iter(|| {
                    entropy = entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    black_box(pool.pick(&want(entropy)).is_ok())
                });
            });
        }
    }
}

fn want(entropy: u64) -> Want<'static> {
    Want {
        tried: &[],
        instance: None,
        first_attempt: true,
        zone: None,
        max_conns: 500,
        ejection: Duration::from_secs(30),
        now: fleet::NOW,
        entropy,
    }
}

fn pool_of(endpoints: u16, balance: Balance) -> Registry {
    let mut registry = Registry::new(RegistryConfig {
        balance,
        ..RegistryConfig::default()
    });
    for port in 1..=endpoints {
        let description = Description {
            host: "10.0.0.1",
            port,
            ..Description::default()
        };
        let registration = Registration {
            key: RouteKey::parse("app.test").unwrap(),
            facts: Facts::new(&description).unwrap(),
            origin: Origin::Bus,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        };
        registry.apply(Command::Register(registration), fleet::NOW);
    }
    registry
}

criterion_group!(benches, pick);
criterion_main!(benches);

//! Keep-alive requests through a whole router in this process, over loopback.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

use std::net::{Ipv4Addr, SocketAddr};

use benches::traffic::{self, Clients};
use component::config_file;
use component::telemetry::{Level, LogLevel};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use router::config::Config;
use router::process::server::Router;

fn round_trip(criterion: &mut Criterion) {
    let backend = traffic::backend(|| {}).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config =
        config_file::parse::<Config>(&"bench", &traffic::config(any, any, backend)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let level = LogLevel::detached(Level::Error);
    let running = runtime
        .block_on(Router::start(config.config, level))
        .unwrap();
    let address = running.addresses()[0].tcp().unwrap();
    let mut group = criterion.benchmark_group("round_trip");
    for connections in [1, 64] {
        let mut clients = Clients::connect(address, connections).unwrap();
        group.throughput(Throughput::Elements(connections as u64));
        group.bench_function(format!("{connections} at a time"), |bencher| {
            bencher.iter(|| clients.send(1).unwrap());
        });
    }
    group.finish();
    runtime.block_on(running.stop(std::time::Duration::from_secs(5)));
}

criterion_group!(benches, round_trip);
criterion_main!(benches);

//! What an idle connection costs.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use rustix::process::{Resource, getrlimit};
use tests_kit::{Backend, Client, PATIENCE, eventually, script};
use tests_kit_router::{RouterProcess, RouterProgram};

/// The connections to hold, if the system lets us have so many descriptors.
const WANTED: u64 = 10_000;

/// Descriptors that this process and the router need for other things.
const OTHERS: u64 = 256;

/// The most that one may cost, in KiB, in a build that is not optimised and has no allocator of its own;
/// in the one that ships the load tests hold it to half of that.
const MOST: u64 = 3;

fn open(router: &RouterProcess) -> u64 {
    let connections = router.ask_json("/connections?limit=1");
    let open = connections["open"].as_array().unwrap();
    open.iter().filter_map(serde_json::Value::as_u64).sum()
}

fn idle(router: &RouterProcess, count: u64) -> Vec<Client> {
    let connect = |_| {
        let mut client = router.client();
        assert_eq!(client.get("a.test", "/").text(), "hi");
        client
    };
    let clients: Vec<Client> = (0..count).map(connect).collect();
    assert!(eventually(PATIENCE, || open(router) >= count));
    clients
}

#[test]
fn an_idle_connection_costs_three_kib_at_most() {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = WANTED.min(limit.saturating_sub(OTHERS));
    assert!(
        count >= 256,
        "the system grants {limit} descriptors, which shows nothing"
    );
    let backend = Backend::start(script::hello("hi"));
    let address = backend.address();
    let program = RouterProgram::new(env!("CARGO_BIN_EXE_router-under-test"));
    let router = program.start(&format!(
        "routes: [{{uris: [a.test], backends: ['{address}']}}]\n"
    ));
    // What is there once, however many come, is there already.
    let first = idle(&router, 64);
    let before = router.memory_kib();
    let clients = idle(&router, count);
    let cost = || router.memory_kib().saturating_sub(before) * 1024 / count;
    // Freed memory goes back to the system a little later.
    let low = eventually(PATIENCE, || cost() <= MOST * 1024);
    println!(
        "{count} idle connections: {} bytes each, {before} KiB without them",
        cost()
    );
    assert!(low, "{} bytes", cost());
    drop((first, clients));
    assert!(eventually(PATIENCE * 3, || open(&router) == 0));
}

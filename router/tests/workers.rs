//! Workers: how connections are shared out among them.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::collections::BTreeMap;

use serde_json::Value;
use tests_kit::{Backend, Client, script};
use tests_kit_router::TestRouter;

/// How many connections each worker holds.
fn by_worker(router: &TestRouter) -> BTreeMap<u64, usize> {
    let response = Client::connect(router.admin()).get("localhost", "/connections");
    assert_eq!(response.status(), 200, "{}", response.text());
    let listed: Value = serde_json::from_slice(&response.body).unwrap();
    let mut counts = BTreeMap::new();
    for connection in listed["connections"].as_array().unwrap() {
        *counts
            .entry(connection["worker"].as_u64().unwrap())
            .or_default() += 1;
    }
    counts
}

#[test]
fn no_worker_has_much_more_than_its_share() {
    let backend = Backend::start(script::hello("hi"));
    for workers in [2, 4] {
        let router = TestRouter::builder()
            .yaml(&format!("workers: {workers}"))
            .route("a.test", &[backend.address()])
            .start();
        let mut clients: Vec<Client> = (0..16).map(|_| router.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("a.test", "/").text(), "hi");
        }
        let counts = by_worker(&router);
        assert_eq!(counts.values().sum::<usize>(), 16, "{counts:?}");
        let most = counts.values().max().unwrap();
        assert!(most * workers * 2 <= 16 * 3, "{counts:?}");
    }
}

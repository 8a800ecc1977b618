//! The bus goes away and comes back while requests go on.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::time::Duration;

use tests_kit::load::Tally;
use tests_kit::{
    Backend, FaultProxy, Gate, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually,
    script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// A router on a bus, whose endpoints last for so many seconds and are looked at often.
fn yaml(port: u16, threshold: u64) -> String {
    format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n\
         nats_client_ping_interval: 1s\n\
         start_response_delay_interval: 1s\n\
         droplet_stale_threshold: {threshold}s\n\
         prune_stale_droplets_interval: 200ms\n"
    )
}

/// Lets time pass.
fn pass(time: Duration) {
    assert!(!Gate::new().wait_for(time));
}

fn bus(router: &RouterProcess) -> String {
    let vitals = router.ask_json("/varz")["switchyard"].clone();
    vitals["bus"].as_str().unwrap().to_owned()
}

fn until_bus(router: &RouterProcess, state: &str) {
    let reached = eventually(PATIENCE * 3, || bus(router) == state);
    assert!(reached, "{state}: {} {}", bus(router), router.log());
}

fn status(router: &RouterProcess, host: &str) -> u16 {
    router.client().get(host, "/").status()
}

fn until_status(router: &RouterProcess, host: &str, expected: u16) {
    let reached = eventually(PATIENCE, || status(router, host) == expected);
    assert!(reached, "{host}: {} {}", status(router, host), router.log());
}

fn assert_none_failed(tally: &Tally) {
    assert_eq!(tally.failed, 0, "{tally:?}");
    eprintln!("{} requests, none failed", tally.good);
}

#[test]
fn a_server_killed_and_restarted_under_load_fails_no_request() {
    for program in NatsProgram::all_for("outage of the bus") {
        let mut server = NatsServer::start(&program);
        // In between, so that a witness can be there before the router finds the new server.
        let way = FaultProxy::start(([127, 0, 0, 1], server.port()).into());
        let backend = Backend::start(script::hello("hi"));
        let router = RouterProgram::new(PROGRAM);
        let router = router.start(&yaml(way.address().port(), 2));
        until_bus(&router, "connected");
        let hosts = ["a.test", "b.test", "c.test"];
        let mut registrar = NatsClient::connect(server.port());
        registrar.register(&hosts, backend.address());
        registrar.flush();
        for host in hosts {
            until_status(&router, host, 200);
        }
        let load = Load::start(router.address(), 4, &hosts[..2]);
        load.more(100);

        server.kill();
        until_bus(&router, "disconnected");
        // Thrice the time after which an endpoint that is not renewed is removed.
        pass(Duration::from_secs(6));
        load.more(100);
        assert_eq!(status(&router, "c.test"), 200);

        way.refuse(true);
        server.restart();
        let mut registrar = NatsClient::connect(server.port());
        registrar.subscribe("router.start");
        way.refuse(false);
        let start = registrar
            .next(PATIENCE * 3)
            .expect("router.start is published again");
        let start: serde_json::Value = serde_json::from_slice(&start.payload).unwrap();
        assert_eq!(start["minimumRegisterIntervalInSeconds"], 1, "{start}");
        assert_eq!(start["pruneThresholdInSeconds"], 2, "{start}");
        until_bus(&router, "connected");
        registrar.unregister(&["c.test"], backend.address());
        registrar.flush();
        until_status(&router, "c.test", 404);
        registrar.register(&["d.test"], backend.address());
        registrar.flush();
        until_status(&router, "d.test", 200);
        // Those whom nobody renews lapse after all; those who are renewed stay.
        let lapsed = eventually(PATIENCE * 2, || {
            registrar.register(&hosts[..2], backend.address());
            registrar.flush();
            status(&router, "d.test") == 404
        });
        assert!(lapsed, "{}", router.log());
        load.more(100);
        assert_none_failed(&load.stop());
    }
}

#[test]
fn a_server_that_hangs_is_given_up_and_found_again() {
    for program in NatsProgram::all_for("a hanging bus") {
        let server = NatsServer::start(&program);
        let backend = Backend::start(script::hello("hi"));
        let router = RouterProgram::new(PROGRAM);
        let router = router.start(&yaml(server.port(), 8));
        until_bus(&router, "connected");
        let mut registrar = NatsClient::connect(server.port());
        registrar.register(&["a.test"], backend.address());
        registrar.flush();
        until_status(&router, "a.test", 200);
        let load = Load::start(router.address(), 2, &["a.test"]);
        server.pause();
        until_bus(&router, "disconnected");
        // By then the endpoint would have lapsed.
        pass(Duration::from_secs(8));
        load.more(100);
        server.resume();
        until_bus(&router, "connected");
        let mut registrar = NatsClient::connect(server.port());
        registrar.register(&["a.test"], backend.address());
        registrar.flush();
        assert_none_failed(&load.stop());
        registrar.unregister(&["a.test"], backend.address());
        registrar.flush();
        until_status(&router, "a.test", 404);
    }
}

//! The router without something that it needs: descriptors, a disk.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests_kit::{
    Backend, Client, Gate, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::RouterProgram;

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

fn route(backend: &Backend) -> String {
    let address = backend.address();
    format!("routes: [{{uris: [a.test], backends: ['{address}']}}]\n")
}

#[test]
fn without_descriptors_it_serves_whom_it_has_and_rests() {
    const DESCRIPTORS: u64 = 96;
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM).with_descriptors(DESCRIPTORS);
    let router = program.start(&route(&backend));
    let mut good = router.client();
    assert_eq!(good.get("a.test", "/").text(), "hi");
    let mut admin = Client::connect(router.admin());
    let mut cpu_ms = || -> u64 {
        let varz = admin.get("localhost", "/varz").text();
        let varz: Value = serde_json::from_str(&varz).unwrap();
        varz["switchyard"]["cpu_ms"].as_u64().unwrap()
    };
    cpu_ms();
    // The kernel completes these, whoever accepts them.
    let crowd: Vec<Client> = (0..2 * DESCRIPTORS).map(|_| router.client()).collect();
    router.until_logged("accept-failed");
    let (before, began) = (cpu_ms(), Instant::now());
    assert!(!Gate::new().wait_for(Duration::from_secs(1)));
    let (used, wall) = (cpu_ms() - before, began.elapsed());
    println!("{used} ms of CPU in {wall:?} without descriptors");
    assert!(
        u128::from(used) < wall.as_millis() / 4,
        "{used} in {wall:?}"
    );
    for _ in 0..100 {
        assert_eq!(good.get("a.test", "/").text(), "hi");
    }
    // Those that never asked for anything make way for one that does.
    let mut late = router.client();
    assert_eq!(late.get("a.test", "/").text(), "hi");
    assert!(router.log().matches("accept-failed").count() <= 20);
    drop(crowd);
    let served = || {
        Client::connect(router.address())
            .get("a.test", "/")
            .status()
    };
    assert!(eventually(PATIENCE, || served() == 200));
    assert_eq!(router.ask_json("/varz")["switchyard"]["panics"], 0);
}

#[test]
fn a_full_disk_costs_lines_of_the_log_and_no_request() {
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let router = program.start(&(route(&backend) + "access_log: {file: /dev/full}\n"));
    let load = Load::start(router.address(), 2, &["a.test"]);
    load.more(300);
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
    let dropped = || router.ask_json("/varz")["switchyard"]["access_log_dropped"].clone();
    assert!(
        eventually(PATIENCE, || dropped() == tally.good),
        "{} of {tally:?}",
        dropped()
    );
    router.until_logged("access-log-write-failed");
}

#[test]
fn a_snapshot_that_cannot_be_written_costs_no_route() {
    for program in NatsProgram::all_for("a snapshot that cannot be written") {
        let server = NatsServer::start(&program);
        let backend = Backend::start(script::hello("hi"));
        let program = RouterProgram::new(PROGRAM);
        assert!(program.directory().file("file", "not a directory").exists());
        let port = server.port();
        let router = program.start(&format!(
            "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n\
             snapshot_file: file/routes\n\
             snapshot_interval: 100ms\n"
        ));
        let mut registrar = NatsClient::connect(port);
        let mut client = router.client();
        assert!(eventually(PATIENCE, || {
            registrar.register(&["a.test"], backend.address());
            registrar.flush();
            client.get("a.test", "/").status() == 200
        }));
        router.until_logged("snapshot-not-written");
        assert_eq!(client.get("a.test", "/").text(), "hi");
    }
}

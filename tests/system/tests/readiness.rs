//! The router serves no route before it has it, and asks for no traffic before it has them all.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use tests_kit::{
    Backend, Behaviour, Client, FakeNats, Gate, PATIENCE, eventually, free_address, script,
};
use tests_kit_router::FakeRegistrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// So many that loading them takes a while.
const ROUTES: usize = 100_000;

/// Routes that one message registers.
const A_MESSAGE: usize = 20;

fn host(route: usize) -> String {
    format!("r{route}.test")
}

fn yaml(bus: u16, listener: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {bus}}}]}}\n\
         listeners: [{{address: \"{listener}\"}}]\n\
         status: {{port: off, routes: {{port: {}}}}}\n\
         snapshot_file: routes.snapshot\n\
         snapshot_interval: 200ms\n\
         logging: {{level: debug}}\n\
         start_response_delay_interval: 0s\n",
        admin.port()
    )
}

fn register_all(fake: &FakeNats, backend: SocketAddr) {
    for first in (0..ROUTES).step_by(A_MESSAGE) {
        let hosts: Vec<String> = (first..first + A_MESSAGE).map(host).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        fake.register(&hosts, backend);
    }
}

fn routes(router: &RouterProcess) -> u64 {
    let vitals = router.ask_json("/varz")["switchyard"].clone();
    vitals["table_endpoints"].as_u64().unwrap()
}

/// What somebody saw who asked again and again, from before the router was there.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    good: AtomicU64,
    wrong: AtomicU64,
}

/// Asks for one route after the other. No connection is no answer, whatever the reason.
fn ask_for_routes(router: SocketAddr, seen: &Arc<Seen>) -> JoinHandle<()> {
    let seen = Arc::clone(seen);
    std::thread::spawn(move || {
        let mut route = 0;
        while !seen.stop.load(SeqCst) {
            let Ok(mut client) = Client::try_connect(router) else {
                std::thread::yield_now();
                continue;
            };
            while !seen.stop.load(SeqCst) {
                route = (route + 7919) % ROUTES;
                let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host(route));
                if client.try_send(request).is_err() {
                    break;
                }
                match client.try_response("GET") {
                    Ok(response) if response.status() == 200 => seen.good.fetch_add(1, SeqCst),
                    Ok(_) => seen.wrong.fetch_add(1, SeqCst),
                    Err(_) => break,
                };
            }
        }
    })
}

/// Asks for the health, and once it is good for routes.
fn ask_for_health(admin: SocketAddr, router: SocketAddr, seen: &Arc<Seen>) -> JoinHandle<()> {
    let seen = Arc::clone(seen);
    std::thread::spawn(move || {
        while !seen.stop.load(SeqCst) {
            let Ok(mut client) = Client::try_connect(admin) else {
                std::thread::yield_now();
                continue;
            };
            if client
                .try_send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                .is_err()
            {
                continue;
            }
            let Ok(response) = client.try_response("GET") else {
                continue;
            };
            if response.status() != 200 {
                continue;
            }
            let mut client = Client::connect(router);
            for route in (0..ROUTES).step_by(ROUTES / 100) {
                let right = client.get(&host(route), "/").status() == 200;
                let count = if right { &seen.good } else { &seen.wrong };
                count.fetch_add(1, SeqCst);
            }
            return;
        }
    })
}

#[test]
fn a_router_that_was_killed_is_not_ready_before_its_table_is() {
    let fake = FakeNats::start();
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let (address, admin) = (free_address(), free_address());
    let yaml = yaml(fake.port(), address, admin);
    let mut router = program.start(&yaml);
    assert!(eventually(PATIENCE, || fake.is_heard()));
    register_all(&fake, backend.address());
    let all = eventually(PATIENCE * 6, || routes(&router) == ROUTES as u64);
    assert!(all, "{} routes", routes(&router));
    let whole = format!("\"endpoints\":{ROUTES}}}");
    let written = eventually(PATIENCE * 6, || {
        let log = router.log();
        let mut lines = log.lines();
        lines.any(|line| line.contains("snapshot-written") && line.contains(&whole))
    });
    assert!(written, "no snapshot: {}", router.log());
    // Nobody is there to say the routes again.
    fake.behave(&Behaviour::Silent);
    router.kill();

    let seen = Arc::<Seen>::default();
    let askers = [
        ask_for_routes(address, &seen),
        ask_for_routes(address, &seen),
        ask_for_health(admin, address, &seen),
    ];
    let router = program.start(&yaml);
    assert!(eventually(PATIENCE, || router.health() == 200));
    assert!(eventually(PATIENCE, || seen.good.load(SeqCst) > 300));
    seen.stop.store(true, SeqCst);
    for asker in askers {
        asker.join().unwrap();
    }
    assert_eq!(seen.wrong.load(SeqCst), 0, "{}", router.log());
    assert_eq!(routes(&router), ROUTES as u64);
}

#[test]
fn a_new_route_is_unknown_and_then_known_for_good() {
    let fake = FakeNats::start();
    let backend = Backend::start(script::hello("hi"));
    let router = RouterProgram::new(PROGRAM);
    let router = router.start(&yaml(fake.port(), free_address(), free_address()));
    assert!(eventually(PATIENCE, || fake.is_heard()));
    for round in 0..20 {
        let host = format!("new-{round}.test");
        let known = Arc::<AtomicBool>::default();
        let unknown = Arc::<AtomicU64>::default();
        let askers: Vec<JoinHandle<u64>> = (0..3)
            .map(|_| {
                let mut client = router.client();
                let (host, known) = (host.clone(), Arc::clone(&known));
                let unknown = Arc::clone(&unknown);
                std::thread::spawn(move || {
                    let mut good = 0;
                    while good < 50 {
                        let before = known.load(SeqCst);
                        match client.get(&host, "/").status() {
                            200 => {
                                known.store(true, SeqCst);
                                good += 1;
                            }
                            404 if !before => {
                                unknown.fetch_add(1, SeqCst);
                            }
                            other => panic!("{other} after it was known: {before}"),
                        }
                    }
                    good
                })
            })
            .collect();
        assert!(eventually(PATIENCE, || unknown.load(SeqCst) > 10));
        fake.register(&[&host], backend.address());
        for asker in askers {
            assert_eq!(asker.join().unwrap(), 50);
        }
        // Others come and go meanwhile.
        fake.register(&[&format!("other-{round}.test")], backend.address());
        assert!(!Gate::new().wait_for(Duration::from_millis(1)));
    }
}

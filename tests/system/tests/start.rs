//! How the router program starts and ends.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use router_core::snapshot::Snapshot;
use rustix::process::Signal;
use tests_kit::{
    Backend, Client, End, Gate, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// As many routes as a large installation has.
const MANY: usize = 100_000;

fn nats(port: u16) -> String {
    format!("nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n")
}

fn route(backend: &Backend) -> String {
    let address = backend.address();
    format!("routes: [{{uris: [a.test], backends: ['{address}']}}]\n")
}

/// A router with one route, to `backend`.
fn router_to(backend: &Backend, program: &RouterProgram, more: &str) -> RouterProcess {
    program.start(&(route(backend) + more))
}

/// A client whose request has reached `backend`, where it waits.
fn waiting(router: &RouterProcess, backend: &Backend) -> Client {
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(backend.wait_for_requests(1));
    client
}

fn refuses(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_err()
}

/// How many endpoints a snapshot holds; none while it cannot be read.
fn kept(file: &Path) -> usize {
    let hour = Duration::from_secs(3600);
    let bytes = fs::read(file).unwrap_or_default();
    Snapshot::open(&bytes).map_or(0, |snapshot| snapshot.registrations(0, hour).count())
}

/// Registers [`MANY`] routes to `backend` and waits until the table has them all.
fn register_many(router: &RouterProcess, port: u16, backend: &Backend) {
    let bus = || router.ask_json("/varz")["switchyard"]["bus"].clone();
    assert!(eventually(PATIENCE, || bus() == "connected"), "{}", bus());
    let began = Instant::now();
    let mut registrar = NatsClient::connect(port);
    for n in 0..MANY {
        registrar.register(&[&format!("{n}.test")], backend.address());
    }
    registrar.flush();
    let held = || router.ask_json("/varz")["switchyard"]["table_endpoints"].clone();
    assert!(eventually(PATIENCE * 6, || held() == MANY), "{}", held());
    eprintln!(
        "{MANY} routes in the table {:?} after the first was sent",
        began.elapsed()
    );
}

/// Asks until there is an answer, which must be right, and tells when that was.
fn first_answer(address: SocketAddr, began: Instant) {
    let mut answer = None;
    assert!(eventually(PATIENCE * 3, || {
        let client = Client::try_connect(address).ok();
        answer = client.map(|mut client| client.get("99999.test", "/").text());
        answer.is_some()
    }));
    eprintln!(
        "first answer {:?} after the start, without a bus",
        began.elapsed()
    );
    assert_eq!(answer.as_deref(), Some("hi"));
}

#[test]
fn killed_with_many_routes_it_serves_all_of_them_as_soon_as_it_starts_again() {
    let Some(server) = NatsProgram::all_for("kill -9").pop() else {
        return;
    };
    let mut server = NatsServer::start(&server);
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let yaml = nats(server.port()) + "snapshot_file: state/routes\nsnapshot_interval: 1s\n";
    let mut router = program.start(&yaml);
    let address = router.address();
    // It would tell of each route.
    let admin = router.admin().to_string();
    let quiet = program.run(&["log-level", "warn", "--admin", &admin]);
    assert!(quiet.status.success());
    register_many(&router, server.port(), &backend);
    let snapshot = program.path("state/routes");
    assert!(eventually(PATIENCE * 3, || kept(&snapshot) == MANY));
    server.kill();
    router.kill();
    assert!(refuses(address));

    let yaml = format!("listeners: [{{address: \"{address}\"}}]\n{yaml}");
    let began = Instant::now();
    let mut router = program.spawn(&yaml);
    first_answer(address, began);
    router.until_logged("gorouter.started");
    assert_eq!(router.health(), 200);
    for n in (0..MANY).step_by(997) {
        let host = format!("{n}.test");
        assert_eq!(router.client().get(&host, "/").status(), 200, "{host}");
    }
    let endpoint = |url: &str| {
        let explained = router.ask_json(&format!("/routes/explain?url={url}"));
        explained["matched"]["endpoints"][0].clone()
    };
    let unconfirmed = endpoint("1.test");
    assert_eq!(unconfirmed["confirmed"], false, "{unconfirmed}");
    assert_eq!(unconfirmed["origin"], "snapshot", "{unconfirmed}");
    server.restart();
    let mut registrar = NatsClient::connect(server.port());
    assert!(eventually(PATIENCE * 3, || {
        registrar.register(&["1.test"], backend.address());
        registrar.flush();
        endpoint("1.test")["confirmed"] == true
    }));
    assert_eq!(endpoint("1.test")["origin"], "bus");
    assert_eq!(endpoint("2.test")["confirmed"], false);
    router.signal(Signal::TERM);
    let status = router.ended(PATIENCE * 3).unwrap();
    assert!(status.success(), "{}", router.log());
    assert_eq!(kept(&snapshot), MANY);
}

#[test]
fn a_bus_that_is_not_there_yet_keeps_nobody_waiting() {
    for program in NatsProgram::all_for("start without a bus") {
        let mut server = NatsServer::start(&program);
        server.kill();
        let backend = Backend::start(script::hello("hi"));
        let program = RouterProgram::new(PROGRAM);
        let more = nats(server.port()) + "start_response_delay_interval: 1s\n";
        let router = router_to(&backend, &program, &more);
        assert_eq!(router.client().get("a.test", "/").text(), "hi");
        let unwell = Client::connect(router.admin()).get("localhost", "/health");
        assert_eq!(unwell.status(), 503);
        assert!(
            unwell.text().contains("not connected to the bus"),
            "{}",
            unwell.text()
        );
        server.restart();
        assert!(eventually(PATIENCE * 3, || router.health() == 200));
        let mut registrar = NatsClient::connect(server.port());
        registrar.register(&["b.test"], backend.address());
        registrar.flush();
        let mut client = router.client();
        assert!(eventually(PATIENCE, || client.get("b.test", "/").status() == 200));
    }
}

#[test]
fn what_keeps_it_from_starting_is_told_and_it_fails() {
    let program = RouterProgram::new(PROGRAM);
    let taken = Backend::start(script::echo());
    let address = taken.address();
    let mut router = program.spawn(&format!(
        "listeners: [{{address: \"{address}\"}}]\nnats: off\n"
    ));
    let status = router.ended(PATIENCE * 3).unwrap();
    assert_eq!(status.code(), Some(1), "{}", router.log());
    let data = router.event("gorouter.not-started").unwrap().to_string();
    assert!(
        data.contains(&address.to_string()) && data.contains("in use"),
        "{data}"
    );
}

#[test]
fn terminated_it_finishes_what_is_under_way() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("late")));
    let program = RouterProgram::new(PROGRAM);
    let mut router = router_to(&backend, &program, "pid_file: router.pid\n");
    let (address, pid) = (router.address(), router.pid().to_string());
    assert_eq!(fs::read_to_string(program.path("router.pid")).unwrap(), pid);
    let mut client = waiting(&router, &backend);
    router.signal(Signal::TERM);
    assert!(eventually(PATIENCE, || refuses(address)));
    gate.open();
    let response = client.response("GET");
    assert_eq!(
        (response.text().as_str(), response.end),
        ("late", End::Complete)
    );
    assert_eq!(
        router.ended(PATIENCE * 3).unwrap().code(),
        Some(0),
        "{}",
        router.log()
    );
    assert!(
        router.event("gorouter.stopping").is_some(),
        "{}",
        router.log()
    );
    assert!(
        router.event("gorouter.stopped").is_some(),
        "{}",
        router.log()
    );
    assert!(!program.path("router.pid").exists());
}

#[test]
fn terminated_it_waits_five_seconds_at_most_and_a_second_time_not_at_all() {
    for again in [false, true] {
        let gate = Gate::new();
        let backend = Backend::start(script::slow(gate.clone(), script::ok("never")));
        let program = RouterProgram::new(PROGRAM);
        let mut router = router_to(&backend, &program, "");
        let mut client = waiting(&router, &backend);
        let address = router.address();
        let began = Instant::now();
        router.signal(Signal::TERM);
        assert!(eventually(PATIENCE, || refuses(address)));
        if again {
            router.signal(Signal::TERM);
        }
        let status = router.ended(PATIENCE * 3).unwrap();
        let took = began.elapsed();
        assert_eq!(status.code(), Some(0), "{}", router.log());
        assert!(client.try_response("GET").is_err());
        println!("ended {took:?} after SIGTERM, a second one: {again}");
        assert_eq!(took < Duration::from_secs(5), again, "{took:?}");
        gate.open();
    }
}

#[test]
fn interrupted_it_ends_at_once() {
    let gate = Gate::new();
    let backend = Backend::start(script::slow(gate.clone(), script::ok("never")));
    let program = RouterProgram::new(PROGRAM);
    let mut router = router_to(&backend, &program, "");
    let mut client = waiting(&router, &backend);
    let began = Instant::now();
    router.signal(Signal::INT);
    let status = router.ended(PATIENCE * 3).unwrap();
    let took = began.elapsed();
    assert_eq!(status.code(), Some(0), "{}", router.log());
    assert!(client.try_response("GET").is_err());
    assert!(took < Duration::from_secs(5), "{took:?}");
    gate.open();
}

#[test]
fn draining_it_says_so_serves_on_and_ends_when_idle() {
    let gate = Gate::new();
    let opened = gate.clone();
    let backend = Backend::start(move |conversation: &mut tests_kit::Conversation| {
        loop {
            let request = conversation.request()?;
            if request.head.target() == "/slow" {
                opened.wait()?;
            }
            conversation.send(script::ok("served"))?;
        }
    });
    let program = RouterProgram::new(PROGRAM);
    let times = "drain_wait: 2s\ndrain_timeout: 60s\n";
    let mut router = router_to(&backend, &program, times);
    assert_eq!(router.health(), 200);
    let mut slow = router.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(backend.wait_for_requests(1));
    let address = router.address();
    router.signal(Signal::USR1);
    assert!(eventually(PATIENCE, || router.health() == 503));
    assert_eq!(router.client().get("a.test", "/").text(), "served");
    router.signal(Signal::USR1);
    router.until_logged("gorouter.signal.ignored");
    assert!(eventually(PATIENCE, || refuses(address)));
    assert!(router.ended(Duration::ZERO).is_none(), "{}", router.log());
    assert_eq!(router.health(), 503);
    gate.open();
    let response = slow.response("GET");
    assert_eq!(
        (response.text().as_str(), response.end),
        ("served", End::Complete)
    );
    assert_eq!(
        router.ended(PATIENCE * 2).unwrap().code(),
        Some(0),
        "{}",
        router.log()
    );
    assert!(router.event("router.drain.timed-out").is_none());
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_an_order_to_stop_cuts_it_shorter() {
    for stop in [false, true] {
        let gate = Gate::new();
        let backend = Backend::start(script::slow(gate.clone(), script::ok("never")));
        let program = RouterProgram::new(PROGRAM);
        let limit = if stop { "60s" } else { "1s" };
        let mut router = router_to(&backend, &program, &format!("drain_timeout: {limit}\n"));
        let mut client = waiting(&router, &backend);
        let address = router.address();
        router.signal(Signal::USR1);
        assert!(eventually(PATIENCE, || refuses(address)));
        if stop {
            router.signal(Signal::TERM);
        }
        assert_eq!(
            router.ended(PATIENCE * 3).unwrap().code(),
            Some(0),
            "{}",
            router.log()
        );
        assert_eq!(
            router.event("router.drain.timed-out").is_some(),
            !stop,
            "{}",
            router.log()
        );
        assert!(client.try_response("GET").is_err());
        gate.open();
    }
}

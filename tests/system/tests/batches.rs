//! What is said at once takes effect at once: nobody ever sees a part of it.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use router::routes::Routes;
use router_core::table::RouteTable;
use tests_kit::{
    Backend, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, TempDir, eventually, script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterBuilder, TestRouter};

/// Routes that are spoken of in one message: more than the table's writer looks at in one go.
const ROUTES: usize = 3000;

fn uris() -> Vec<String> {
    (0..ROUTES).map(|n| format!("{n}.test")).collect()
}

fn router_on(server: &NatsServer) -> RouterBuilder {
    let port = server.port();
    TestRouter::builder().yaml(&format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}"
    ))
}

/// A client of the bus, as soon as the router hears what it says.
fn registrar(server: &NatsServer, routes: &Routes) -> NatsClient {
    let mut registrar = NatsClient::connect(server.port());
    let probe = SocketAddr::from(([10, 0, 0, 1], 1));
    assert!(eventually(PATIENCE, || {
        registrar.register(&["probe"], probe);
        registrar.flush();
        routes.load().len() == 1
    }));
    assert!(eventually(PATIENCE, || {
        registrar.unregister(&["probe"], probe);
        registrar.flush();
        routes.load().is_empty()
    }));
    registrar
}

/// A thread that looks at every table it can catch, and the faults that it found.
struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Witness {
    fn start(
        routes: &Routes,
        fault: impl Fn(&RouteTable) -> Option<String> + Send + 'static,
    ) -> Self {
        let (routes, stop) = (Arc::clone(routes), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut last, mut seen, mut faults) = (None, 0, Vec::new());
            while !stopped.load(Relaxed) {
                let table = routes.load_full();
                if last == Some(table.generation()) {
                    std::thread::yield_now();
                    continue;
                }
                last = Some(table.generation());
                seen += 1;
                faults.extend(fault(&table));
            }
            (seen, faults)
        });
        Self { stop, thread }
    }

    fn assert_no_fault(self) {
        self.stop.store(true, Relaxed);
        let (seen, faults) = self.thread.join().unwrap();
        eprintln!("{seen} tables seen");
        assert!(
            faults.is_empty(),
            "{} of {seen} tables: {:?}",
            faults.len(),
            faults[0]
        );
    }
}

/// The sets of endpoints that the routes have.
fn sets(table: &RouteTable) -> BTreeSet<Vec<String>> {
    let endpoints = |pool: &router_core::pool::Pool| {
        let mut endpoints: Vec<_> = pool
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.address().to_string())
            .collect();
        endpoints.sort();
        endpoints
    };
    table.iter().map(|pool| endpoints(pool)).collect()
}

fn fault(table: &RouteTable) -> Option<String> {
    let sets = sets(table);
    (table.len() != ROUTES || sets.len() != 1).then(|| {
        format!(
            "{} routes with {} sets of endpoints: {sets:?}",
            table.len(),
            sets.len()
        )
    })
}

#[test]
fn the_routes_of_one_message_come_and_go_together() {
    for program in NatsProgram::all_for("whole messages") {
        let server = NatsServer::start(&program);
        let router = router_on(&server).start();
        let routes = router.routes();
        let mut registrar = registrar(&server, &routes);
        let uris = uris();
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        let witness = Witness::start(&routes, |table| {
            let part = !(table.is_empty() || table.len() == ROUTES);
            part.then(|| format!("{} routes", table.len()))
        });
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        for _ in 0..10 {
            registrar.register(&uris, endpoint);
            registrar.flush();
            assert!(eventually(PATIENCE, || routes.load().len() == ROUTES));
            registrar.unregister(&uris, endpoint);
            registrar.flush();
            assert!(eventually(PATIENCE, || routes.load().is_empty()));
        }
        witness.assert_no_fault();
    }
}

#[test]
fn routes_that_move_are_never_without_an_endpoint_nor_apart() {
    for program in NatsProgram::all_for("moving routes") {
        let server = NatsServer::start(&program);
        let router = router_on(&server).start();
        let routes = router.routes();
        let mut registrar = registrar(&server, &routes);
        let uris = uris();
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        let backends = [
            Backend::start(script::hello("one")),
            Backend::start(script::hello("two")),
        ];
        let [mut from, mut to] = backends.each_ref().map(Backend::address);
        registrar.register(&uris, from);
        registrar.flush();
        assert!(eventually(PATIENCE, || routes.load().len() == ROUTES));
        let witness = Witness::start(&routes, fault);
        let load = Load::start(
            router.address(),
            2,
            &[uris[0], uris[ROUTES / 2], uris[ROUTES - 1]],
        );
        for _ in 0..20 {
            registrar.register(&uris, to);
            registrar.unregister(&uris, from);
            // A heartbeat that follows must not put the first message behind the second.
            registrar.register(&uris, to);
            registrar.flush();
            let goal = BTreeSet::from([vec![to.to_string()]]);
            assert!(
                eventually(PATIENCE, || sets(&routes.load()) == goal),
                "{:?}",
                sets(&routes.load())
            );
            std::mem::swap(&mut from, &mut to);
        }
        load.more(50);
        let tally = load.stop();
        assert_eq!(tally.failed, 0, "{tally:?}");
        witness.assert_no_fault();
    }
}

#[test]
fn a_routes_file_takes_effect_as_a_whole() {
    let directory = TempDir::new();
    let backends = [
        Backend::start(script::hello("one")),
        Backend::start(script::hello("two")),
    ];
    let addresses = backends.each_ref().map(Backend::address);
    let uris = uris();
    let file = directory.path().join("routes.yml");
    let write = |to: SocketAddr| {
        let text: String = uris
            .iter()
            .map(|uri| format!("- {{uris: [{uri}], backends: ['{to}']}}\n"))
            .collect();
        fs::rename(directory.file("routes.new", text), &file).unwrap();
    };
    write(addresses[0]);
    let yaml = format!("routes_file: {}", file.display());
    let router = TestRouter::builder().yaml(&yaml).start();
    let routes = router.routes();
    assert_eq!(fault(&routes.load()), None);
    let witness = Witness::start(&routes, fault);
    let load = Load::start(router.address(), 2, &[&uris[0], &uris[ROUTES - 1]]);
    for to in [addresses[1], addresses[0], addresses[1]] {
        load.more(20);
        write(to);
        let goal = BTreeSet::from([vec![to.to_string()]]);
        assert!(eventually(PATIENCE, || sets(&routes.load()) == goal));
    }
    load.more(20);
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
    witness.assert_no_fault();
}

//! Instances come, go and crash while requests go on.

use std::net::SocketAddr;

use tests_kit::{Backend, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, script};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// How often an instance is replaced.
const ROUNDS: usize = 100;

/// An app with its instances, and the registrar that speaks for them.
struct App {
    _server: NatsServer,
    router: RouterProcess,
    _program: RouterProgram,
    registrar: NatsClient,
}

impl App {
    fn new(program: &NatsProgram) -> Self {
        let server = NatsServer::start(program);
        let port = server.port();
        let program = RouterProgram::new(PROGRAM);
        let bus = format!("nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n");
        let router = program.start(&bus);
        let bus = || router.ask_json("/varz")["switchyard"]["bus"].clone();
        assert!(eventually(PATIENCE, || bus() == "connected"), "{}", bus());
        Self {
            registrar: NatsClient::connect(port),
            _server: server,
            router,
            _program: program,
        }
    }

    /// Starts an instance, and waits until requests may go to it.
    fn start(&mut self) -> Backend {
        let backend = Backend::start(script::hello("hi"));
        self.registrar.register(&["a.test"], backend.address());
        self.registrar.flush();
        assert!(eventually(PATIENCE, || self.has(backend.address())));
        backend
    }

    /// Gives an instance up, and waits until no request goes to it any more.
    fn unregister(&mut self, address: SocketAddr) {
        self.registrar.unregister(&["a.test"], address);
        self.registrar.flush();
        assert!(eventually(PATIENCE, || !self.has(address)));
    }

    fn has(&self, address: SocketAddr) -> bool {
        let routes = self.router.ask_json("/routes?host=a.test");
        let endpoints = routes["a.test"].as_array().cloned().unwrap_or_default();
        let address = address.to_string();
        endpoints
            .iter()
            .any(|endpoint| endpoint["address"] == address)
    }
}

#[test]
fn no_request_fails_while_instances_are_replaced() {
    for program in NatsProgram::all_for("deploys") {
        let mut app = App::new(&program);
        let mut instances = [app.start(), app.start()];
        let load = Load::start(app.router.address(), 4, &["a.test"]);
        for round in 0..ROUNDS {
            let next = app.start();
            let last = std::mem::replace(&mut instances[round % 2], next);
            app.unregister(last.address());
            load.more(20);
        }
        let tally = load.stop();
        assert_eq!(tally.failed, 0, "{tally:?}");
        println!("{ROUNDS} deploys, {} requests, none failed", tally.good);
    }
}

#[test]
fn no_request_that_may_be_repeated_fails_while_instances_crash() {
    for program in NatsProgram::all_for("crashes") {
        let mut app = App::new(&program);
        let mut instances = vec![app.start(), app.start()];
        let load = Load::start(app.router.address(), 4, &["a.test"]);
        for _ in 0..ROUNDS {
            let crashed = instances.remove(0);
            let address = crashed.address();
            drop(crashed);
            load.more(20);
            instances.push(app.start());
            app.unregister(address);
        }
        let tally = load.stop();
        assert_eq!(tally.failed, 0, "{tally:?}");
        let varz = app.router.ask_json("/varz");
        let retries = varz["switchyard"]["retries"].as_u64().unwrap();
        println!(
            "{ROUNDS} crashes, {} requests, {retries} sent again, none failed",
            tally.good
        );
    }
}

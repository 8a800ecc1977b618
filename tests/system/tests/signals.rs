//! Load meets the signals that end a router.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests_kit::load::{How, Loss, Manner, Tally, app};
use tests_kit::{
    Backend, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, free_address,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// How often each signal is sent.
const ROUNDS: usize = 5;

/// A client that has just seen its connection open sends so soon. One that was interrupted between
/// the two has looked too early, and says nothing of the router.
const SOON: Duration = Duration::from_millis(1);

/// Of the slow ones some request is under way at any moment.
const CLIENTS: [Manner; 12] = [
    Manner::Kept,
    Manner::Kept,
    Manner::Kept,
    Manner::Short,
    Manner::Short,
    Manner::Short,
    Manner::Chunked,
    Manner::Chunked,
    Manner::SlowUpload,
    Manner::SlowUpload,
    Manner::SlowDownload,
    Manner::SlowDownload,
];

fn route(backend: &Backend) -> String {
    let address = backend.address();
    format!("routes: [{{uris: [a.test], backends: ['{address}']}}]\n")
}

fn nats(port: u16) -> String {
    format!("nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n")
}

/// Ends a router under load by `signal`: what became of the requests, and when it was sent.
fn struck(signal: Signal, keys: &str, round: usize) -> (Tally, Instant) {
    let backend = Backend::start(app());
    let program = RouterProgram::new(PROGRAM);
    let mut router = program.start(&(route(&backend) + keys));
    let load = Load::with_manners(router.address(), &CLIENTS, &["a.test"]);
    // Each round strikes at another moment of the slow bodies.
    load.more(150 + 31 * round as u64);
    let struck = Instant::now();
    router.signal(signal);
    let status = router.ended(PATIENCE * 3);
    let took = struck.elapsed();
    let tally = load.stop();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}: {}",
        router.log()
    );
    assert!(
        router.event("connections-cut").is_none(),
        "{took:?}: {}",
        router.log()
    );
    eprintln!(
        "{signal:?}: {} good, {} refused, {} unanswered, ended after {took:?}",
        tally.good,
        tally.lost(How::Refused),
        tally.lost(How::Unanswered)
    );
    (tally, struck)
}

/// What a router that ends in order owes, which goes on accepting for `wait` after its signal:
///
/// - a request whose head it was sent before it may have closed its listener is answered in whole;
/// - after that a connection may be refused, and a request on a kept connection may cross the end
///   of that connection, of which the client is told by that end alone and before any byte of a
///   response (RFC 9112 §9.5), so that it may send it again;
/// - no response is cut, altered, or replaced by another.
fn held_in_order(signal: Signal, keys: &str, wait: Duration) {
    let mut crossed = 0;
    for round in 0..ROUNDS {
        let (tally, struck) = struck(signal, keys, round);
        let closes = struck + wait;
        let owed: Vec<_> = tally
            .losses
            .iter()
            .filter(|loss| loss.begun < closes || !loss.is_unanswered())
            .collect();
        assert!(
            owed.is_empty(),
            "{} of {} lost: {:#?}",
            owed.len(),
            tally.good,
            &owed[..owed.len().min(4)]
        );
        let crossing = |loss: &&Loss| loss.how == How::Unanswered && loss.unseen < SOON;
        crossed += tally.losses.iter().filter(crossing).count();
    }
    eprintln!("{crossed} requests crossed the end of their connection in {ROUNDS} rounds");
    // It takes microseconds: more than one a round is no chance.
    assert!(crossed <= ROUNDS, "{crossed}");
}

#[test]
fn stopped_under_load_it_answers_all_that_it_was_sent() {
    held_in_order(Signal::TERM, "", Duration::ZERO);
}

#[test]
fn drained_under_load_it_answers_all_that_it_was_sent() {
    let wait = Duration::from_millis(500);
    held_in_order(Signal::USR1, "drain_wait: 500ms\n", wait);
    held_in_order(Signal::USR1, "", Duration::ZERO);
}

/// Registers `a.test` until the router's snapshot has it.
fn until_kept(router: &RouterProcess, bus: u16, backend: &Backend, program: &RouterProgram) {
    let mut registrar = NatsClient::connect(bus);
    let mut client = router.client();
    assert!(eventually(PATIENCE, || {
        registrar.register(&["a.test"], backend.address());
        registrar.flush();
        client.get("a.test", "/").status() == 200
    }));
    let snapshot = program.path("routes.snapshot");
    assert!(eventually(PATIENCE, || {
        std::fs::metadata(&snapshot).is_ok_and(|metadata| metadata.len() > 0)
            && router.ask_json("/varz")["switchyard"]["snapshot_age_seconds"].is_number()
    }));
}

#[test]
fn killed_under_load_it_cuts_and_serves_from_its_snapshot_when_it_is_back() {
    let Some(bus) = NatsProgram::all_for("kill -9 under load").pop() else {
        return;
    };
    let mut server = NatsServer::start(&bus);
    let backend = Backend::start(app());
    let program = RouterProgram::new(PROGRAM);
    let address = free_address();
    let keys = format!(
        "listeners: [{{address: \"{address}\"}}]\nsnapshot_file: routes.snapshot\n\
         snapshot_interval: 100ms\n{}",
        nats(server.port())
    );
    let mut router = program.start(&keys);
    until_kept(&router, server.port(), &backend, &program);
    // From here on nobody says again what the routes are.
    server.kill();
    let mut cut = 0;
    for round in 0..ROUNDS {
        let load = Load::with_manners(address, &CLIENTS, &["a.test"]);
        load.more(100 + 31 * round as u64);
        router.kill();
        let down = Instant::now();
        router = program.start(&keys);
        let served = load.good();
        assert!(eventually(PATIENCE, || load.good() >= served + 100));
        let tally = load.stop();
        println!(
            "killed: {} good, {} refused, {} unanswered, {} cut, back after {:?}",
            tally.good,
            tally.lost(How::Refused),
            tally.lost(How::Unanswered),
            tally.lost(How::Cut),
            down.elapsed()
        );
        let wrong = |how| !matches!(how, How::Refused | How::Unanswered | How::Cut);
        let wrong: Vec<_> = tally.losses.iter().filter(|loss| wrong(loss.how)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        cut += tally.lost(How::Cut);
    }
    assert!(cut > 0, "no response was under way when it was killed");
    let load = Load::with_manners(address, &CLIENTS, &["a.test"]);
    load.more(200);
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
}

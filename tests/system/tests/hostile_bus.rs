//! A bus that breaks every rule: the router keeps its routes, says that the bus is lost, takes no
//! more memory than it has for it, and comes back to a bus that behaves.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::time::Duration;

use tests_kit::{Backend, Behaviour, FakeNats, Gate, Load, PATIENCE, eventually, script};
use tests_kit_router::FakeRegistrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

const MIB: usize = 1024 * 1024;

/// After which an endpoint that nobody renews is removed.
const THRESHOLD: Duration = Duration::from_secs(2);

/// What a bus may cost the router at its worst, in bytes.
const COST: u64 = 48 * MIB as u64;

fn yaml(port: u16) -> String {
    format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}\n\
         nats_client_ping_interval: 500ms\n\
         start_response_delay_interval: 1s\n\
         droplet_stale_threshold: {}s\n\
         prune_stale_droplets_interval: 200ms\n",
        THRESHOLD.as_secs()
    )
}

fn bus(router: &RouterProcess) -> String {
    let vitals = router.ask_json("/varz")["switchyard"].clone();
    vitals["bus"].as_str().unwrap().to_owned()
}

fn gauge(router: &RouterProcess, name: &str) -> u64 {
    let text = router.ask("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

fn resident(router: &RouterProcess) -> u64 {
    router.memory_kib() * 1024
}

fn until_bus(router: &RouterProcess, state: &str) {
    let reached = eventually(PATIENCE * 3, || bus(router) == state);
    assert!(reached, "not {state}: {}", router.log());
}

fn status(router: &RouterProcess, host: &str) -> u16 {
    router.client().get(host, "/").status()
}

/// Lets time pass.
fn pass(time: Duration) {
    assert!(!Gate::new().wait_for(time));
}

/// A router under load meets this server. It goes on serving with what it knows, and is at home
/// again when the server behaves.
fn survives(manner: &Behaviour) {
    let fake = FakeNats::start();
    let backend = Backend::start(script::hello("hi"));
    let router = RouterProgram::new(PROGRAM);
    let router = router.start(&yaml(fake.port()));
    let at_home = |host: &str| {
        until_bus(&router, "connected");
        let served = eventually(PATIENCE, || {
            fake.register(&["kept.test", host], backend.address());
            // The routes of one message may come into the table one after the other.
            [host, "kept.test"]
                .iter()
                .all(|host| status(&router, host) == 200)
        });
        assert!(served, "{host}: {}", router.log());
    };
    at_home("first.test");
    assert!(eventually(PATIENCE, || router.health() == 200));
    let load = Load::start(router.address(), 1, &["kept.test"]);
    let (before, accepted) = (resident(&router), fake.accepted());

    fake.behave(manner);
    until_bus(&router, "disconnected");
    // It comes again, and meets the same.
    let again = eventually(PATIENCE * 3, || fake.accepted() > accepted + 1);
    assert!(again, "{}", router.log());
    assert!(gauge(&router, "switchyard_bus_losses_total ") > 0);
    let down = || gauge(&router, "switchyard_bus_connected ") == 0;
    assert!(eventually(PATIENCE, down));
    assert_eq!(router.health(), 200);
    let cost = resident(&router).saturating_sub(before);
    assert!(cost < COST, "{cost} bytes");
    // Nothing lapses meanwhile.
    pass(THRESHOLD);
    assert_eq!(status(&router, "kept.test"), 200);

    fake.behave(&Behaviour::Good);
    at_home("last.test");
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
    assert!(!router.log().contains("thread-failed"), "{}", router.log());
}

fn says(text: &str, filler: usize) -> Behaviour {
    Behaviour::Says(text.as_bytes().to_vec(), filler)
}

fn ends_with(text: &str, filler: usize) -> Behaviour {
    Behaviour::EndsWith(text.as_bytes().to_vec(), filler)
}

#[test]
fn a_length_that_overflows() {
    survives(&ends_with(
        "MSG router.register 1 18446744073709551615\r\n",
        0,
    ));
}

#[test]
fn a_payload_of_a_gibibyte() {
    survives(&ends_with("MSG router.register 1 1073741824\r\n", 64 * MIB));
}

#[test]
fn headers_longer_than_their_message() {
    survives(&ends_with(
        "HMSG router.register 1 18446744073709551615 5\r\n",
        0,
    ));
}

#[test]
fn an_error_without_words() {
    survives(&ends_with("-ERR\r\n", 0));
}

#[test]
fn a_subscription_that_it_forbids() {
    let error = "-ERR 'Permissions Violation for Subscription to \"router.*\"'\r\n";
    survives(&ends_with(error, 0));
}

#[test]
fn two_hundred_mebibytes_about_itself() {
    survives(&says("INFO {\"x\":\"", 200 * MIB));
}

#[test]
fn two_hundred_mebibytes_about_itself_later_on() {
    survives(&ends_with("INFO {\"x\":\"", 200 * MIB));
}

#[test]
fn a_line_of_two_hundred_mebibytes() {
    survives(&ends_with("MSG router.register ", 200 * MIB));
}

#[test]
fn garbage() {
    survives(&ends_with("\0\u{1}\u{2}\r\n\r\n\r\n", 100));
}

#[test]
fn another_protocol() {
    survives(&says("HTTP/1.1 400 Bad Request\r\n\r\n", 0));
}

#[test]
fn silence() {
    survives(&Behaviour::Silent);
}

#[test]
fn silence_after_a_good_beginning() {
    survives(&Behaviour::FallsSilent);
}

#[test]
fn an_end_at_once() {
    survives(&Behaviour::Closes);
}

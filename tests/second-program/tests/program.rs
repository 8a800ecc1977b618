//! A program that stands on `component` and `bus` alone does what every program does.

use rustix::process::Signal;
use serde_json::Value;
use tests_kit::{
    Client, NatsClient, NatsProgram, NatsServer, PATIENCE, Process, Program, eventually,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_second-program");

fn program() -> Program {
    Program::new(PROGRAM)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The answer of its admin listener to a GET, and its status.
fn get(process: &Process, path: &str) -> (u16, String) {
    let response = Client::connect(process.admin()).get("localhost", path);
    (response.status(), response.text())
}

fn start(program: &Program, yaml: &str) -> Process {
    let process = program.spawn("second.yml", yaml, &[]);
    process.until_logged("admin-listening");
    process
}

#[test]
fn a_configuration_is_checked_printed_and_documented() {
    let program = program();
    let file = |yaml: &str| {
        program
            .directory()
            .file("c.yml", yaml)
            .display()
            .to_string()
    };
    let good = file("nats: off\nstep: 20ms\n");
    let checked = program.run(&["-c", &good, "--check"]);
    assert_eq!(text(&checked.stdout), "ok: a second of 20ms\n");
    let printed = text(&program.run(&["-c", &good, "--print-config"]).stdout);
    assert!(printed.contains("step: 20ms\n"), "{printed}");
    let example = text(&program.run(&["--print-example"]).stdout);
    assert!(
        example.contains("# How long one of its seconds is.\nstep: 1s\n"),
        "{example}"
    );
    let bad = file("step: 0s\nstap: 1s\n");
    let refused = program.run(&["-c", &bad, "--check"]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        said.contains("c.yml:1: step: must be more than 0s"),
        "{said}"
    );
    assert!(
        said.contains("c.yml:2: stap: no such key, did you mean step?"),
        "{said}"
    );
    let version = text(&program.run(&["--version"]).stdout);
    assert!(
        version.starts_with("second-program ") && version.contains('('),
        "{version}"
    );
}

#[test]
fn it_serves_tells_and_ends_in_order() {
    let program = program();
    let mut process = start(&program, "admin: 127.0.0.1:0\nnats: off\nstep: 1ms\n");
    assert_eq!(get(&process, "/health"), (200, "ok\n".to_owned()));
    assert_eq!(get(&process, "/log-level"), (200, "info\n".to_owned()));
    assert_eq!(get(&process, "/nothing").0, 404);
    assert!(eventually(PATIENCE, || {
        let (_, figures) = get(&process, "/metrics");
        figures.lines().any(|line| {
            let count = line.strip_prefix("seconds_total ");
            count.is_some_and(|count| count != "0")
        })
    }));
    process.signal(Signal::TERM);
    assert!(
        process.ended(PATIENCE).unwrap().success(),
        "{}",
        process.log()
    );
    assert!(process.event("stopped").is_some());
}

#[test]
fn it_is_found_on_the_bus() {
    for nats in NatsProgram::all_for("a program on the bus") {
        let server = NatsServer::start(&nats);
        let mut hears = NatsClient::connect(server.port());
        hears.subscribe("vcap.component.announce");
        let yaml = format!(
            "admin: 127.0.0.1:0\nnats: {{hosts: [{{hostname: 127.0.0.1, port: {}}}]}}\n",
            server.port()
        );
        let program = program();
        let process = start(&program, &yaml);
        let message = hears.next(PATIENCE).unwrap();
        let announced: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(announced["type"], "Second");
        assert_eq!(announced["host"], process.admin().to_string());
    }
}

#[test]
fn a_port_that_is_taken_is_a_reason_and_a_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let program = program();
    let mut process = program.spawn("second.yml", &format!("admin: {address}\nnats: off\n"), &[]);
    assert_eq!(process.ended(PATIENCE).unwrap().code(), Some(1));
    let told = process.event("not-started").unwrap();
    assert!(
        told["error"]
            .as_str()
            .unwrap()
            .contains("Address already in use"),
        "{told}"
    );
}

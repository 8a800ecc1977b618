//! Configurations of gorouter's, as templates and programs write them, must start a router.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::fs;

use serde_json::Value;
use tests_kit::{
    Backend, Client, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// From a deployment's templates of 2017: a list of servers as the bus, blanks, numbers as words.
const RENDERED_2017: &str = include_str!("gorouter/rendered_2017.yml");

/// As gorouter's own tests write a structure: every field, most of them empty.
const MARSHALLED: &str = include_str!("gorouter/marshalled.yml");

/// From a deployment's templates of today, with TLS, route services, traces and figures.
const WITH_TLS: &str = include_str!("gorouter/with_tls.yml");

/// A port where nobody listens.
const NOBODY: u16 = 1;

/// The file with ports that the system chooses, a bus at `bus`, and paths in the program's folder.
fn here(file: &str, program: &RouterProgram, bus: u16) -> String {
    let folder = program.directory().path().display().to_string();
    for name in [
        "sys/log/gorouter",
        "sys/run/gorouter",
        "jobs/gorouter/config",
    ] {
        fs::create_dir_all(program.path(name)).unwrap();
    }
    fs::write(
        program.path("jobs/gorouter/config/error.html"),
        "<p>{{.Message}}</p>",
    )
    .unwrap();
    let mut text = file.replace("/var/vcap", &folder);
    for port in ["8080", "8081", "8082", "80"] {
        text = text.replace(&format!("port: {port}\n"), "port: 0\n");
    }
    for port in ["4222", "4224"] {
        text = text.replace(&format!("port: {port}\n"), &format!("port: {bus}\n"));
    }
    for host in ["nats.service.cf.internal", "10.244.0.5", "10.244.0.6"] {
        text = text.replace(host, "127.0.0.1");
    }
    text.replace("127.0.0.1:17002", "127.0.0.1:0")
}

fn start(file: &str, program: &RouterProgram, bus: u16) -> RouterProcess {
    let router = program.spawn_as_it_is(&here(file, program, bus), &[]);
    router.until_logged("gorouter.started");
    router
}

/// The events on standard output, in order.
fn messages(router: &RouterProcess) -> Vec<String> {
    let output = router.output();
    let message = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        Some(event["message"].as_str()?.to_owned())
    };
    output.lines().filter_map(message).collect()
}

#[test]
fn files_of_gorouter_start_a_router() {
    for (name, file) in [
        ("rendered_2017", RENDERED_2017),
        ("marshalled", MARSHALLED),
        ("with_tls", WITH_TLS),
    ] {
        let program = RouterProgram::new(PROGRAM);
        let router = start(file, &program, NOBODY);
        // It listens on every address.
        let mut address = router.address();
        address.set_ip([127, 0, 0, 1].into());
        let answer = Client::connect(address).get("a.test", "/");
        assert_eq!(answer.status(), 404, "{name}");
        assert_eq!(messages(&router).first().unwrap(), "starting", "{name}");
        let check = program.run(&["-c", "router.yml", "--check"]);
        assert!(check.status.success(), "{name}");
        let said = String::from_utf8(check.stdout).unwrap();
        assert!(
            said.starts_with("ok: 1 listener, 0 routes, "),
            "{name}: {said}"
        );
        let printed = program.run(&["-c", "router.yml", "--print-config"]);
        assert!(printed.status.success(), "{name}");
        let remarks = String::from_utf8(printed.stderr).unwrap();
        let unserved = remarks.contains("route_services_secret");
        assert_eq!(
            unserved,
            file.contains("route_services_secret: "),
            "{remarks}"
        );
    }
}

#[test]
fn its_tools_find_the_log_on_standard_output() {
    for program in NatsProgram::all_for("the log of a gorouter.yml") {
        let bus = NatsServer::start(&program);
        let backend = Backend::start(script::hello("hi"));
        let program = RouterProgram::new(PROGRAM);
        let router = start(MARSHALLED, &program, bus.port());
        let said = messages(&router);
        let at = |message: &str| said.iter().position(|said| said == message);
        assert_eq!(at("starting"), Some(0), "{said:?}");
        let connected = at("Successfully-connected-to-nats").unwrap();
        assert!(connected < at("gorouter.started").unwrap(), "{said:?}");
        let data = router.event("Successfully-connected-to-nats").unwrap();
        let host = format!("127.0.0.1:{}", bus.port());
        assert!(
            data["nats-host"].as_str().unwrap().contains(&host),
            "{data}"
        );

        // The access log is streamed to the same place, line by line.
        let mut registrar = NatsClient::connect(bus.port());
        registrar.register(&["a.test"], backend.address());
        registrar.flush();
        let mut address = router.address();
        address.set_ip([127, 0, 0, 1].into());
        assert!(eventually(PATIENCE, || {
            Client::connect(address).get("a.test", "/").status() == 200
        }));
        let served = || {
            let output = router.output();
            let mut lines = output.lines();
            lines.any(|line| line.starts_with("a.test - [") && line.contains(" 200 "))
        };
        assert!(eventually(PATIENCE, served), "{}", router.output());
        for line in router.output().lines() {
            let whole =
                line.starts_with("a.test - [") || serde_json::from_str::<Value>(line).is_ok();
            assert!(whole, "{line}");
        }
    }
}

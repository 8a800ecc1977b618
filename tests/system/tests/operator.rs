//! What the router reads, and what it tells of it: the routes file while it is followed, variables,
//! files that cannot be used, endpoints that fail.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::fs;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests_kit::{Backend, PATIENCE, eventually, script};
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

fn status(router: &RouterProcess, host: &str) -> u16 {
    router.client().get(host, "/").status()
}

/// How often the log says that the file is not used.
fn complaints(router: &RouterProcess, reason: &str) -> usize {
    let log = router.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("routes-file-not-used"));
    lines.filter(|line| line.contains(reason)).count()
}

/// What `--check` and a start say of a configuration: `ok` and its summary, or errors with each of
/// these parts.
#[track_caller]
fn check(program: &RouterProgram, yaml: &str, expected: &str) {
    let file = program.directory().file("c.yml", yaml);
    assert!(file.exists());
    let output = program.run(&["-c", "c.yml", "--check"]);
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    if let Some(summary) = expected.strip_prefix("ok: ") {
        assert!(output.status.success(), "{yaml}: {err}");
        assert_eq!(out, format!("ok: {summary}\n"), "{yaml}");
    } else {
        assert_eq!(output.status.code(), Some(1), "{yaml}: {out}{err}");
        for part in expected.split(" & ") {
            assert!(err.contains(part), "{yaml}: {err}");
        }
        let served = program.run(&["-c", "c.yml"]);
        assert_eq!(served.status.code(), Some(1), "{yaml}");
        assert_eq!(String::from_utf8(served.stderr).unwrap(), err, "{yaml}");
    }
}

#[test]
fn a_check_tells_every_line_at_fault() {
    let program = RouterProgram::new(PROGRAM);
    let check = |yaml: &str, expected: &str| check(&program, yaml, expected);
    check("workers: 2\n", "ok: 1 listener, 0 routes, 1 bus server");
    check("", "c.yml:1: the file says nothing");
    check(
        "listeners: [{adress: ':80'}]\nx: 1\n",
        "c.yml:1: & c.yml:2: x",
    );
    check("workers: 2\nworkers: 3\n", "c.yml:2: ");
    check(
        "workers: 2\n\nlisteners: [{address: nowhere}]\n",
        "c.yml:3: ",
    );
    check("workers: many\nroutes:\n  - uris: 5x: y\n", "c.yml:");
    check(
        "workers: many\nfrontend_idle_timeout: soon\n",
        "c.yml:1: & c.yml:2: ",
    );
    check(
        "disable_http: true\nenable_ssl: true\n",
        "c.yml:1: & disable_http",
    );
    check("routes_file: missing.yml\n", "missing.yml");
    let broken = "- uris: [a.test]\n  backends: ['nowhere']\n";
    let broken = program.directory().file("routes.yml", broken);
    check("routes_file: routes.yml\n", "routes.yml:2: ");
    check(
        "routes_file: routes.yml\nworkers: many\n",
        "routes.yml:2: & c.yml:2: ",
    );
    _ = program.directory().file("routes.yml", "# none yet\n");
    check("routes_file: routes.yml\n", "routes.yml:1: names no routes");
    _ = program.directory().file("routes.yml", "[]\n");
    check(
        "routes_file: routes.yml\nlisteners: [':80', ':81', 'unix:s']\n",
        "ok: 3 listeners, 0 routes, no bus",
    );
    fs::remove_file(broken).unwrap();
    let output = program.run(&["-c", "missing.yml", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("missing.yml")
    );
}

#[test]
fn an_emptied_file_and_a_pipe_withdraw_nothing() {
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let routes = |uri: &str| format!("- {{uris: [{uri}], backends: ['{}']}}\n", backend.address());
    let file = program.directory().file("routes.yml", routes("a.test"));
    let router = program.start("routes_file: routes.yml\n");
    assert_eq!(status(&router, "a.test"), 200);

    fs::write(&file, "# all gone\n").unwrap();
    let told = || complaints(&router, "names no routes") > 0;
    assert!(eventually(PATIENCE, told), "{}", router.log());
    assert_eq!(status(&router, "a.test"), 200);

    fs::remove_file(&file).unwrap();
    mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let told = || complaints(&router, "is a pipe, not a file") > 0;
    assert!(eventually(PATIENCE, told), "{}", router.log());
    assert_eq!(status(&router, "a.test"), 200);

    fs::remove_file(&file).unwrap();
    fs::write(&file, routes("b.test")).unwrap();
    assert!(eventually(PATIENCE, || status(&router, "b.test") == 200));
    assert_eq!(status(&router, "a.test"), 404);

    // This is how to say it.
    fs::write(&file, "[]\n").unwrap();
    assert!(eventually(PATIENCE, || status(&router, "b.test") == 404));
}

#[test]
fn variables_come_from_the_environment() {
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let yaml = "listeners: ['127.0.0.1:0']\nstatus: {port: off, user: u, pass: '${PASS}', \
                routes: {port: 0}}\nroutes: [{uris: ['${HOST_NAME}'], backends: ['${BACKEND}']}]\n";
    let address = backend.address().to_string();
    let variables = [
        ("PASS", "hush\nworkers: many"),
        ("HOST_NAME", "a.test"),
        ("BACKEND", &*address),
    ];
    let mut router = program.spawn_as_it_is(yaml, &variables);
    router.until_logged("gorouter.started");
    assert_eq!(status(&router, "a.test"), 200);
    assert!(!router.log().contains("hush"), "{}", router.log());
    router.kill();

    let mut router = program.spawn_as_it_is(yaml, &variables[1..]);
    assert_eq!(router.ended(PATIENCE).unwrap().code(), Some(1));
    let log = router.log();
    assert!(
        log.contains("router.yml:2: status.pass: ${PASS}: PASS is not set"),
        "{log}"
    );
}

#[test]
fn a_failed_start_names_its_file() {
    let program = RouterProgram::new(PROGRAM);
    let mut router = program.spawn("routes: []\naccess_log: {file: no/where.log}\n");
    assert_eq!(router.ended(PATIENCE).unwrap().code(), Some(1));
    let data = router.event("gorouter.not-started").unwrap().to_string();
    assert!(data.contains("no/where.log"), "{data}");
    assert!(data.contains("router.yml"), "{data}");
    assert!(router.event("starting").is_some());
}

#[test]
fn a_failed_endpoint_has_a_line_a_second_and_its_return_has_one() {
    let backend = Backend::start(script::hello("hi"));
    let gone = tests_kit::free_address();
    let program = RouterProgram::new(PROGRAM);
    let routes = format!(
        "routes: [{{uris: [a.test], backends: ['{}', '{gone}']}}, {{uris: [gone.test], backends: \
         ['{gone}']}}]\nbackend_ejection: 300ms\n",
        backend.address()
    );
    let router = program.start(&routes);
    let began = std::time::Instant::now();
    let mut client = router.client();
    for _ in 0..300 {
        assert_eq!(client.get("a.test", "/").status(), 200);
        assert_eq!(client.get("gone.test", "/").status(), 502);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let lines = |message: &str| {
        let log = router.log();
        let named = |line: &&str| line.contains(message) && line.contains(&gone.to_string());
        log.lines()
            .filter(named)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // One endpoint of each route.
    let most = 2 * (seconds + 1);
    for message in ["backend-endpoint-failed", "endpoint-ejected"] {
        assert!(eventually(PATIENCE, || !lines(message).is_empty()));
        let found = lines(message);
        assert!(found.len() <= most, "{seconds} s: {found:#?}");
        // A warning, which says what it stands for.
        for line in &found {
            assert!(line.contains("\"log_level\":2"), "{line}");
            assert!(line.contains("\"left_out\":"), "{line}");
        }
    }
    assert!(lines("endpoint-recovered").is_empty());
    let back = Backend::on(&gone.to_string(), script::hello("back"));
    assert!(eventually(PATIENCE, || client
        .get("gone.test", "/")
        .status()
        == 200));
    assert!(eventually(PATIENCE + Duration::from_secs(5), || {
        client.get("gone.test", "/");
        !lines("endpoint-recovered").is_empty()
    }));
    assert!(lines("endpoint-recovered")[0].contains("\"log_level\":1"));
    drop(back);
}

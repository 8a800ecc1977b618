//! The access log while its file is moved away under load.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tests_kit::{Backend, Load, PATIENCE, eventually, script};
use tests_kit_router::RouterProgram;

/// The value of `name:"value"` in a line.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line
        .split_once(&format!(" {name}:\""))
        .unwrap_or_else(|| panic!("{line}"));
    rest.split_once('"').unwrap().0
}

/// How many lines these files hold, each of them whole, as it should be, and there once.
fn lines(files: &[PathBuf]) -> u64 {
    let (mut lines, mut ids) = (0, BTreeSet::new());
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let whole = text.is_empty() || text.ends_with('\n');
        assert!(whole, "{} is torn", file.display());
        for line in text.lines() {
            let host = line.starts_with("a.test - [") || line.starts_with("b.test - [");
            assert!(host, "{line}");
            assert!(line.contains(" HTTP/1.1\" 200 0 2 "), "{line}");
            assert_eq!(field(line, "x_cf_routererror"), "-", "{line}");
            let id = field(line, "vcap_request_id").to_owned();
            assert!(ids.insert(id), "twice: {line}");
            lines += 1;
        }
    }
    lines
}

#[test]
fn no_line_is_lost_when_the_file_is_moved_away_under_load() {
    let backend = Backend::start(script::hello("hi"));
    let address = backend.address();
    let program = RouterProgram::new(env!("CARGO_BIN_EXE_router-under-test"));
    let routes = format!("routes: [{{uris: [a.test, b.test], backends: ['{address}']}}]\n");
    let mut router = program.start(&(routes + "access_log: {file: access.log}\n"));
    let load = Load::start(router.address(), 4, &["a.test", "b.test"]);
    let current = program.path("access.log");
    let mut files = vec![current.clone()];
    for round in 0..4 {
        load.more(500);
        let moved = program.path(&format!("access.log.{round}"));
        fs::rename(&current, &moved).unwrap();
        files.push(moved);
        if round % 2 == 1 {
            // Without it, the router finds out for itself.
            router.signal(Signal::USR2);
        }
        assert!(
            eventually(PATIENCE, || current.exists()),
            "{}",
            router.log()
        );
    }
    load.more(500);
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
    let seen = eventually(PATIENCE, || {
        router.ask_json("/varz")["switchyard"]["access_log_written"] == tally.good
    });
    assert!(seen, "{} requests: {}", tally.good, router.ask("/varz"));
    assert_eq!(
        router.ask_json("/varz")["switchyard"]["access_log_dropped"],
        0
    );
    // What was answered just before the end is logged as well.
    assert_eq!(router.client().get("a.test", "/last").status(), 200);
    router.signal(Signal::TERM);
    assert!(router.ended(PATIENCE * 3).unwrap().success());

    assert_eq!(lines(&files), tally.good + 1);
    assert_eq!(backend.requests().len() as u64, tally.good + 1);
}

#[test]
fn a_refused_request_shows_nothing_of_the_one_before_it() {
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(env!("CARGO_BIN_EXE_router-under-test"));
    let routes = format!(
        "routes: [{{uris: [a.test], backends: ['{}']}}]\n",
        backend.address()
    );
    let mut router = program.start(&(routes + "workers: 1\naccess_log: {file: access.log}\n"));
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    assert_eq!(client.response("GET").status(), 200);
    assert_eq!(router.client().get("none.test", "/").status(), 404);
    router.signal(Signal::TERM);
    assert!(router.ended(PATIENCE * 3).unwrap().success());
    let log = fs::read_to_string(program.path("access.log")).unwrap();
    let shown: Vec<_> = log
        .lines()
        .map(|line| field(line, "x_forwarded_for"))
        .collect();
    assert_eq!(shown, ["203.0.113.9, 127.0.0.1", "-"], "{log}");
}

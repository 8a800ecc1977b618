//! The figures at `/metrics` as Prometheus reads them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tests_kit::{Backend, script};
use tests_kit_router::RouterProgram;

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// What a router shows that has served a request and refused another.
fn metrics() -> String {
    let backend = Backend::start(script::hello("hi"));
    let program = RouterProgram::new(PROGRAM);
    let router = program.start(&format!(
        "routes: [{{uris: [a.test], backends: ['{}']}}]\n",
        backend.address()
    ));
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").status(), 200);
    assert_eq!(client.get("b.test", "/").status(), 404);
    router.ask("/metrics")
}

/// The samples of each family of counters, without its name.
fn counters(metrics: &str) -> BTreeMap<&str, Vec<&str>> {
    let families = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = families.filter_map(|family| family.strip_suffix(" counter"));
    names
        .map(|name| {
            let samples = metrics.lines().filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.starts_with(['{', ' ']).then_some(rest)
            });
            (name, samples.collect())
        })
        .collect()
}

#[test]
fn every_counter_has_the_name_that_prometheus_asks_for() {
    let metrics = metrics();
    let counters = counters(&metrics);
    let mut twice = 0;
    for (name, samples) in &counters {
        if !name.ends_with("_total") {
            let total = format!("{name}_total");
            assert_eq!(counters.get(total.as_str()), Some(samples), "{name}");
            twice += 1;
        }
    }
    assert!(twice >= 13, "{counters:?}");
    let served = r#"{component=""} 1"#;
    assert!(
        counters["total_requests_total"].contains(&served),
        "{counters:?}"
    );
}

#[test]
fn promtool_finds_no_fault_but_the_names_that_are_gorouters() {
    let metrics = metrics();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!(
            "SKIPPED: promtool is missing, so Prometheus's own check of /metrics was not run"
        );
        return;
    };
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let counters = counters(&metrics);
    for fault in text.lines() {
        let name = fault.strip_suffix(" counter metrics should have \"_total\" suffix");
        let total = name.map(|name| format!("{name}_total"));
        let known = total.is_some_and(|total| counters.contains_key(total.as_str()));
        assert!(known, "{fault}");
    }
}

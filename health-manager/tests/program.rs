//! The program: its configuration, and what it says when it cannot know enough.

use tests_kit::{NatsProgram, NatsServer, Program};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_health-manager"))
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let printed = program().run(&["--print-example"]).stdout;
    let kept = include_str!("../health-manager.example.yml");
    assert_eq!(String::from_utf8(printed).unwrap(), kept);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let program = program();
    let file = program
        .directory()
        .file("c.yml", "nats: off\nheartbeat: 10ms\nrefresh: 0s\n");
    let checked = program.run(&["-c", &file.display().to_string(), "--check"]);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(!checked.status.success());
    for words in [
        "nats: must be there",
        "heartbeat: must be 100ms",
        "refresh: must be more than 0s",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn nothing_is_repaired_without_a_controller() {
    let Some(nats) = NatsProgram::all_for("the health manager alone").pop() else {
        return;
    };
    let nats = NatsServer::start(&nats);
    let port = nats.port();
    let yaml = format!("admin: 127.0.0.1:0\nnats: {{hosts: ['127.0.0.1:{port}']}}\n");
    let program = program();
    let process = program.spawn("health-manager.yml", &yaml, &[]);
    process.until_logged("nothing-repaired");
    let figures = process.ask("/metrics");
    assert!(figures.contains("health_manager_ready 0\n"), "{figures}");
    assert!(
        figures.contains("health_manager_starts_total 0\n"),
        "{figures}"
    );
}

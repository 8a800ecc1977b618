//! A kato with tiny processes.

#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tests_kit::{PATIENCE, Program, eventually};

/// A node in a directory of its own. Its kato and its processes end with it.
struct Node {
    program: Program,
}

impl Node {
    /// Processes by their lines of YAML. `run NAME` in a command is a process that notes its start and its
    /// end in `events` and lives until SIGTERM.
    fn new(processes: &[&str]) -> Self {
        let program = Program::new(env!("CARGO_BIN_EXE_kato"));
        let directory = program.directory().path().display().to_string();
        drop(program.directory().file(
            "run",
            "#!/bin/sh\n\
             trap 'echo \"-$1\" >>events; rm -f \"$1.ready\"; exit 0' TERM\n\
             echo \"+$1\" >>events\n\
             : >\"$1.ready\"\n\
             while :; do sleep 0.02; done\n",
        ));
        let mut yaml = format!(
            "state: {directory}\nlogs: {{most: 2KiB, older: 1}}\n\
             back_off: {{first: 1ms, most: 20ms, steady: 1h}}\nprocesses:\n"
        );
        for process in processes {
            yaml += &format!("  - {{{process}}}\n");
        }
        drop(program.directory().file("kato.yml", yaml));
        Self { program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.program.path(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs a command. Returns whether it went well, and what it said.
    fn kato(&self, arguments: &[&str]) -> (bool, String) {
        let arguments: Vec<_> = ["-c", "kato.yml"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let output = self.program.run(&arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let (went_well, said) = self.kato(arguments);
        assert!(
            went_well,
            "{arguments:?}: {said}\n{}",
            self.text("log/kato.log")
        );
        said
    }

    fn status(&self, name: &str) -> Value {
        let all: Value = serde_json::from_str(&self.done(&["status", "--json"])).unwrap();
        let all = all.as_array().unwrap();
        all.iter()
            .find(|process| process["name"] == name)
            .unwrap()
            .clone()
    }

    fn pid(&self, name: &str) -> Pid {
        let pid = self.status(name)["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Whether another process than `before` runs under this name and is ready.
    fn is_back(&self, name: &str, before: Pid) -> bool {
        let status = self.status(name);
        let is_running = status["phase"] == "running";
        is_running && status["pid"].as_i64() != Some(before.as_raw_nonzero().get().into())
    }

    fn own_pid(&self) -> Pid {
        Pid::from_raw(self.text("kato.pid").trim().parse().unwrap()).unwrap()
    }

    fn kill_kato(&self) {
        let pid = self.own_pid();
        kill_process(pid, Signal::KILL).unwrap();
        assert!(eventually(PATIENCE, || self
            .kato(&["status"])
            .1
            .contains("no kato runs")));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The directory goes after it.
        if self.path("kato.pid").exists() {
            self.kato(&["start"]);
            self.kato(&["stop"]);
        }
    }
}

fn runs(name: &str, more: &str) -> String {
    format!("name: {name}, command: [sh, run, {name}], ready: {{file: {name}.ready}}{more}")
}

/// `ready` names files from the directory of kato, which its commands are given in.
fn pair() -> Node {
    Node::new(&[&runs("bus", ""), &runs("app", ", depends_on: [bus]")])
}

#[test]
fn processes_start_in_order_and_stop_in_reverse() {
    let node = pair();
    let said = node.done(&["start"]);
    assert!(
        said.find("bus").unwrap() < said.find("app").unwrap(),
        "{said}"
    );
    assert_eq!(node.text("events"), "+bus\n+app\n");
    let pid = node.pid("app");
    node.done(&["start"]);
    assert_eq!(node.pid("app"), pid);
    node.done(&["restart", "bus"]);
    assert_eq!(node.text("events"), "+bus\n+app\n-bus\n+bus\n");
    assert_eq!(node.pid("app"), pid);
    node.done(&["stop", "app"]);
    assert_eq!(node.status("app")["phase"], "stopped");
    node.done(&["start", "app"]);
    node.done(&["restart"]);
    let events = node.text("events");
    assert!(
        events.ends_with("-app\n+app\n-app\n-bus\n+bus\n+app\n"),
        "{events}"
    );
    node.done(&["stop"]);
    assert!(node.text("events").ends_with("+app\n-app\n-bus\n"));
    assert!(!node.path("kato.sock").exists() && !node.path("kato.pid").exists());
    let (went_well, said) = node.kato(&["status"]);
    assert!(!went_well && said.contains("no kato runs"), "{said}");
    assert!(node.done(&["stop"]).contains("nothing of ours was running"));
}

#[test]
fn a_signal_to_kato_stops_all() {
    let node = pair();
    node.done(&["start"]);
    kill_process(node.own_pid(), Signal::TERM).unwrap();
    assert!(eventually(PATIENCE, || !node.path("kato.sock").exists()));
    assert_eq!(node.text("events"), "+bus\n+app\n-app\n-bus\n");
}

#[test]
fn what_ends_is_started_again() {
    let node = pair();
    node.done(&["start"]);
    let (app, bus) = (node.pid("app"), node.pid("bus"));
    kill_process(app, Signal::KILL).unwrap();
    assert!(eventually(PATIENCE, || node.is_back("app", app)));
    let status = node.status("app");
    assert_eq!(
        (&status["restarts"], &status["wanted"]),
        (&1.into(), &true.into())
    );
    assert!(
        status["last_end"].as_str().unwrap().contains("SIGKILL"),
        "{status}"
    );
    assert_eq!(node.pid("bus"), bus);
}

#[test]
fn processes_outlive_a_kato_that_is_killed_and_are_taken_over() {
    let node = pair();
    node.done(&["start"]);
    let pids = (node.pid("bus"), node.pid("app"));
    node.kill_kato();
    assert!(test_kill_process(pids.0).is_ok() && test_kill_process(pids.1).is_ok());
    // One of them ends while nobody looks.
    kill_process(pids.1, Signal::TERM).unwrap();
    assert!(eventually(PATIENCE, || node
        .text("events")
        .contains("-app")));
    node.done(&["start"]);
    assert_eq!(node.pid("bus"), pids.0);
    assert_ne!(node.pid("app"), pids.1);
    assert_eq!(node.text("events"), "+bus\n+app\n-app\n+app\n");
    // One that was taken over is looked after as others are.
    kill_process(pids.0, Signal::KILL).unwrap();
    assert!(eventually(PATIENCE, || node.is_back("bus", pids.0)));
    node.done(&["stop"]);
    assert!(node.text("events").ends_with("-app\n-bus\n"));
}

#[test]
fn a_process_whose_number_another_one_has_is_left_alone() {
    let node = Node::new(&[&runs("bus", "")]);
    let mut other = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let identity = kato::identity::Identity::of(other.id()).unwrap();
    let stale = kato::identity::Identity {
        began: identity.began - 1,
        ..identity
    };
    let running = serde_json::json!({ "bus": &stale, "old": &stale });
    drop(
        node.program
            .directory()
            .file("kato.running", running.to_string()),
    );
    node.done(&["start"]);
    assert_ne!(node.status("bus")["pid"], other.id());
    node.done(&["stop"]);
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_start_that_fails_names_the_process_and_its_log() {
    let short = ", ready: {file: never, within: 50ms}, stop: {grace: 50ms}";
    for (process, expected) in [
        (
            "name: bad, command: [/no/such/program]".to_owned() + short,
            "No such file",
        ),
        (
            "name: bad, command: [sh, -c, 'exit 7']".to_owned() + short,
            "exit code 7",
        ),
        (
            "name: bad, command: [sh, -c, 'exec sleep 1000']".to_owned() + short,
            "bad is",
        ),
    ] {
        let node = Node::new(&[&process]);
        let (went_well, said) = node.kato(&["start"]);
        assert!(!went_well, "{process}: {said}");
        assert!(
            said.contains(expected) && said.contains("log/bad.log"),
            "{process}: {said}"
        );
    }
}

#[test]
fn a_process_that_is_to_run_once_is_waited_for() {
    let once = "name: once, command: [sh, -c, 'echo done >once'], restart: on-failure";
    let node = Node::new(&[&format!("{once}, ready: {{file: never}}")]);
    let said = node.done(&["start"]);
    assert!(said.contains("exit code 0"), "{said}");
    assert_eq!(node.status("once")["phase"], "ended");
}

#[test]
fn output_is_kept_within_bounds_and_shown() {
    let talk = "i=0; while :; do i=$((i + 1)); echo \"line $i\"; sleep 0.002; done";
    let node = Node::new(&[&format!("name: talker, command: [sh, -c, '{talk}']")]);
    node.done(&["start"]);
    let older = node.path("log/talker.log.1");
    assert!(eventually(PATIENCE, || older.exists()));
    assert!(fs::metadata(older).unwrap().len() <= 4 << 10);
    // It goes on in the file that was emptied.
    assert!(eventually(PATIENCE, || node
        .text("log/talker.log")
        .lines()
        .count()
        > 3));
    let shown = node.done(&["log", "-n", "2", "talker"]);
    assert!(
        shown.lines().count() == 2 && shown.starts_with("line "),
        "{shown}"
    );
    assert!(node.done(&["log", "kato"]).contains("process-ready"));
    assert!(!node.kato(&["log", "nobody"]).0);
}

#[test]
fn a_second_kato_is_refused() {
    let node = pair();
    node.done(&["start"]);
    let (went_well, said) = node.kato(&[]);
    assert!(!went_well && said.contains("another kato runs"), "{said}");
    assert_eq!(node.status("app")["phase"], "running");
    let (went_well, said) = node.kato(&["restart", "nobody"]);
    assert!(
        !went_well && said.contains("this node runs no nobody"),
        "{said}"
    );
}

#[test]
fn a_process_that_does_not_end_is_killed() {
    let deaf = "name: deaf, command: [sh, -c, 'trap \"\" TERM; while :; do sleep 0.02; done']";
    let node = Node::new(&[&format!("{deaf}, stop: {{grace: 100ms}}")]);
    node.done(&["start"]);
    let pid = node.pid("deaf");
    node.done(&["stop"]);
    let is_gone = || test_kill_process(pid).is_err();
    assert!(eventually(Duration::from_secs(5), is_gone));
}

//! A router that reads its configuration again while it serves.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::fs;

use rustix::process::Signal;
use tests_kit::{Backend, Client, Load, PATIENCE, eventually, script};
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// A configuration with these routes' hosts, all at one backend, and more keys.
fn yaml(backend: &Backend, hosts: &[&str], more: &str) -> String {
    let rows: Vec<String> = hosts
        .iter()
        .map(|host| format!("{{uris: [{host}], backends: ['{}']}}", backend.address()))
        .collect();
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nworkers: 2\nlogging: {{output: stderr}}\n\
         status: {{port: off, routes: {{port: 0}}}}\nroutes: [{}]\n{more}",
        rows.join(", ")
    )
}

struct Stage {
    program: RouterProgram,
    router: RouterProcess,
    backend: Backend,
}

impl Stage {
    fn start(more: &str) -> Self {
        let backend = Backend::start(script::hello("hi"));
        let program = RouterProgram::new(PROGRAM);
        let router = program.spawn_as_it_is(&yaml(&backend, &["a.test"], more), &[]);
        router.until_logged("gorouter.started");
        Self {
            program,
            router,
            backend,
        }
    }

    fn write(&self, hosts: &[&str], more: &str) {
        let text = yaml(&self.backend, hosts, more);
        fs::write(self.program.path("router.yml"), text).unwrap();
    }

    /// What `router reload` prints, and its exit code.
    fn reload(&self) -> (String, Option<i32>) {
        let admin = self.router.admin().to_string();
        let output = self.program.run(&["reload", "--admin", &admin]);
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    }

    fn status(&self, host: &str) -> u16 {
        self.router.client().get(host, "/").status()
    }
}

#[test]
fn routes_and_limits_change_without_a_restart() {
    let stage = Stage::start("");
    assert_eq!((stage.status("a.test"), stage.status("b.test")), (200, 404));
    assert_eq!(
        stage.reload(),
        ("nothing has changed\n".to_owned(), Some(0))
    );
    stage.write(
        &["b.test"],
        "max_request_body: 3\nworkers: 1\n".trim_start(),
    );
    // `workers` stands twice now.
    let (said, code) = stage.reload();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("router.yml:"), "{said}");
    assert_eq!(stage.status("a.test"), 200);
    stage.write(&["b.test"], "max_request_body: 3\nsnapshot_interval: 7s\n");
    let (said, code) = stage.reload();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        "in force: max_request_body, routes\nneeds a restart: snapshot_interval\n"
    );
    assert!(eventually(PATIENCE, || stage.status("a.test") == 404));
    assert_eq!(stage.status("b.test"), 200);
    let mut client = stage.router.client();
    client.send("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 4\r\n\r\nmore");
    assert_eq!(client.response("POST").status(), 413);
}

#[test]
fn a_file_with_a_mistake_is_refused_whole_and_told() {
    let stage = Stage::start("");
    stage.write(&["b.test"], "endpoint_timeout: soon\nrouts: []\n");
    let (said, code) = stage.reload();
    assert_eq!(code, Some(1));
    assert!(said.contains("router.yml:6: endpoint_timeout"), "{said}");
    assert!(said.contains("router.yml:7: routs: no such key"), "{said}");
    assert_eq!((stage.status("a.test"), stage.status("b.test")), (200, 404));
    stage.router.signal(Signal::HUP);
    stage.router.until_logged("configuration-refused");
    assert_eq!((stage.status("a.test"), stage.status("b.test")), (200, 404));
}

#[test]
fn a_hangup_reloads_and_a_connection_that_stays_sees_it() {
    let stage = Stage::start("");
    let mut kept = stage.router.client();
    let server = |client: &mut Client| {
        let response = client.get("a.test", "/");
        response.head.field("x-new").map(str::to_owned)
    };
    assert_eq!(server(&mut kept), None);
    stage.write(
        &["a.test"],
        "http_rewrite: {responses: {add_headers_if_not_present: [{name: X-New, value: yes}]}}\n",
    );
    stage.router.signal(Signal::HUP);
    stage.router.until_logged("configuration-reloaded");
    assert!(eventually(PATIENCE, || server(&mut kept).as_deref() == Some("yes")));
}

#[test]
fn no_request_fails_while_the_configuration_is_read_again_and_again() {
    let stage = Stage::start("");
    let load = Load::start(stage.router.address(), 4, &["a.test"]);
    for round in 0..20 {
        let more = format!("continue_timeout: {}s\n", 10 + round);
        stage.write(&["a.test"], &more);
        let (said, code) = stage.reload();
        assert_eq!(
            (said.as_str(), code),
            ("in force: continue_timeout\n", Some(0))
        );
        let goal = load.good() + 20;
        assert!(eventually(PATIENCE, || load.good() >= goal || load.failed() > 0));
    }
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
}

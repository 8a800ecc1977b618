//! The admin endpoint and the command line, asked about a router at work.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::net::SocketAddr;

use serde_json::Value;
use tests_kit::{
    Backend, Client, Load, NatsClient, NatsProgram, NatsServer, PATIENCE, eventually, script,
};
use tests_kit_router::Registrar as _;
use tests_kit_router::{RouterProcess, RouterProgram};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// A stream of server-sent events.
struct Events(Client);

impl Events {
    fn open(admin: SocketAddr, target: &str) -> Self {
        let mut client = Client::connect(admin);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.status(), 200);
        assert_eq!(head.field("content-type"), Some("text/event-stream"));
        let mut events = Self(client);
        assert!(events.next("hello")["generation"].is_u64());
        events
    }

    /// The data of the next event, which must be of that kind.
    fn next(&mut self, kind: &str) -> Value {
        let text = self.0.until("\n\n");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(&format!("event: {kind}\n")), "{text}");
        let (_, data) = text.split_once("data: ").unwrap();
        serde_json::from_str(data).unwrap()
    }
}

/// Runs a command to its end: its exit code, what it printed, and what it complained of.
fn command(program: &RouterProgram, admin: SocketAddr, arguments: &[&str]) -> (i32, String) {
    let admin = admin.to_string();
    let output = program.run(&[arguments, &["--admin", &admin]].concat());
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

fn metric(router: &RouterProcess, line: &str) -> f64 {
    let text = router.ask("/metrics");
    let value = text
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .map(str::trim);
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{line}: {text}"))
}

/// The sum of a number over all endpoints that explain lists.
fn sum(explained: &Value, name: &str) -> u64 {
    let endpoints = explained["matched"]["endpoints"].as_array().unwrap();
    endpoints
        .iter()
        .map(|endpoint| endpoint[name].as_u64().unwrap())
        .sum()
}

/// Two backends of `a.test` and one of another route.
fn busy_router(program: &RouterProgram, one: &Backend, two: &Backend) -> RouterProcess {
    let (one, two) = (one.address(), two.address());
    program.start(&format!(
        "routes:\n\
         - {{uris: [a.test, '*.a.test/deep'], backends: ['{one}', '{two}']}}\n\
         - {{uris: [other.test], backends: ['{one}']}}\n"
    ))
}

#[test]
fn the_requests_of_a_host_can_be_watched() {
    let (one, two) = (
        Backend::start(script::hello("hi")),
        Backend::start(script::hello("hi")),
    );
    let program = RouterProgram::new(PROGRAM);
    let router = busy_router(&program, &one, &two);
    let addresses = [one.address().to_string(), two.address().to_string()];
    let mut seen = Events::open(router.admin(), "/routes/watch?host=a.test");
    let others = Load::start(router.address(), 1, &["other.test"]);
    let load = Load::start(router.address(), 1, &["a.test"]);
    for _ in 0..20 {
        let request = seen.next("request");
        assert_eq!(request["status"], 200, "{request}");
        assert_eq!(request["path"], "/", "{request}");
        let endpoint = request["endpoint"].as_str().unwrap();
        assert!(addresses.iter().any(|it| it == endpoint), "{request}");
        assert_eq!(request["attempts"][0]["endpoint"], endpoint, "{request}");
        assert!(request["total_ms"].as_f64().unwrap() > 0.0, "{request}");
        assert_eq!(request["id"].as_str().unwrap().len(), 36, "{request}");
    }
    let sent = one.requests().len() + two.requests().len();
    assert!(sent >= 20, "{sent}");
    let connections = router.ask_json("/connections?limit=10");
    let open = connections["open"].as_array().unwrap();
    assert_eq!(open.len(), 2);
    assert!(open.iter().filter_map(Value::as_u64).sum::<u64>() >= 2);
    let listed = connections["connections"].as_array().unwrap();
    let hosts = |host: &str| listed.iter().any(|connection| connection["host"] == host);
    assert!(hosts("a.test") && hosts("other.test"), "{connections}");
    assert_eq!((load.stop().failed, others.stop().failed), (0, 0));
}

#[test]
fn the_figures_agree_with_the_traffic() {
    let (one, two) = (
        Backend::start(script::hello("hi")),
        Backend::start(script::hello("hi")),
    );
    let program = RouterProgram::new(PROGRAM);
    let router = busy_router(&program, &one, &two);
    let load = Load::start(router.address(), 3, &["a.test"]);
    load.more(200);
    let tally = load.stop();
    assert_eq!(tally.failed, 0, "{tally:?}");
    let mut client = router.client();
    assert_eq!(client.get("other.test", "/").status(), 200);
    assert_eq!(client.get("nowhere.test", "/").status(), 404);

    let good = tally.good + 1;
    let varz = || router.ask_json("/varz");
    let counted = || varz()["responses_2xx"] == good && varz()["responses_4xx"] == 1;
    assert!(eventually(PATIENCE, counted), "{good}: {}", varz());
    let varz = varz();
    for (name, expected) in [
        ("requests", good),
        ("bad_requests", 1),
        ("bad_gateways", 0),
        ("urls", 3),
    ] {
        assert_eq!(varz[name], expected, "{name}: {varz}");
    }
    assert_eq!(varz["switchyard"]["table_endpoints"], 5, "{varz}");
    assert_eq!(varz["switchyard"]["panics"], 0, "{varz}");
    assert!(varz["switchyard"]["bytes_out"].as_u64() >= Some(2 * good));
    for line in [
        "total_requests{component=\"\"} ",
        "responses{status_group=\"2xx\"} ",
    ] {
        let value = metric(&router, line);
        assert!((value - good as f64).abs() < 0.5, "{line}: {value}");
    }
    let explained = router.ask_json("/routes/explain?url=a.test");
    assert_eq!(sum(&explained, "requests"), tally.good, "{explained}");
    assert_eq!(sum(&explained, "in_flight"), 0, "{explained}");
    assert_eq!(sum(&explained, "failures"), 0, "{explained}");
}

#[test]
fn what_is_explained_is_what_happens() {
    let (one, two) = (
        Backend::start(script::hello("hi")),
        Backend::start(script::hello("hi")),
    );
    let program = RouterProgram::new(PROGRAM);
    let router = busy_router(&program, &one, &two);
    let explain = |url: &str| router.ask_json(&format!("/routes/explain?url={url}"));
    assert_eq!(explain("http://A.test:80/x/y")["matched"]["key"], "a.test");
    let deep = explain("http://x.a.test/deep/er");
    assert_eq!(deep["matched"]["key"], "*.a.test/deep", "{deep}");
    assert!(!deep["tried"].as_array().unwrap().is_empty(), "{deep}");
    let nowhere = explain("http://x.a.test/shallow");
    assert!(nowhere["matched"].is_null(), "{nowhere}");
    assert!(nowhere["chosen"]["address"].is_null(), "{nowhere}");
    let routes = router.ask_json("/routes");
    assert_eq!(routes.as_object().unwrap().len(), 3, "{routes}");
    assert_eq!(routes["a.test"].as_array().unwrap().len(), 2, "{routes}");

    drop(two);
    let mut client = router.client();
    for _ in 0..4 {
        assert_eq!(client.get("a.test", "/").text(), "hi");
    }
    let explained = explain("a.test");
    assert!(sum(&explained, "failures") > 0, "{explained}");
    let chosen = &explained["chosen"]["address"];
    assert_eq!(*chosen, one.address().to_string(), "{explained}");
    let varz = router.ask_json("/varz");
    assert!(varz["switchyard"]["retries"].as_u64() > Some(0), "{varz}");
    assert_eq!(varz["bad_gateways"], 0, "{varz}");
}

#[test]
fn every_way_to_ask_goes_where_it_is_explained_to_go() {
    let (one, two) = (
        Backend::start(script::hello("one")),
        Backend::start(script::hello("two")),
    );
    let (first, second) = (one.address(), two.address());
    let program = RouterProgram::new(PROGRAM);
    let router = program.start(&format!(
        "routes:\n\
         - {{uris: [a.test, '*.a.test/deep'], backends: [{{address: '{first}', weight: 2}}, '{second}']}}\n\
         - {{uris: [a.test/x, '*.test'], backends: ['{second}']}}\n\
         - {{uris: [a.test/x/y], backends: ['{first}']}}\n"
    ));
    let hosts = [
        "a.test",
        "A.Test:80",
        "a.test.",
        "b.a.test",
        "b.test:8443",
        "c.b.TEST",
        "other",
    ];
    let paths = ["/", "/x", "/X/y/", "/x/yz", "/xy", "/deep/er?x=/x", "/x?y"];
    let instance = "X-CF-App-Instance: 00000000-0000-4000-8000-000000000001:0";
    for (host, path) in hosts
        .iter()
        .flat_map(|host| paths.map(|path| (*host, path)))
    {
        for field in ["Accept: x", instance] {
            let question = format!("/routes/explain?url=http://{host}{path}&header={field}");
            let explained = router.ask_json(&question.replace(": ", ":"));
            let mut client = router.client();
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n\r\n"
            ));
            let response = client.response("GET");
            let served = match response.text().as_str() {
                "one" => Value::from(first.to_string()),
                "two" => Value::from(second.to_string()),
                _ => Value::Null,
            };
            let chosen = &explained["chosen"]["address"];
            assert_eq!(*chosen, served, "{host}{path} {field}: {explained}");
            assert_eq!(served.is_null(), response.status() >= 400, "{host}{path}");
        }
    }
    let (code, routes) = command(&program, router.admin(), &["routes"]);
    assert_eq!(code, 0, "{routes}");
    let line = routes.lines().find(|line| line.starts_with("a.test "));
    let cells: Vec<_> = line.unwrap().split_whitespace().collect();
    let expected = ["a.test", &first.to_string(), "http1", "never", "2"];
    assert_eq!(cells[..5], expected, "{routes}");
}

#[test]
fn changes_of_the_table_are_followed() {
    for program in NatsProgram::all_for("changes of the table") {
        let server = NatsServer::start(&program);
        let router = RouterProgram::new(PROGRAM);
        let router = router.start(&format!(
            "nats: {{hosts: [{{hostname: 127.0.0.1, port: {}}}]}}\n",
            server.port()
        ));
        let is_up = || router.ask_json("/varz")["switchyard"]["bus"] == "connected";
        assert!(eventually(PATIENCE, is_up));
        let mut changes = Events::open(router.admin(), "/routes/changes");
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut registrar = NatsClient::connect(server.port());
        registrar.register(&["a.test/x"], endpoint);
        registrar.register(&["a.test/x"], endpoint);
        registrar.flush();
        let expect = |changes: &mut Events, action: &str| {
            let change = changes.next("change");
            assert_eq!(
                (&change["action"], &change["route"]),
                (&action.into(), &"a.test/x".into()),
                "{change}"
            );
            change
        };
        expect(&mut changes, "route_added");
        let added = expect(&mut changes, "added");
        assert_eq!(
            (&added["address"], &added["origin"]),
            (&"10.0.0.1:80".into(), &"bus".into())
        );
        registrar.unregister(&["a.test/x"], endpoint);
        registrar.flush();
        let removed = expect(&mut changes, "removed");
        assert!(removed["generation"].as_u64() > added["generation"].as_u64());
        expect(&mut changes, "route_removed");
    }
}

#[test]
fn the_command_line_asks_a_running_router() {
    let backend = Backend::start(script::hello("hi"));
    let address = backend.address().to_string();
    let program = RouterProgram::new(PROGRAM);
    let mut router = program.start(&format!(
        "routes: [{{uris: [a.test], backends: ['{address}']}}]\n"
    ));
    let admin = router.admin();
    let mut client = router.client();
    assert_eq!(client.get("a.test", "/").text(), "hi");
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let (found, text) = command(&program, admin, arguments);
        assert_eq!(found, code, "{arguments:?}: {text}");
        for part in parts {
            assert!(
                text.contains(part),
                "{arguments:?}: {part} is not in {text}"
            );
        }
    };
    check(
        &["routes"],
        0,
        &["a.test", &address, "1 routes, 1 endpoints"],
    );
    check(
        &["routes", "--json"],
        0,
        &[&format!("\"address\":\"{address}\"")],
    );
    check(&["routes", "--host", "b.test"], 0, &["0 routes"]);
    check(
        &["explain", "http://a.test/x"],
        0,
        &["a.test", &address, "route  a.test"],
    );
    check(
        &["explain", "http://b.test/x", "--json"],
        1,
        &["\"chosen\""],
    );
    check(&["explain", "ftp://b.test"], 1, &["must be http or https"]);
    check(
        &["connections"],
        0,
        &[&client.address().to_string(), "idle", "1 of 1 connections"],
    );
    check(&["top"], 0, &["requests"]);
    check(&["log-level"], 0, &["info"]);
    check(&["log-level", "debug"], 0, &["debug"]);
    check(&["log-level"], 0, &["debug"]);
    router.kill();
    check(&["routes"], 3, &["no router answers"]);
}

#[test]
fn credentials_are_wanted_for_all_but_health() {
    let program = RouterProgram::new(PROGRAM);
    let yaml = "routes: []\nstatus: {port: off, routes: {port: 0}, user: admin, pass: secret}\n";
    let router = program.start(yaml);
    assert_eq!(router.health(), 200);
    for target in [
        "/varz",
        "/routes",
        "/metrics",
        "/routes/explain?url=a.test",
        "/connections",
        "/routes/changes",
    ] {
        let answer = Client::connect(router.admin()).get("localhost", target);
        assert_eq!(answer.status(), 401, "{target}");
    }
    let (code, text) = command(&program, router.admin(), &["routes"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("wants a user and a password"), "{text}");
    let (code, text) = command(&program, router.admin(), &["routes", "-c", "router.yml"]);
    assert_eq!(code, 0, "{text}");
}

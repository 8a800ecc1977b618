//! The endpoints over real sockets.

use std::net::SocketAddr;

use arc_swap::ArcSwap;
use component::secret::Secret;
use component::telemetry::Level;
use component::tick::Tick;
use protocol::bus::Register;
use protocol::router::{Connections as ConnectionsAnswer, Explain, RouteEntry, Varz};
use router_core::own_listeners::OwnListeners;
use router_core::registration::{Registration, RegistrationRules, Sharding};
use router_core::registry::{Command, Registry, RegistryConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::io::clock::Clock;
use crate::observe::access_log::LogState;
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use crate::worker::connections::Connections;
use component::admin_client::AdminClient;

/// A router's admin side with three routes, on a port of its own.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Shared,
    registry: Registry,
    stop: oneshot::Sender<()>,
    task: JoinSet<()>,
}

fn registration(uri: &str, host: &str) -> Command {
    let message = format!(
        r#"{{"uris":["{uri}"],"host":"{host}","port":80,"app":"app-1",
            "private_instance_id":"i-1","private_instance_index":"0",
            "tags":{{"component":"web"}},"availability_zone":"z1"}}"#
    );
    let message: Register = serde_json::from_str(&message).unwrap();
    let rules = RegistrationRules {
        max_threshold: Duration::from_secs(120),
        sharding: Sharding::All,
        http2: true,
        own: OwnListeners::default(),
    };
    let mut accepted = Registration::from_message(&message, &rules).unwrap();
    Command::Register(accepted.claims.remove(0))
}

pub(crate) async fn serve(role: Role, credentials: Option<Credentials>) -> Served {
    let mut registry = Registry::new(RegistryConfig::default());
    for (uri, host) in [
        ("b.test/x", "10.0.0.1"),
        ("a.test", "10.0.0.2"),
        ("*.c.test", "10.0.0.3"),
    ] {
        registry.apply(registration(uri, host), Tick::from_millis(1));
    }
    let shared = Shared {
        clock: Clock::start(),
        routes: Arc::new(ArcSwap::from_pointee(registry.table())),
        metrics: Metrics::new(1),
        health: Arc::new(Health::new(true)),
        watch: Arc::default(),
        changes: Arc::default(),
        connections: Connections::new(0).0,
        access_log: Arc::new(LogState::default()),
    };
    let options = AdminOptions {
        credentials,
        index: 3,
        uuid: "3-uuid".into(),
        host: "10.0.0.5:8082".into(),
        data_path: Arc::new(ArcSwap::from_pointee(Settings::new(
            &crate::config::Config::default(),
            None,
            String::new(),
        ))),
        reloads: tokio::sync::mpsc::channel(1).0,
        tls_threshold: None,
    };
    let admin = Admin::new(shared.clone(), options, LogLevel::detached(Level::Info));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let mut task = JoinSet::new();
    task.spawn(admin.serve(vec![(listener, role)], async {
        stopped.await.unwrap_or_default()
    }));
    Served {
        address,
        shared,
        registry,
        stop,
        task,
    }
}

fn user() -> Credentials {
    Credentials {
        user: "u".into(),
        password: Secret::new("p"),
    }
}

impl Served {
    /// The whole answer to `head`, its body included.
    async fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = self.raw(&format!("GET {path} HTTP/1.1")).await;
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Whether one more stream may be opened.
    async fn has_place(&self) -> bool {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream
            .write_all(b"GET /routes/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        &head == b"HTTP/1.1 200"
    }

    pub(crate) fn client(&self) -> AdminClient {
        AdminClient::new("router", self.address, None)
    }

    /// Reads a stream of events until it holds `part`.
    async fn follow(&self, path: &str, part: &str, mut act: impl FnMut()) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = String::new();
        let reading = async {
            while !seen.contains(part) {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.unwrap();
                assert!(read > 0, "the stream ended: {seen}");
                seen.push_str(&String::from_utf8_lossy(&piece[..read]));
                if seen.contains("event: hello") {
                    act();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .unwrap();
        seen
    }
}

#[tokio::test]
async fn health_says_why_not() {
    let served = serve(Role::Health, None).await;
    let check = async |expected: &str| {
        let answer = served.raw("GET /health HTTP/1.1").await;
        assert!(answer.ends_with(expected), "{answer}");
        assert!(
            answer.contains("cache-control: private, max-age=0\r\nexpires: 0\r\n"),
            "{answer}"
        );
        answer.split(' ').nth(1).map(str::to_owned)
    };
    let no_bus = "\r\n\r\nno snapshot and not connected to the bus\n";
    assert_eq!(check(no_bus).await.as_deref(), Some("503"));
    served.shared.health.snapshot_loaded();
    assert_eq!(check("\r\n\r\nok\n").await.as_deref(), Some("200"));
    served.shared.health.drain();
    assert_eq!(check("\r\n\r\ndraining\n").await.as_deref(), Some("503"));
    assert_eq!(
        served
            .status("/is-process-alive-do-not-use-for-loadbalancing")
            .await,
        200
    );
    assert_eq!(served.status("/healthz").await, 503);
}

#[tokio::test]
async fn each_role_answers_its_own_alone() {
    let paths = [
        "/health",
        "/varz",
        "/routes",
        "/metrics",
        "/connections",
        "/log-level",
        "/x",
    ];
    for (role, expected) in [
        (Role::Everything, [503, 200, 200, 200, 200, 200, 404]),
        (Role::Status, [503, 200, 200, 404, 404, 404, 404]),
        (Role::Health, [503, 404, 404, 404, 404, 404, 404]),
        (Role::LogLevel, [404, 404, 404, 404, 404, 200, 404]),
    ] {
        let served = serve(role, None).await;
        for (path, status) in paths.into_iter().zip(expected) {
            assert_eq!(served.status(path).await, status, "{role:?} {path}");
        }
    }
}

#[tokio::test]
async fn all_but_health_wants_the_user() {
    let served = serve(Role::Everything, Some(user())).await;
    for path in [
        "/varz",
        "/routes",
        "/metrics",
        "/routes/explain",
        "/log-level",
    ] {
        let answer = served.raw(&format!("GET {path} HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("www-authenticate: Basic"), "{answer}");
    }
    assert_eq!(served.status("/health").await, 503);
    let known = AdminClient::new("router", served.address, Some(&user()));
    assert!(known.json::<Varz>("/varz").await.is_ok());
    let stranger = Credentials {
        user: "u".into(),
        password: Secret::new("q"),
    };
    let refused = AdminClient::new("router", served.address, Some(&stranger))
        .json::<Varz>("/varz")
        .await;
    assert!(matches!(
        refused,
        Err(component::admin_client::AdminError::Unauthorized(_))
    ));
}

#[tokio::test]
async fn routes_in_alphabetical_order() {
    let served = serve(Role::Everything, None).await;
    let mut text = Vec::new();
    served.client().copy("/routes", &mut text).await.unwrap();
    let expected = concat!(
        r#"{"*.c.test":[{"address":"10.0.0.3:80","availability_zone":"z1","protocol":"http1","#,
        r#""tls":false,"ttl":120,"tags":{"component":"web"},"private_instance_id":"i-1"}],"#,
        r#""a.test":[{"#,
    );
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with(expected), "{text}");
    let routes: std::collections::BTreeMap<String, Vec<RouteEntry>> =
        serde_json::from_str(&text).unwrap();
    assert_eq!(
        routes.keys().collect::<Vec<_>>(),
        ["*.c.test", "a.test", "b.test/x"]
    );
    for (host, count) in [
        ("A.test", 1),
        ("b.test", 1),
        (".c.test", 1),
        ("none.test", 0),
    ] {
        let some: serde_json::Value = served
            .client()
            .json(&format!("/routes?host={host}"))
            .await
            .unwrap();
        assert_eq!(
            some.as_object().map(serde_json::Map::len),
            Some(count),
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_large_table_comes_in_pieces() {
    let mut served = serve(Role::Everything, None).await;
    for n in 0..3_000 {
        let command = registration(&format!("app-{n:04}.d.test"), "10.1.0.1");
        served.registry.apply(command, Tick::from_millis(2));
    }
    served
        .shared
        .routes
        .store(Arc::new(served.registry.table()));
    let routes: std::collections::BTreeMap<String, Vec<RouteEntry>> =
        served.client().json("/routes").await.unwrap();
    assert_eq!(routes.len(), 3_003);
    assert!(
        served
            .raw("GET /routes HTTP/1.1")
            .await
            .contains("transfer-encoding: chunked")
    );
}

#[tokio::test]
async fn explain_answers_as_the_data_path_would() {
    let served = serve(Role::Everything, None).await;
    let ask = async |question: &str| {
        let path = format!("/routes/explain?{question}");
        served.client().json::<Explain>(&path).await
    };
    let found = ask("url=https://B.test:443/x/y?z").await.unwrap();
    assert_eq!(
        found.matched.map(|route| route.key).as_deref(),
        Some("b.test/x")
    );
    assert_eq!(found.chosen.address.as_deref(), Some("10.0.0.1:80"));
    let none = ask("url=b.test/other").await.unwrap();
    assert!(none.matched.is_none() && none.chosen.address.is_none());
    let check = ask("url=a.test&header=User-Agent:HTTP-Monitor/1.1")
        .await
        .unwrap();
    assert_eq!(check.chosen.address, None);
    assert!(check.chosen.why.contains("health check"));
    assert!(ask("").await.is_err());
    assert!(
        ask("url=a.test&header=X-CF-App-Instance:nonsense")
            .await
            .is_err()
    );
    let split = "url=a.test&header=A:%20b%0d%0a%0d%0aGET%20/%20HTTP/1.1";
    assert!(ask(split).await.is_err());
}

#[tokio::test]
async fn varz_and_metrics_show_what_was_counted() {
    let served = serve(Role::Everything, None).await;
    let worker = served.shared.metrics.worker(0);
    let table = served.shared.routes.load_full();
    let component = table.components().find("web");
    worker.request(component);
    worker.response(
        200,
        component,
        Duration::from_millis(7),
        Duration::from_micros(80),
    );
    worker.rejected();
    worker.own_response(404);
    worker.retry();
    served
        .shared
        .metrics
        .registry
        .registered("web", crate::observe::metrics::Action::Added);
    let varz: Varz = served.client().json("/varz").await.unwrap();
    assert_eq!(
        (varz.kind.as_str(), varz.index, varz.urls, varz.droplets),
        ("Router", 3, 3, 1)
    );
    assert_eq!((varz.requests, varz.bad_requests), (1, 1));
    assert_eq!(
        (varz.responses.responses_2xx, varz.responses.responses_4xx),
        (1, 1)
    );
    assert_eq!(varz.tags.component["web"].requests, 1);
    assert_eq!(varz.switchyard.retries, 1);
    let metrics = served.raw("GET /metrics HTTP/1.1").await;
    for line in [
        "total_requests{component=\"web\"} 1",
        "responses{status_group=\"4xx\"} 1",
        "rejected_requests 1",
        "latency_bucket{component=\"web\",le=\"6\"} 0",
        "latency_bucket{component=\"web\",le=\"8\"} 1",
        "gorouter_time_bucket{le=\"0.0001\"} 1",
        "registry_message{component=\"web\",action=\"added\"} 1",
        "total_routes 3",
        "switchyard_retries_total 1",
        "switchyard_connections{worker=\"0\"} 0",
        "switchyard_table_endpoints 3",
        "switchyard_healthy 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
    for family in metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let name = family.split(' ').next().unwrap();
        let times = metrics.matches(&format!("# TYPE {name} ")).count();
        assert_eq!(times, 1, "{name}");
    }
}

#[tokio::test]
async fn changes_are_streamed() {
    let mut served = serve(Role::Everything, None).await;
    let change = served
        .registry
        .apply(registration("new.test", "10.0.0.9"), Tick::from_millis(3));
    let changes = Arc::clone(&served.shared.changes);
    let mut announced = false;
    let seen = served
        .follow("/routes/changes", "event: change", || {
            if !std::mem::replace(&mut announced, true) {
                changes.announce(7, &change);
            }
        })
        .await;
    assert!(
        seen.contains(r#"data: {"generation":"#) && seen.contains(r#""routes":3}"#),
        "{seen}"
    );
    assert!(seen.contains(r#""route":"new.test""#), "{seen}");
}

#[tokio::test]
async fn only_so_many_streams() {
    let served = serve(Role::Everything, None).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream
            .write_all(b"GET /routes/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        open.push(stream);
    }
    assert_eq!(served.status("/routes/watch?host=a.test").await, 503);
    assert_eq!(served.status("/routes/watch").await, 400);
    drop(open);
    let begun = std::time::Instant::now();
    // A closed stream is noticed when its connection is; then its place is free.
    while !served.has_place().await {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn the_level_of_the_log_is_changed() {
    let served = serve(Role::LogLevel, None).await;
    let client = served.client();
    assert_eq!(client.put("/log-level", "debug").await.unwrap(), "debug\n");
    let mut text = Vec::new();
    client.copy("/log-level", &mut text).await.unwrap();
    assert_eq!(text, b"debug\n");
    assert!(client.put("/log-level", "loud").await.is_err());
    assert!(client.put("/log-level", &"x".repeat(10_000)).await.is_err());
}

#[tokio::test]
async fn connections_are_listed() {
    let served = serve(Role::Everything, None).await;
    served.shared.metrics.worker(0).connection_opened();
    let answer: ConnectionsAnswer = served.client().json("/connections?limit=5").await.unwrap();
    assert_eq!((answer.open, answer.connections.len()), (vec![1], 0));
}

#[tokio::test]
async fn it_stops_when_told() {
    let Served {
        stop,
        mut task,
        address,
        ..
    } = serve(Role::Everything, None).await;
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), task.join_next()).await;
    assert!(ended.is_ok());
    assert!(TcpStream::connect(address).await.is_err());
}

//! Where clients come in: address families, unix sockets, PROXY headers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

use tests_kit::{Backend, Client, PATIENCE, TempDir, eventually, script};
use tests_kit_router::TestRouter;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// The field of the first request that came to the backend.
fn forwarded_for(backend: &Backend) -> Option<String> {
    let requests = backend.requests();
    let field = requests.first()?.head.field("x-forwarded-for")?;
    Some(field.to_owned())
}

#[test]
fn over_ipv6_to_a_backend_with_an_ipv6_address() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("SKIPPED over_ipv6: this machine has no IPv6 loopback");
        return;
    }
    let backend = Backend::on("[::1]:0", script::hello("six"));
    let router = TestRouter::builder()
        .yaml("listeners: [{address: \"[::1]:0\"}]")
        .route("a.test", &[backend.address()])
        .start();
    assert!(router.address().is_ipv6());
    assert_eq!(router.client().get("a.test", "/").text(), "six");
    assert_eq!(forwarded_for(&backend).as_deref(), Some("::1"));
}

#[test]
fn over_a_unix_socket_where_nobody_has_an_address() {
    let backend = Backend::start(script::hello("here"));
    let path = std::env::temp_dir().join(format!("switchyard-{}.sock", std::process::id()));
    let listener = format!("listeners: [{{address: \"unix:{}\"}}]", path.display());
    let router = TestRouter::builder()
        .yaml(&listener)
        .route("a.test", &[backend.address()])
        .start();
    let mut client = UnixStream::connect(&path).unwrap();
    let close = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    client.write_all(close.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhere"), "{answer}");
    assert_eq!(forwarded_for(&backend), None);
    drop(router);
    std::fs::remove_file(&path).ok();
}

#[test]
fn a_backend_that_is_named_by_its_host() {
    let backend = Backend::start(script::hello("found"));
    let port = backend.address().port();
    let routes =
        format!("routes:\n  - uris: [a.test]\n    backends: [{{address: \"localhost:{port}\"}}]\n");
    let yaml = TestRouter::builder()
        .to_yaml()
        .replace("routes:\n  []\n", &routes);
    let loaded =
        component::config_file::parse::<router::config::Config>(&"router.yml", &yaml).unwrap();
    let router = TestRouter::from_config(loaded.config);
    for _ in 0..2 {
        assert_eq!(router.client().get("a.test", "/").text(), "found");
    }
}

/// Sends `header` before a request, to a listener of that mode, and returns what came of it.
fn with_proxy_header(mode: &str, header: &[u8]) -> Result<Option<String>, ()> {
    let backend = Backend::start(script::hello("hi"));
    let listener = format!("listeners: [{{address: \"127.0.0.1:0\", proxy_protocol: {mode}}}]");
    let router = TestRouter::builder()
        .yaml(&listener)
        .route("a.test", &[backend.address()])
        .start();
    let mut client = router.client();
    client.send([header, GET.as_bytes()].concat());
    let response = client.try_response("GET").map_err(|_| ())?;
    assert_eq!(response.status(), 200);
    Ok(forwarded_for(&backend))
}

#[test]
fn a_proxy_header_names_the_client() {
    let first = b"PROXY TCP4 203.0.113.7 192.0.2.1 5000 80\r\n";
    let second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x13\x88\0\x50";
    for mode in ["required", "optional"] {
        for header in [&first[..], second] {
            let named = with_proxy_header(mode, header);
            assert_eq!(named, Ok(Some("203.0.113.7".to_owned())), "{mode}");
        }
    }
    let ourselves = Ok(Some("127.0.0.1".to_owned()));
    assert_eq!(with_proxy_header("optional", b""), ourselves);
    assert_eq!(with_proxy_header("required", b""), Err(()));
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener_is_an_ipv4_client() {
    if TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        eprintln!("SKIPPED an_ipv4_client: this machine has no IPv6");
        return;
    }
    let backend = Backend::start(script::hello("four"));
    let directory = TempDir::new();
    let log = directory.path().join("access.log");
    let router = TestRouter::builder()
        .yaml("listeners: [{address: \"[::]:0\", proxy_protocol: optional}]")
        .yaml("status: {port: off, routes: {port: 0, host: \"::\"}}")
        .yaml(&format!("access_log: {{file: {}}}", log.display()))
        .route("a.test", &[backend.address()])
        .start();
    let here = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let mut client = Client::connect(here(router.address().port()));
    let own = client.address();

    let mut watcher = Client::connect(here(router.admin().port()));
    watcher.send("GET /routes/watch?host=a.test HTTP/1.1\r\nHost: localhost\r\n\r\n");
    watcher.until("\r\n\r\n");
    assert_eq!(client.get("a.test", "/").text(), "four");
    let watched = watcher.until("\"reused\"");
    let watched = String::from_utf8_lossy(&watched).into_owned();
    assert_eq!(forwarded_for(&backend).as_deref(), Some("127.0.0.1"));

    // Loopback is loopback: without credentials nobody else would be answered.
    let list = Client::connect(here(router.admin().port())).get("localhost", "/connections");
    assert_eq!(list.status(), 200);

    // One that a balancer names as IPv6.
    let mut behind = Client::connect(here(router.address().port()));
    behind.send("PROXY TCP6 ::ffff:9.9.9.9 ::1 4711 80\r\n");
    assert_eq!(behind.get("a.test", "/").status(), 200);

    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    assert!(eventually(PATIENCE, || logged().lines().count() == 2));
    for text in [&watched, &list.text(), &logged()] {
        assert!(!text.contains("::ffff:"), "{text}");
    }
    assert!(logged().contains(&format!("\"{own}\"")), "{}", logged());
    assert!(logged().contains("\"9.9.9.9:4711\""), "{}", logged());
    assert!(list.text().contains(&own.to_string()), "{}", list.text());
}

#[test]
fn a_route_may_be_an_address_even_the_clients_own() {
    let backend = Backend::start(script::hello("by address"));
    let router = TestRouter::builder()
        .route("127.0.0.1", &[backend.address()])
        .route("[2001:db8::1]", &[backend.address()])
        .start();
    for host in [
        "127.0.0.1",
        "127.0.0.1:8080",
        "[2001:db8::1]",
        "[2001:DB8::1]:80",
    ] {
        let answer = router.client().get(host, "/");
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "by address"),
            "{host}"
        );
    }
    // Where there is no such route, a client that names itself names nobody.
    let other = TestRouter::to(&backend);
    assert_eq!(other.client().get("127.0.0.1", "/").status(), 400);
}

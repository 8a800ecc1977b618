//! The commands against a router's admin side.

use std::net::SocketAddr;

use super::*;
use crate::admin::Role;
use crate::admin::tests::{Served, serve};

/// What a command prints, and its exit code.
async fn printed(served: &Served, command: Command) -> (String, ExitCode) {
    let mut out = Vec::new();
    let code = ask(&command, &served.client(), &mut out).await.unwrap();
    (String::from_utf8(out).unwrap(), code)
}

fn routes(host: Option<&str>, json: bool) -> Command {
    Command::Routes {
        host: host.map(str::to_owned),
        json,
    }
}

fn explain(url: &str) -> Command {
    Command::Explain {
        url: url.to_owned(),
        header: Vec::new(),
        json: false,
    }
}

#[tokio::test]
async fn routes_are_a_table() {
    let served = serve(Role::Everything, None).await;
    let expected = "\
ROUTE     ENDPOINT     PROTOCOL   TTL  WEIGHT  APP  ZONE
*.c.test  10.0.0.3:80  http1     120s       1  web  z1
a.test    10.0.0.2:80  http1     120s       1  web  z1
b.test/x  10.0.0.1:80  http1     120s       1  web  z1
3 routes, 3 endpoints
";
    assert_eq!(
        printed(&served, routes(None, false)).await,
        (expected.into(), ExitCode::SUCCESS)
    );
    let (one, _) = printed(&served, routes(Some("a.test"), false)).await;
    assert!(one.ends_with("1 routes, 1 endpoints\n"), "{one}");
    let (json, _) = printed(&served, routes(None, true)).await;
    assert!(
        json.starts_with("{\"*.c.test\":[{") && json.ends_with("]}\n"),
        "{json}"
    );
}

#[tokio::test]
async fn explain_tells_the_way() {
    let served = serve(Role::Everything, None).await;
    let (text, code) = printed(&served, explain("https://b.test/x/y")).await;
    assert_eq!(code, ExitCode::SUCCESS);
    for part in [
        "host   b.test\n",
        "path   /x/y\n",
        "route  b.test/x (",
        "10.0.0.1:80  bus",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("\ngoes to 10.0.0.1:80: "), "{text}");
    let (text, code) = printed(&served, explain("b.test/other")).await;
    assert_eq!(code, ExitCode::from(NO));
    assert!(text.contains("route  none\ngoes to nowhere: "), "{text}");
}

#[tokio::test]
async fn elsewhere_than_on_a_terminal_top_prints_one_look() {
    let served = serve(Role::Everything, None).await;
    let mut out = Vec::new();
    top::look(&served.client(), &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("3 routes  3 endpoints  1 apps"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[tokio::test]
async fn connections_and_levels() {
    let served = serve(Role::Everything, None).await;
    let (text, _) = printed(
        &served,
        Command::Connections {
            limit: 3,
            json: false,
        },
    )
    .await;
    assert_eq!(
        text,
        "WORKER  CLIENT  STATE  AGE  REQUESTS  HOST\n0 of 0 connections\n"
    );
    let (text, _) = printed(&served, Command::LogLevel { level: None }).await;
    assert_eq!(text, "info\n");
    let (text, _) = printed(
        &served,
        Command::LogLevel {
            level: Some(Level::Warn),
        },
    )
    .await;
    assert_eq!(text, "warn\n");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let served = serve(Role::Status, None).await;
    let refused = ask(&explain("a.test"), &served.client(), &mut Vec::new())
        .await
        .unwrap_err();
    assert!(!refused.is_unreachable());
    assert!(
        error_chain(&refused).contains("404"),
        "{}",
        error_chain(&refused)
    );
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let lost = ask(
        &Command::Top,
        &AdminClient::new("router", nobody, None),
        &mut Vec::new(),
    )
    .await
    .unwrap_err();
    assert!(lost.is_unreachable());
    let text = error_chain(&lost);
    assert!(
        text.starts_with("no router answers on 127.0.0.1:1: "),
        "{text}"
    );
}

#[test]
fn a_listener_on_every_address_is_asked_on_loopback() {
    for (listens, asked) in [
        ("0.0.0.0:8082", "127.0.0.1:8082"),
        ("[::]:8082", "[::1]:8082"),
        ("10.0.0.1:8082", "10.0.0.1:8082"),
    ] {
        assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
    }
}

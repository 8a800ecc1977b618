//! Routes that lead back to the router.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use component::config_file;
use component::telemetry::{Level, LogLevel};
use router::config::Config;
use router::process::server::Router;
use tests_kit::{Backend, Client, Conversation, Head, Response};
use tests_kit_router::TestRouter;

/// A backend that passes each request on to the router, as a proxy on the way would.
fn detour(router: Arc<OnceLock<SocketAddr>>) -> Backend {
    Backend::start(move |conversation: &mut Conversation| {
        loop {
            let request = conversation.request()?;
            let Some(router) = router.get() else {
                return Ok(());
            };
            let mut client = Client::try_connect(*router)?;
            client.try_send(request.head.raw)?;
            let Ok(Response { head, body, .. }) = client.try_response("GET") else {
                return Ok(());
            };
            conversation.send([head.raw, body].concat())?;
        }
    })
}

/// A router whose route leads back to it, and the backend on the way.
fn going_round(yaml: &str) -> (TestRouter, Backend) {
    let address = Arc::new(OnceLock::new());
    let backend = detour(Arc::clone(&address));
    let router = TestRouter::builder()
        .yaml(yaml)
        .route("a.test", &[backend.address()])
        .start();
    address.get_or_init(|| router.address());
    (router, backend)
}

#[test]
fn a_request_that_comes_back_is_refused() {
    let (router, backend) = going_round("");
    let mut client = router.client();
    for round in 1..=2 {
        let response = client.get("a.test", "/");
        assert_eq!(response.status(), 508);
        assert_eq!(
            response.head.field("X-Cf-RouterError"),
            Some("request_loop")
        );
        assert_eq!(backend.requests().len(), round, "once around, not more");
    }
}

#[test]
fn a_request_through_another_router_is_none_that_comes_back() {
    let inner = Backend::start(tests_kit::script::hello("hi"));
    let second = TestRouter::to(&inner);
    let first = TestRouter::builder()
        .route("a.test", &[second.address()])
        .start();
    assert_eq!(first.client().get("a.test", "/").text(), "hi");
    let head: &Head = &inner.requests()[0].head;
    assert_eq!(head.all("Via").count(), 2);
}

#[tokio::test]
async fn a_route_to_a_listener_of_the_router_keeps_it_from_starting() {
    let port = tests_kit::free_address().port();
    let yaml = format!(
        "listeners: ['127.0.0.1:0']\nstatus: {{port: off, routes: {{port: 0}}}}\n\
         routes: [{{uris: [a.test], backends: ['127.0.0.1:{port}']}}]"
    );
    let mut config = config_file::parse::<Config>(&"router.yml", &yaml)
        .unwrap()
        .config;
    config.listeners[0].address = format!("0.0.0.0:{port}").parse().unwrap();
    let error = Router::start(config, LogLevel::detached(Level::Error))
        .await
        .expect_err("a router that would call itself");
    let expected = format!("a.test leads back to this router, which listens at 127.0.0.1:{port}");
    assert!(error.to_string().ends_with(&expected), "{error}");
}

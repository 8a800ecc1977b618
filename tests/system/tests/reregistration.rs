//! Endpoints that are registered again as something else.

use serde_json::json;
use tests_kit::{Backend, FakeNats, PATIENCE, Response, eventually, script};
use tests_kit_router::RouterProgram;

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

#[test]
fn a_plain_connection_is_not_used_for_an_endpoint_that_is_tls_by_now() {
    let fake = FakeNats::start();
    let backend = Backend::start(script::hello("hi"));
    let router = RouterProgram::new(PROGRAM);
    let router = router.start(&format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {}}}]}}\n",
        fake.port()
    ));
    assert!(eventually(PATIENCE, || fake.is_heard()));
    let address = backend.address();
    let register = |port: &str, extra: &serde_json::Value| {
        let mut message = json!({"uris": ["a.test"], "host": address.ip().to_string()});
        message[port] = address.port().into();
        let ours = message.as_object_mut().unwrap();
        ours.extend(extra.as_object().unwrap().clone());
        fake.deliver("router.register", message.to_string().as_bytes());
    };
    let mut client = router.client();
    let mut until = |expected: u16| {
        let mut last: Option<Response> = None;
        let reached = eventually(PATIENCE, || {
            last = Some(client.get("a.test", "/"));
            last.as_ref().map(Response::status) == Some(expected)
        });
        assert!(reached, "{expected}: {last:?} {}", router.log());
        last.unwrap()
    };
    let nothing = json!({});
    register("port", &nothing);
    until(200);
    // The connection that was just used lies ready.
    for extra in [
        nothing.clone(),
        json!({"server_cert_domain_san": "i-1"}),
        json!({"server_cert_domain_san": "i-2", "app": "b"}),
    ] {
        register("tls_port", &extra);
        let refused = until(502);
        let reason = refused.head.field("x-cf-routererror").unwrap_or_default();
        assert!(reason.contains("TLS"), "{reason}");
        let connections = backend.connections().len();
        register("port", &nothing);
        until(200);
        assert_eq!(backend.connections().len(), connections + 1);
    }
}

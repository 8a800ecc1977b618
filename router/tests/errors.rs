//! The router's own answers, letter for letter: other tools match them.

use tests_kit::{Backend, Response, free_address, script};
use tests_kit_router::TestRouter;

struct Expected<'a> {
    status: u16,
    router_error: Option<&'a str>,
    body: &'a str,
    cache: Option<&'a str>,
}

#[track_caller]
fn check(response: &Response, expected: &Expected<'_>) {
    assert_eq!(response.status(), expected.status);
    assert_eq!(
        response.head.field("x-cf-routererror"),
        expected.router_error
    );
    assert_eq!(response.text(), expected.body);
    assert_eq!(response.head.field("cache-control"), expected.cache);
    assert_eq!(
        response.head.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        response.head.field("x-content-type-options"),
        Some("nosniff")
    );
    assert!(response.head.field("date").is_some());
}

#[test]
fn a_route_that_does_not_exist() {
    let router = TestRouter::builder().start();
    check(
        &router.client().get("none.test", "/"),
        &Expected {
            status: 404,
            router_error: Some("unknown_route"),
            body: "404 Not Found: Requested route ('none.test') does not exist.\n",
            cache: Some("no-cache, no-store"),
        },
    );
}

#[test]
fn a_client_of_a_missing_route_is_kept() {
    let router = TestRouter::builder().start();
    let mut client = router.client();
    for _ in 0..3 {
        assert_eq!(client.get("none.test", "/").status(), 404);
    }
}

#[test]
fn a_request_without_a_host() {
    let router = TestRouter::builder().start();
    let mut client = router.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    check(
        &client.response("GET"),
        &Expected {
            status: 400,
            router_error: Some("empty_host"),
            body: "400 Bad Request: Request had empty Host header\n",
            cache: Some("public,max-age=2"),
        },
    );
}

#[test]
fn a_backend_that_fails() {
    let nobody = free_address();
    let router = TestRouter::builder().route("a.test", &[nobody]).start();
    check(
        &router.client().get("a.test", "/"),
        &Expected {
            status: 502,
            router_error: Some("endpoint_failure (dial: connection refused)"),
            body: "502 Bad Gateway: Registered endpoint failed to handle the request.\n",
            cache: None,
        },
    );
}

#[test]
fn an_instance_that_cannot_be_meant() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    for (field, error, message) in [
        (
            "X-CF-App-Instance: nonsense",
            "invalid_cf_app_instance_header",
            "400 Bad Request: Invalid X-CF-App-Instance Header\n",
        ),
        (
            "X-CF-Process-Instance: a:b:c",
            "invalid_cf_process_instance_header",
            "400 Bad Request: Invalid X-CF-Process-Instance Header\n",
        ),
    ] {
        let mut client = router.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n"));
        check(
            &client.response("GET"),
            &Expected {
                status: 400,
                router_error: Some(error),
                body: message,
                cache: Some("no-cache, no-store"),
            },
        );
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn an_instance_that_is_not_there() {
    const GUID: &str = "5a5a5a5a-1234-4321-abcd-0123456789ab";
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-CF-App-Instance: {GUID}:7\r\n\r\n"
    ));
    let response = client.response("GET");
    assert_eq!(
        (response.status(), response.head.field("x-cf-routererror")),
        (400, Some("unknown_route"))
    );
    assert_eq!(
        response.text(),
        format!(
            "400 Bad Request: Requested instance ('7') with guid ('{GUID}') does not exist for \
             route ('a.test')\n"
        )
    );
}

#[test]
fn an_answer_to_head_has_no_body() {
    let router = TestRouter::builder().start();
    let mut client = router.client();
    client.send("HEAD / HTTP/1.1\r\nHost: none.test\r\n\r\n");
    assert_eq!(client.response("HEAD").status(), 404);
    assert_eq!(client.get("none.test", "/").status(), 404);
}

#[test]
fn a_request_that_names_its_own_sender_as_host() {
    let router = TestRouter::builder().start();
    for host in ["127.0.0.1", "127.0.0.1:80"] {
        let response = router.client().get(host, "/");
        let error = response.head.field("x-cf-routererror");
        assert_eq!((response.status(), error), (400, Some("empty_host")));
    }
    assert_eq!(router.client().get("127.0.0.10", "/").status(), 404);
}

#[test]
fn a_message_goes_into_the_page_that_is_configured() {
    let page = std::env::temp_dir().join(format!("switchyard-page-{}.html", std::process::id()));
    std::fs::write(
        &page,
        "<h1>{{.Status}} {{.StatusText}}</h1><p>{{.Message}}</p>",
    )
    .unwrap();
    let key = format!("html_error_template_file: {}", page.display());
    let router = TestRouter::builder().yaml(&key).start();
    let response = router.client().get("none.test", "/");
    assert_eq!(response.status(), 404);
    let kind = response.head.field("content-type");
    assert_eq!(kind, Some("text/html; charset=utf-8"));
    let text = response.text();
    assert!(
        text.starts_with("<h1>404 Not Found</h1><p>Requested route ("),
        "{text}"
    );
    std::fs::remove_file(&page).unwrap();
}

#[test]
fn a_body_that_is_malformed_from_its_first_chunk_on_is_a_bad_gateway() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in ["zz\r\n", "-1\r\nx\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n"] {
        let backend = Backend::start(script::canned([head, chunks].concat()));
        let router = TestRouter::to(&backend);
        let response = router.client().get("a.test", "/");
        assert_eq!(response.status(), 502, "{chunks:?}");
        assert_eq!(
            response.head.field("x-cf-routererror"),
            Some("endpoint_failure (malformed response: malformed chunk)")
        );
    }
}

#[test]
fn the_rules_for_responses_hold_for_the_routers_own_answers() {
    let router = TestRouter::builder()
        .yaml(
            "http_rewrite:\n  responses:\n    add_headers_if_not_present:\n\
             \x20   - {name: Strict-Transport-Security, value: max-age=1}\n\
             \x20   - {name: Cache-Control, value: ours}\n\
             \x20   remove_headers: [{name: X-Content-Type-Options}, {name: Content-Length}]",
        )
        .start();
    let mut client = router.client();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: HTTP-Monitor/1.1\r\n\r\n");
    let health = client.response("GET");
    let unknown = client.get("none.test", "/");
    client.send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    let refused = client.response("GET");
    assert_eq!((unknown.status(), refused.status()), (404, 400));
    for response in [&health, &unknown, &refused] {
        let head = &response.head;
        assert_eq!(head.field("Strict-Transport-Security"), Some("max-age=1"));
        assert_eq!(head.field("X-Content-Type-Options"), None);
        assert!(head.field("Content-Length").is_some());
        assert_eq!(head.all("Date").count(), 1);
    }
    assert_eq!(
        unknown.head.field("Cache-Control"),
        Some("no-cache, no-store")
    );
    assert_eq!(refused.head.field("Cache-Control"), Some("ours"));
}

//! Answers that come before the request has ended.

use tests_kit::client::Closed;
use tests_kit::{Backend, TestRouter, script};

const REFUSAL: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";

#[test]
fn the_client_gets_it_while_it_is_still_sending() {
    let backend = Backend::start(script::early(REFUSAL));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nthe beginning");
    let response = client.response("POST");
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
}

#[test]
fn a_request_that_was_never_finished_ends_its_connections() {
    let backend = Backend::start(script::early(REFUSAL));
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    );
    assert_eq!(client.response("POST").status(), 413);
    // The rest of the body never comes: what would follow it cannot be told from it.
    client.finish();
    assert_ne!(client.closed(), Closed::StillOpen);
    assert!(tests_kit::eventually(tests_kit::PATIENCE, || {
        backend.connections()[0].tape.has_ended()
    }));
}

#[test]
fn a_backend_that_answers_and_resets_is_heard() {
    let backend = Backend::start(|conversation: &mut tests_kit::Conversation| {
        let head = conversation.head()?;
        conversation.note(head);
        conversation.send(REFUSAL)?;
        conversation.wire()?.finish()
    });
    let router = TestRouter::to(&backend);
    let mut client = router.client();
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3000000\r\n\r\n";
    // The router may stop reading once it has the answer.
    let body = vec![b'x'; 3_000_000];
    client
        .try_send(head)
        .and_then(|()| client.try_send(&body))
        .ok();
    let response = client.try_response("POST");
    assert!(response.is_ok_and(|response| matches!(response.status(), 413 | 502)));
    assert_eq!(backend.requests().len(), 1);
}

use std::time::Duration;

use super::*;

fn entry<'a>(host: &'a str, id: &'a str, second: u64) -> Entry<'a> {
    Entry {
        host: host.as_bytes(),
        method: b"GET",
        target: b"/path?secret=1",
        version: "HTTP/1.1",
        referer: b"",
        user_agent: b"",
        x_forwarded_for: b"",
        x_forwarded_proto: b"",
        request_id: id,
        peer: None,
        client: None,
        endpoint: None,
        started_unix_nanos: second * 1_000_000_000,
        status: Some(200),
        request_bytes: 0,
        response_bytes: 7,
        total: Duration::from_millis(5),
        gorouter_time: Duration::from_millis(1),
        backend_time: Some(Duration::from_millis(4)),
        dial_time: None,
        dns_time: None,
        failed_attempts: 1,
        failed_attempts_time: Duration::from_millis(1),
        router_error: "",
        local: None,
        extra: &[],
    }
}

fn attempts() -> Vec<Tried> {
    let attempt = |address: &str, outcome, reused| Tried {
        address: address.into(),
        outcome,
        took: Duration::from_millis(1),
        reused,
    };
    vec![
        attempt("10.0.0.1:80", "dial", false),
        attempt("10.0.0.2:80", "ok", true),
    ]
}

#[tokio::test]
async fn a_listener_sees_its_host_alone() {
    let watch = Arc::new(Watch::default());
    assert!(!watch.wanted());
    let mut listening = watch.subscribe("A.test:443");
    assert!(watch.wanted());
    watch.offer(&entry("other.test", "1", 1), &[]);
    watch.offer(&entry("a.TEST:8080", "2", 1), &attempts());
    let Some(Seen::Request(text)) = listening.next().await else {
        panic!("a request")
    };
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&shown["id"], &shown["path"]),
        (&"2".into(), &"/path".into())
    );
    assert_eq!(
        (&shown["total_ms"], &shown["backend_ms"]),
        (&5.0.into(), &4.0.into())
    );
    assert_eq!(shown["attempts"][0]["outcome"], "dial");
    assert_eq!(shown["attempts"][1]["reused"], true);
    drop(listening);
    assert!(!watch.wanted());
}

#[tokio::test]
async fn more_than_the_sample_is_counted() {
    let watch = Arc::new(Watch::default());
    let mut listening = watch.subscribe("a.test");
    for n in 0..SAMPLE + 7 {
        watch.offer(&entry("a.test", "x", 1 + n / (SAMPLE + 5)), &[]);
    }
    // The last two belong to the next second.
    assert_eq!(listening.next().await, Some(Seen::Missed(5)));
    for _ in 0..SAMPLE + 2 {
        assert!(matches!(listening.next().await, Some(Seen::Request(_))));
    }
}

#[tokio::test]
async fn a_slow_listener_is_told_what_it_missed() {
    let watch = Arc::new(Watch::default());
    let mut listening = watch.subscribe("a.test");
    for second in 0..300 {
        watch.offer(&entry("a.test", "x", second), &[]);
    }
    assert_eq!(
        listening.next().await,
        Some(Seen::Missed(300 - QUEUE as u64))
    );
}

#[test]
fn hosts() {
    for (host, bare) in [
        ("a.test", "a.test"),
        ("a.test:80", "a.test"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        assert_eq!(without_port(host.as_bytes()), bare.as_bytes());
    }
}

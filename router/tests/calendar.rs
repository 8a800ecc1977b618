//! What the router says of the time when the system's calendar is set while it runs.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use router::io::clock::Sighting;
use tests_kit::{Backend, Client, PATIENCE, eventually, script};
use tests_kit_router::TestRouter;

/// The Date of an answer of the router's own, and the X-Request-Start that the backend got, both in
/// seconds of the Unix epoch.
fn told(router: &TestRouter, backend: &Backend) -> (u64, u64) {
    let before = backend.requests().len();
    router.client().get("a.test", "/");
    let requests = backend.requests();
    let start = requests[before].head.field("x-request-start").unwrap();
    let start: u64 = start.parse().unwrap();
    let date = router.client().get("nobody.test", "/");
    let date = date.head.field("date").unwrap().to_owned();
    let date = httpdate::parse_http_date(&date).unwrap();
    let date = date.duration_since(UNIX_EPOCH).unwrap().as_secs();
    (date, start / 1000)
}

#[test]
fn dates_follow_a_calendar_that_is_set() {
    let backend = Backend::start(script::hello("hi"));
    let router = TestRouter::to(&backend);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let near = |seconds: u64, expected: Duration| seconds.abs_diff(expected.as_secs()) < 600;
    let day = Duration::from_secs(86_400);
    let start = || {
        let varz = Client::connect(router.admin())
            .get("localhost", "/varz")
            .text();
        let (_, start) = varz.split_once("\"start\":").unwrap();
        start.split_once(',').unwrap().0.to_owned()
    };
    let started = start();
    // As if the calendar were a day late: the machine slept, or was set, since.
    let late = || {
        router.clock().sighted(Sighting {
            before: Duration::ZERO,
            calendar: now() - day,
            after: Duration::ZERO,
        });
        told(&router, &backend)
    };
    // A look at the real calendar may come between; then it is tried again.
    assert!(eventually(PATIENCE, || {
        let (date, start) = late();
        near(date, now() - day) && near(start, now() - day)
    }));
    // When the router started is another matter.
    late();
    assert_eq!(start(), started);
    assert!(eventually(PATIENCE, || {
        let (date, start) = told(&router, &backend);
        near(date, now()) && near(start, now())
    }));
}

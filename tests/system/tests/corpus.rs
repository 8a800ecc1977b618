//! Plays the whole corpus against a real router.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests_kit_router::TestRouter;
use tests_system::corpus::{self, Scorecard, Stage};

/// Rows that are played at a time: most of a row is waiting for the other side.
const ACTORS: usize = 16;

/// The limits that `limits.toml` is written for, and limits of time that no play reaches: on a busy
/// machine a head that is sent byte by byte takes as many turns as it has bytes.
const LIMITS: &str = "
read_header_timeout: 300s
client_read_stall: 300s
client_write_stall: 300s
endpoint_timeout: 300s
endpoint_dial_timeout: 300s
max_request_header_bytes: 32KiB
max_request_headers: 100
max_target_bytes: 8KiB
max_request_body: 100000
";

#[test]
fn every_row_holds() {
    let stage = Stage::new(corpus::load().expect("a corpus without a fault"));
    let router = stage
        .seats
        .iter()
        .fold(TestRouter::builder().yaml(LIMITS), |router, seat| {
            router.route(&seat.host(), &[seat.backend])
        });
    let router = router.start();
    let next = AtomicUsize::new(0);
    let score = Mutex::new(Scorecard::default());
    std::thread::scope(|scope| {
        for _ in 0..ACTORS {
            scope.spawn(|| {
                while let Some(seat) = stage.seats.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let faults = corpus::play(&stage, seat, router.address());
                    score.lock().unwrap().add(seat, &faults);
                }
            });
        }
    });
    let score = score.into_inner().unwrap();
    println!("{score}");
    let failures = score.failures();
    assert!(failures.is_empty(), "{}\n{score}", failures.join("\n"));
}

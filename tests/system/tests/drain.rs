//! Two routers behind a real load balancer, drained in turn under load: the small form of the load
//! test `drain`.

use std::time::Duration;

use tests_kit::HaproxyProgram;
use tests_kit::load::How;
use tests_kit_router::{RouterProgram, drains};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// How often a router is drained.
const DRAINS: usize = 4;

fn drain(haproxy: &HaproxyProgram, wait: Duration) -> drains::Drained {
    let program = RouterProgram::new(PROGRAM);
    let plan = drains::Plan {
        start: &|program, yaml| program.start(yaml),
        wait,
        count: DRAINS,
        wanted: &|| true,
    };
    let drained = drains::drain(haproxy, program, &plan);
    eprintln!(
        "{DRAINS} drains with a wait of {wait:?}: {} requests, {} failed; {:?}",
        drained.tally.good, drained.tally.failed, drained.took
    );
    drained
}

#[test]
fn no_request_fails_behind_a_load_balancer_that_is_given_time_to_notice() {
    let Some(haproxy) = HaproxyProgram::find_for("drains under load") else {
        return;
    };
    let drained = drain(&haproxy, Duration::from_secs(2));
    assert_eq!(drained.tally.failed, 0, "{:?}", drained.tally);
}

/// What the load balancer sends on a kept connection while it is being closed is lost, and no
/// server can help it: the bytes and the end cross each other. That takes microseconds.
#[test]
fn without_that_time_no_more_is_lost_than_crosses_the_end_of_a_connection() {
    let Some(haproxy) = HaproxyProgram::find_for("drains under load") else {
        return;
    };
    let tally = drain(&haproxy, Duration::ZERO).tally;
    assert!(tally.failed <= DRAINS as u64, "{tally:?}");
    assert_eq!(
        tally.lost(How::Cut) + tally.lost(How::Altered),
        0,
        "{tally:?}"
    );
}

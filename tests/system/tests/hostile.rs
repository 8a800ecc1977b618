//! Hostile peers, each beside well-behaved clients of the same router, who must not notice: the
//! small form of the load test `hostile`. What is lost and what is kept is held to bounds; how long
//! requests take is only shown, as the machine does other things meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tests_kit::PATIENCE;
use tests_kit_router::RouterProgram;
use tests_kit_router::hostile::{PEERS, Peer, Times, meet, table};

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");

/// Peers that are met at a time, each by a router of its own: most of an attack is waiting.
const AT_A_TIME: usize = 3;

const TIMES: Times = Times {
    rest: Duration::from_millis(300),
    attack: Duration::from_millis(2500),
    back: PATIENCE,
};

/// The peers; those with the words of `SWITCHYARD_HOSTILE` in their name when it is set.
fn peers() -> Vec<&'static Peer> {
    let wanted = std::env::var("SWITCHYARD_HOSTILE").unwrap_or_default();
    let named = |peer: &&Peer| peer.name.contains(&wanted);
    PEERS.iter().filter(named).collect()
}

#[test]
fn a_well_behaved_client_does_not_notice_a_hostile_one() {
    let (peers, next) = (peers(), AtomicUsize::new(0));
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(peer) = peers.get(next.fetch_add(1, Relaxed)) {
                    let program = RouterProgram::new(PROGRAM);
                    let start = |program: &RouterProgram, yaml: &str| program.start(yaml);
                    let row = meet(peer, &program, &start, TIMES);
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    println!("{}", table(&rows));
    assert_eq!(rows.len(), peers.len());
    let faults: Vec<String> = rows.iter().flat_map(|row| row.faults()).collect();
    assert!(
        faults.is_empty(),
        "\n{}\n{}",
        table(&rows),
        faults.join("\n")
    );
}

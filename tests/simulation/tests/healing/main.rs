//! Whatever is lost, doubled, late or ended: in the end runs what shall run.
//!
//! `SWITCHYARD_SEEDS` is how many worlds are tried (64), `SWITCHYARD_SEED` is the first of them, or the only
//! one when it stands alone.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod controller;
mod dea;
mod network;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::World;

const SEEDS: u64 = 64;

#[test]
fn in_the_end_runs_what_shall_run() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let first: Option<u64> = number("SWITCHYARD_SEED");
    let alone = if first.is_some() { 1 } else { SEEDS };
    let count = number("SWITCHYARD_SEEDS").unwrap_or(alone);
    let first = first.unwrap_or_else(|| fastrand::u64(..u64::MAX / 2));
    for seed in first..first + count {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            world.live_through_trouble();
            world.settle();
            world.assert_healed();
        }));
        if let Err(panic) = ran {
            eprintln!("to see it again: SWITCHYARD_SEED={seed}");
            resume_unwind(panic);
        }
    }
    eprintln!("healed {count} worlds from SWITCHYARD_SEED={first} on");
}

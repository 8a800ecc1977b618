//! Every interleaving of a reader that renews and a writer that removes, by loom.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::thread;

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[path = "writer_epoch.rs"]
#[expect(
    dead_code,
    reason = "the model does without what only starts another writer"
)]
mod writer_epoch;

use writer_epoch::WriterEpoch;

/// One endpoint and the table that it is in.
#[derive(Default)]
struct World {
    epoch: WriterEpoch,
    renewed: AtomicU64,
    removed: AtomicU64,
}

/// Renews the endpoint as the reader does. Returns whether the writer need not hear of it.
fn renew(world: &World) -> bool {
    let Some(idle) = world.epoch.idle() else {
        return false;
    };
    if world.removed.load(Acquire) == 1 {
        return false;
    }
    world.renewed.store(1, Relaxed);
    world.epoch.is_still(idle)
}

/// Removes the endpoint as the writer does, unless it was renewed.
fn prune(world: &World) {
    let offered = world.epoch.offered();
    world.epoch.begin();
    if world.renewed.load(Relaxed) == 0 {
        world.removed.store(1, Release);
    }
    world.epoch.end(offered);
}

#[test]
fn no_renewal_is_missed() {
    loom::model(|| {
        let world = Arc::new(World::default());
        let ours = Arc::clone(&world);
        let writer = thread::spawn(move || prune(&ours));
        let renewed = renew(&world);
        writer.join().unwrap();
        let removed = world.removed.load(Relaxed) == 1;
        assert!(!(renewed && removed), "a renewed endpoint was removed");
    });
}

#[test]
fn what_was_offered_is_applied_before_the_writer_counts_as_idle() {
    loom::model(|| {
        let world = Arc::new(World::default());
        world.epoch.offer();
        let ours = Arc::clone(&world);
        let writer = thread::spawn(move || prune(&ours));
        if world.epoch.idle().is_some() {
            assert_eq!(world.removed.load(Acquire), 1, "the table is not published");
        }
        writer.join().unwrap();
    });
}

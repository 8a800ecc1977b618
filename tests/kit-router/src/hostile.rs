//! Hostile peers, each beside well-behaved clients of the same router, who must not notice.
//!
//! [`PEERS`] lists them: a name, what it sets up, and the bounds that hold. [`meet`] runs one
//! against a router process of its own and returns what came of it.

mod backends;
mod bus;
mod clients;
mod crowd;
mod loops;
mod row;
mod scene;
mod tunnels;
mod watch;

use std::time::{Duration, Instant};

pub use row::{Bounds, COLUMNS, Row, table};
pub use scene::{Ended, Scene, Setup};

use crate::{RouterProcess, RouterProgram};
use tests_kit::load::Tally;
use tests_kit::{Backend, Load, script};
use watch::{Health, Usage, Used};

/// A hostile peer.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Makes what it needs: keys, routes, backends, and the attack itself.
    pub setup: fn() -> Setup,
    /// What holds whatever it does.
    pub bounds: Bounds,
}

/// How long one is met.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The well-behaved clients alone, before it comes.
    pub rest: Duration,
    /// The attack.
    pub attack: Duration,
    /// What it cost may take so long to be given back.
    pub back: Duration,
}

/// Everyone. Limits are set short where a few seconds must show them.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "slow heads",
        setup: clients::slow_heads,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "long heads",
        setup: clients::long_heads,
        bounds: Bounds::COMMON.grows_by(LONG_HEADS_KIB).keeps(KEPT_KIB),
    },
    Peer {
        name: "silent connections",
        setup: clients::silent,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "silent at the admin listener",
        setup: clients::silent_at_admin,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "silent at the status listener",
        setup: clients::silent_at_status,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "Connection with 31,000 members",
        setup: clients::connection_list,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "the same from a backend",
        setup: backends::connection_list,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "absurd lengths",
        setup: clients::absurd_lengths,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "bodies of a byte at times",
        setup: clients::slow_bodies,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "1-byte chunks from a client",
        setup: clients::tiny_chunks,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "1-byte chunks from a backend",
        setup: backends::tiny_chunks,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "responses that nobody reads",
        setup: clients::slow_readers,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "tunnels whose client has closed",
        setup: tunnels::closed,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "tunnels whose client has vanished",
        setup: tunnels::vanished,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "endless uploads, refused and read",
        setup: backends::refuses_and_reads,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "endless uploads, refused and unread",
        setup: backends::refuses_and_closes,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "endless interim responses",
        setup: backends::interim_flood,
        bounds: Bounds::COMMON.cut_within(Duration::from_secs(2)),
    },
    Peer {
        name: "a route to the router itself",
        setup: loops::by_a_way_round,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "a registration of the router itself",
        setup: loops::by_registration,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "a bus with an endless message",
        setup: bus::endless_message,
        bounds: Bounds::COMMON,
    },
    Peer {
        name: "a bus with an endless line",
        setup: bus::endless_line,
        bounds: Bounds::COMMON,
    },
];

/// What all heads together may have beyond their first 4 KiB, 16 MiB; those and an exchange for each
/// of 1,500, 12 MiB; and what the allocator rounds up, in KiB.
const LONG_HEADS_KIB: u64 = 48 << 10;

/// What two workers keep for the next taker once as many exchanges were under way as they have
/// room for, in KiB.
const KEPT_KIB: u64 = 16 << 10;

/// Well-behaved clients. More would measure how busy the machine is.
const CLIENTS: usize = 2;

/// The pause between two looks at what the router uses.
const LOOK: Duration = Duration::from_millis(20);

/// Meets `peer` with a router that `start` starts.
///
/// # Panics
/// When a part cannot be started.
#[must_use]
pub fn meet(
    peer: &Peer,
    program: &RouterProgram,
    start: &dyn Fn(&RouterProgram, &str) -> RouterProcess,
    times: Times,
) -> Row {
    // All of a hostile peer's threads give way: what it keeps busy is the router.
    let setup = peer.setup;
    let setup = std::thread::spawn(move || {
        scene::lower_priority();
        setup()
    });
    let setup = setup.join().expect("a hostile peer is set up");
    let good = Backend::start(script::hello("good"));
    let router = start(program, &setup.yaml(good.address()));
    let health = setup.health(router.admin());
    let ask = |time| {
        let load = Load::start(router.address(), CLIENTS, &["good.test"]);
        pause(time);
        load.stop()
    };
    // What is there once, whoever comes, is there already.
    drop(ask(times.rest / 4));
    let rest = ask(times.rest);
    let usage = Usage::of(router.pid());
    let before = usage.now();
    let checks = Health::start(health);
    let load = Load::start(router.address(), CLIENTS, &["good.test"]);
    let scene = Scene::new(&router, times.attack);
    let attack = std::thread::spawn(move || {
        scene::lower_priority();
        let (attack, kept) = setup.into_parts();
        (attack(&scene), kept)
    });
    let mut peak = before;
    while !attack.is_finished() {
        peak = peak.max(usage.now());
        pause(LOOK);
    }
    let spent = usage.now().cpu - before.cpu;
    let tally = load.stop();
    let unhealthy = checks.stop();
    // It takes for granted what a router owes to everybody, and panics when that does not come.
    let (ended, kept) = attack.join().map_or_else(
        |_| (Ended::broken_off(), None),
        |(ended, kept)| (ended, Some(kept)),
    );
    let ask = || ask(LOOK);
    let after = given_back(usage, &peer.bounds, before, times.back, ask);
    let panics = router.ask_json("/varz")["switchyard"]["panics"].as_u64();
    drop(kept);
    Row {
        name: peer.name,
        bounds: peer.bounds,
        rest,
        tally,
        unhealthy,
        usage: [before, peak, after],
        spent,
        ended,
        panics: panics.unwrap_or(u64::MAX),
    }
}

/// Waits until what the peer cost is given back, or the time for that is over, while `ask` goes on
/// sending requests: an allocator gives back when it is used.
fn given_back(
    usage: Usage,
    bounds: &Bounds,
    before: Used,
    limit: Duration,
    ask: impl Fn() -> Tally,
) -> Used {
    let began = Instant::now();
    loop {
        let now = usage.now();
        if bounds.are_back(before, now) || began.elapsed() > limit {
            return now;
        }
        drop(ask());
    }
}

fn pause(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

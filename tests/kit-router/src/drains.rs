//! Two routers behind a load balancer, drained in turn while requests go on.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{RouterProcess, RouterProgram};
use tests_kit::haproxy::{Haproxy, HaproxyProgram, Member};
use tests_kit::load::{Manner, Tally, app};
use tests_kit::{Backend, Load, free_address};

/// The clients: connections that are kept and short ones, and slow bodies both ways.
pub const CLIENTS: [Manner; 16] = [
    Manner::Kept,
    Manner::Kept,
    Manner::Kept,
    Manner::Kept,
    Manner::Short,
    Manner::Short,
    Manner::Short,
    Manner::Short,
    Manner::Chunked,
    Manner::Chunked,
    Manner::SlowUpload,
    Manner::SlowUpload,
    Manner::SlowUpload,
    Manner::SlowDownload,
    Manner::SlowDownload,
    Manner::SlowDownload,
];

/// Good requests between two drains, so that each meets traffic that has come to rest.
const BETWEEN: u64 = 200;

/// The longest that a drain may take beyond its wait: the slow bodies, and a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

/// How routers are drained.
pub struct Plan<'a> {
    /// Starts a router: the program and its configuration.
    pub start: &'a dyn Fn(&RouterProgram, &str) -> RouterProcess,
    /// For how long a router goes on after it has said that it drains: its `drain_wait`.
    pub wait: Duration,
    /// How many drains there are in all.
    pub count: usize,
    /// Whether the next one is still wanted.
    pub wanted: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("wait", &self.wait)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// What came of the drains.
#[derive(Debug)]
pub struct Drained {
    /// The requests of all clients.
    pub tally: Tally,
    /// How long each drain took, from the signal to the end of the process.
    pub took: Vec<Duration>,
}

/// Two routers behind HAProxy.
struct Pair<'a> {
    program: RouterProgram,
    plan: &'a Plan<'a>,
    app: SocketAddr,
    seats: [Seat; 2],
    haproxy: Haproxy,
}

/// A router and where it is, which is the same after it was started again.
struct Seat {
    router: RouterProcess,
    member: Member,
}

/// Drains one of two routers after the other while [`CLIENTS`] send requests through HAProxy; each
/// is started again before the next is drained.
///
/// # Panics
/// When a part does not start, or a drain does not end by itself with status 0.
#[must_use]
pub fn drain(haproxy: &HaproxyProgram, program: RouterProgram, plan: &Plan<'_>) -> Drained {
    let backend = Backend::unrecorded(app());
    let mut pair = Pair::start(haproxy, program, plan, backend.address());
    let load = Load::with_manners(pair.haproxy.address(), &CLIENTS, &["a.test"]);
    let mut took = Vec::with_capacity(plan.count);
    for round in (0..plan.count).take_while(|_| (plan.wanted)()) {
        // Failures are counted, and must not keep the drains from going on.
        let goal = load.good() + BETWEEN;
        assert!(
            tests_kit::eventually(tests_kit::PATIENCE * 3, || load.good() >= goal),
            "the load stands still"
        );
        took.push(pair.drain(round % 2));
    }
    Drained {
        tally: load.stop(),
        took,
    }
}

impl<'a> Pair<'a> {
    fn start(
        haproxy: &HaproxyProgram,
        program: RouterProgram,
        plan: &'a Plan<'a>,
        app: SocketAddr,
    ) -> Self {
        let seat = || {
            // The same for all its lives: the load balancer is told once.
            let member = Member {
                address: free_address(),
                health: free_address(),
            };
            let router = (plan.start)(&program, &configuration(member, plan.wait, app));
            Seat { router, member }
        };
        let seats = [seat(), seat()];
        let haproxy = haproxy.start(&[seats[0].member, seats[1].member]);
        Self {
            program,
            plan,
            app,
            seats,
            haproxy,
        }
    }

    /// Drains one, starts it again, and waits until it is in service.
    fn drain(&mut self, at: usize) -> Duration {
        let Seat { router, member } = &mut self.seats[at];
        let began = Instant::now();
        router.signal(Signal::USR1);
        let status = router.ended(self.plan.wait + LONGEST);
        let took = began.elapsed();
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?} {took:?}: {}",
            router.log()
        );
        assert!(
            router.event("router.drain.timed-out").is_none(),
            "{}",
            router.log()
        );
        let yaml = configuration(*member, self.plan.wait, self.app);
        *router = (self.plan.start)(&self.program, &yaml);
        assert!(self.haproxy.finds(at, "UP"), "{}", router.log());
        took
    }
}

/// One worker would have nothing to hand over.
fn configuration(member: Member, wait: Duration, app: SocketAddr) -> String {
    let (address, admin) = (member.address, member.health.port());
    let wait = wait.as_millis();
    format!(
        "listeners: [{{address: \"{address}\"}}]\n\
         status: {{port: off, routes: {{port: {admin}}}}}\n\
         workers: 2\n\
         drain_wait: {wait}ms\n\
         drain_timeout: 60s\n\
         routes: [{{uris: [a.test], backends: ['{app}']}}]\n"
    )
}

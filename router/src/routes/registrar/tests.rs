use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bus::{Bus, Hub, Options, Server, Subscription};
use protocol::bus::{Greet, ROUTER_GREET, ROUTER_REGISTER, ROUTER_START, ROUTER_UNREGISTER};
use protocol::bus::{Register, Start};
use router_core::own_listeners::OwnListeners;
use router_core::registration::{RegistrationRules, Sharding};
use router_core::registry::RegistryConfig;
use tests_kit::eventually::eventually_async;
use tests_kit::{FaultProxy, NatsProgram, NatsServer, PATIENCE, TempDir};

use super::*;
use crate::observe::metrics::{Action, RegistryMetrics};

const PRUNE_INTERVAL: Duration = Duration::from_millis(20);
const THRESHOLD: Duration = Duration::from_secs(120);
const MUZZLE: Duration = Duration::from_secs(30);

/// A registrar, and a client of the same bus.
struct Fixture {
    outlets: Outlets,
    registrar: Registrar,
    millis: Arc<AtomicU64>,
    /// The thread that panics when it looks at the clock the next time.
    doomed: Arc<Mutex<Option<&'static str>>>,
}

impl Fixture {
    fn new(at: BusAt) -> Self {
        let outlets = Outlets {
            routes: Arc::new(ArcSwap::default()),
            metrics: Metrics::new(1),
            health: Arc::new(Health::new(true)),
            changes: Arc::default(),
        };
        let millis = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&millis);
        let doomed = Arc::<Mutex<Option<&str>>>::default();
        let victim = Arc::clone(&doomed);
        let settings = RegistrarSettings {
            bus: Some(at),
            start: start_message(),
            rules: RegistrationRules {
                max_threshold: THRESHOLD,
                sharding: Sharding::All,
                http2: false,
                own: own_listeners(),
            },
            prune_interval: Some(PRUNE_INTERVAL),
            latency_muzzle: MUZZLE,
            remind_interval: Duration::from_secs(20),
        };
        let registrar = Registrar::start(
            settings,
            Registry::new(RegistryConfig::default()),
            outlets.clone(),
            Arc::new(move || {
                let mut victim = victim.lock().unwrap_or_else(PoisonError::into_inner);
                let name = std::thread::current().name().map(str::to_owned);
                if victim.is_some() && *victim == name.as_deref() {
                    *victim = None;
                    drop(victim);
                    panic!("as the test wants it");
                }
                Tick::from_millis(clock.load(Ordering::SeqCst))
            }),
        );
        Self {
            outlets,
            registrar: registrar.unwrap(),
            millis,
            doomed,
        }
    }

    /// A registrar that listens to `hub`, and another client of it.
    async fn in_memory(hub: &Hub) -> (Self, Bus) {
        let fixture = Self::new(BusAt::Hub(hub.clone()));
        fixture.until("up", Self::is_up).await;
        (fixture, Bus::in_memory(hub, 64))
    }

    /// A registrar that listens to a server, and another client of it that hears routers start.
    async fn over_nats(server: &NatsServer, capacity: usize) -> (Self, Bus, Subscription<Start>) {
        let (bus, mut starts) = client(server).await;
        let options = Options {
            subscription_capacity: capacity,
            ..at(server)
        };
        let fixture = Self::new(BusAt::Servers(options.into()));
        next_start(&mut starts).await;
        (fixture, bus, starts)
    }

    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.millis.fetch_add(millis, Ordering::SeqCst);
        // The writer looks at its clock when it is woken.
        self.registrar.orders().replace(Origin::Static, Vec::new());
    }

    fn metrics(&self) -> &RegistryMetrics {
        &self.outlets.metrics.registry
    }

    fn is_up(&self) -> bool {
        self.metrics().bus_state.get() == RegistryMetrics::BUS_UP
    }

    fn has(&self, host: &str) -> bool {
        self.outlets.routes.load().lookup(host, "/").is_some()
    }

    fn routes(&self) -> usize {
        self.outlets.routes.load().len()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let held = eventually_async(PATIENCE, || condition(self)).await;
        assert!(held, "{what}: {:?}", self.metrics());
    }
}

fn start_message() -> Start {
    Start {
        id: "0-test".to_owned(),
        hosts: vec!["10.0.0.1".to_owned()],
        minimum_register_interval_in_seconds: 5,
        prune_threshold_in_seconds: THRESHOLD.as_secs(),
    }
}

fn claim(uri: &str) -> Register {
    Register {
        uris: vec![uri.to_owned()],
        host: "10.0.0.9".to_owned(),
        port: 80,
        ..Register::default()
    }
}

fn at(server: &NatsServer) -> Options {
    Options {
        servers: vec![Server {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
        }],
        ..Options::default()
    }
}

/// A client that hears every router that starts from now on.
async fn client(server: &NatsServer) -> (Bus, Subscription<Start>) {
    let bus = Bus::connect(&at(server)).unwrap();
    assert!(eventually_async(PATIENCE, || bus.is_connected()).await);
    let starts = bus.subscribe(&ROUTER_START).await.unwrap();
    let mut echo = bus.subscribe_pattern("echo").await.unwrap();
    bus.publish_raw("echo", "").await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, echo.next()).await;
    assert!(echo.unwrap().is_some());
    (bus, starts)
}

async fn next_start(starts: &mut Subscription<Start>) {
    let start = tokio::time::timeout(PATIENCE, starts.next()).await;
    let start = start.expect("router.start in time").unwrap();
    assert_eq!(start.decode().unwrap(), start_message());
}

#[tokio::test]
async fn the_same_bytes_renew_a_claim_and_make_it_anew_once_it_is_given_up() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    let message = claim("a.test");
    let renewed = || {
        let endpoint = fixture.outlets.routes.load();
        let pool = endpoint.lookup("a.test", "/").cloned();
        pool.map(|pool| pool.endpoints()[0].renewed())
    };
    for round in 0..3 {
        for _ in 0..3 {
            fixture.pass(Duration::from_secs(1));
            let now = Tick::from_millis(fixture.millis.load(Ordering::SeqCst));
            bus.publish(&ROUTER_REGISTER, &message).await.unwrap();
            fixture.until("renewed", |_| renewed() == Some(now)).await;
        }
        bus.publish(&ROUTER_UNREGISTER, &message).await.unwrap();
        fixture.until("given up", |f| !f.has("a.test")).await;
        let mut counts = Vec::new();
        let count = |_: &str, action, count| counts.push((action, count));
        fixture.metrics().registrations(count);
        let added = round + 1;
        assert_eq!(
            counts,
            [(Action::Added, added), (Action::Refreshed, 2 * added)]
        );
    }
}

#[tokio::test]
async fn it_is_measured_how_late_new_endpoints_are_once_the_start_is_over() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    let register = async |uri: &str, updated_at: i64| {
        let message = Register {
            endpoint_updated_at_ns: updated_at,
            ..claim(uri)
        };
        bus.publish(&ROUTER_REGISTER, &message).await.unwrap();
        fixture.until("registered", |f| f.has(uri)).await;
    };
    let measured = || fixture.metrics().registration_latency();
    // In 2001: a latency of years, whatever the clock of this machine says.
    let long_ago = 1_000_000_000_000_000_000;
    register("early.test", long_ago).await;
    fixture.pass(MUZZLE);
    register("unsaid.test", 0).await;
    register("late.test", long_ago).await;
    // Only what is new counts, and a table is measured after it is published.
    register("late.test", long_ago).await;
    let counted = eventually_async(PATIENCE, || measured().count() > 0).await;
    assert!(counted);
    register("ahead.test", i64::MAX).await;
    assert!(eventually_async(PATIENCE, || measured().count() == 2).await);
    assert!(measured().sum() > 20 * 365 * 86_400 * 1_000_000);
    assert_eq!(
        measured().at_most(10),
        1,
        "nothing is routable before it is known"
    );
}

#[tokio::test]
async fn a_claim_comes_and_goes() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;
    assert_eq!(fixture.metrics().bus_state.get(), RegistryMetrics::BUS_UP);
    assert_eq!(fixture.metrics().routes.get(), 1);
    let generation = fixture.outlets.routes.load().generation();

    fixture.pass(Duration::from_secs(1));
    let heartbeat = claim("a.test");
    bus.publish(&ROUTER_REGISTER, &heartbeat).await.unwrap();
    fixture
        .until("renewed", |f| f.metrics().updated_at.get() > 1)
        .await;
    let now = fixture.outlets.routes.load().generation();
    assert_eq!(now, generation, "a heartbeat makes no table");

    bus.publish(&ROUTER_UNREGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("gone", |f| f.routes() == 0).await;
}

#[tokio::test]
async fn a_bad_message_is_counted_and_the_next_one_counts() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    for bad in ["", "[]", "{\"port\":\"x\"}", "{\"uris\":[\"a.test\"]}"] {
        bus.publish_raw("router.register", bad).await.unwrap();
    }
    bus.publish_raw("router.anything", "no JSON").await.unwrap();
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;
    assert_eq!(fixture.metrics().invalid_messages.get(), 4);
}

#[tokio::test]
async fn an_endpoint_that_is_a_listener_of_this_router_is_refused() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    let own = Register {
        port: 8080,
        ..claim("loop.test")
    };
    bus.publish(&ROUTER_REGISTER, &own).await.unwrap();
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;
    assert!(!fixture.has("loop.test"));
    assert_eq!(fixture.metrics().invalid_messages.get(), 1);
}

#[tokio::test]
async fn what_is_not_renewed_lapses_unless_the_bus_is_away() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;

    hub.stop();
    fixture
        .until("lost", |f| f.metrics().bus_losses.get() == 1)
        .await;
    for _ in 0..10 {
        fixture.pass(THRESHOLD * 2);
    }
    hub.start();
    fixture
        .until("back", |f| {
            f.metrics().bus_state.get() == RegistryMetrics::BUS_UP
        })
        .await;
    // The first look after the bus came back gives every claim its whole time.
    fixture.pass(PRUNE_INTERVAL);
    let renewed = |f: &Fixture| {
        let table = f.outlets.routes.load();
        let pool = table.lookup("a.test", "/").unwrap();
        pool.endpoints()[0].renewed() > Tick::default().plus(THRESHOLD)
    };
    fixture.until("freshened", renewed).await;
    fixture.pass(THRESHOLD + Duration::from_secs(1));
    fixture.until("pruned", |f| f.routes() == 0).await;
    fixture
        .until("counted", |f| f.metrics().routes_pruned.get() == 1)
        .await;
}

/// The router of these tests listens there.
fn own_listeners() -> OwnListeners {
    OwnListeners::new(["10.0.0.9:8080".parse().unwrap()], |_| false)
}

#[tokio::test]
async fn orders_are_followed() {
    let fixture = Fixture::new(BusAt::Hub(Hub::new()));
    let rules = RegistrationRules {
        max_threshold: THRESHOLD,
        sharding: Sharding::All,
        http2: false,
        own: own_listeners(),
    };
    let tls = Register {
        tls_port: 443,
        ..claim("a.test")
    };
    let claims = |message: Register| {
        let accepted = Registration::from_message(&message, &rules);
        accepted.unwrap().claims
    };
    let orders = fixture.registrar.orders();
    let bus_route = Registration {
        origin: Origin::Bus,
        ..claims(tls).remove(0)
    };
    orders.replace(Origin::RoutesFile, claims(claim("b.test")));
    fixture.until("replaced", |f| f.has("b.test")).await;
    orders.replace(Origin::RoutesFile, claims(claim("c.test")));
    fixture
        .until("replaced", |f| f.has("c.test") && !f.has("b.test"))
        .await;

    let mut notices = std::collections::VecDeque::new();
    notices.push_back(router_core::coalesce::Notice::Register(bus_route));
    fixture.registrar.inbox.offer(&mut notices).await;
    fixture.until("registered", |f| f.has("a.test")).await;
    let endpoint = {
        let table = fixture.outlets.routes.load();
        Arc::clone(&table.lookup("a.test", "/").unwrap().endpoints()[0])
    };
    let key = RouteKey::parse("a.test").unwrap();
    orders.wrong_identity(key, endpoint);
    fixture.until("removed", |f| !f.has("a.test")).await;
}

#[tokio::test]
async fn changes_are_told_to_those_who_listen() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    let mut changes = fixture.outlets.changes.subscribe();
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    for action in ["route_added", "added"] {
        let change = tokio::time::timeout(PATIENCE, changes.recv()).await;
        let change = change.unwrap().unwrap();
        assert_eq!((change.action, &*change.route), (action, "a.test"));
        let table = fixture.outlets.routes.load();
        assert!(change.generation <= table.generation());
    }
}

#[tokio::test]
async fn replaced_tables_are_dropped_by_the_registrar() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;
    let held = fixture.outlets.routes.load_full();
    let watched = Arc::downgrade(&held);
    bus.publish(&ROUTER_REGISTER, &claim("b.test"))
        .await
        .unwrap();
    fixture.until("replaced", |f| f.has("b.test")).await;
    // The registrar still holds it, so that it is not for this thread to drop.
    assert!(Arc::strong_count(&held) > 1);
    drop(held);
    let dropped = eventually_async(PATIENCE, || watched.strong_count() == 0).await;
    assert!(dropped);
}

#[tokio::test]
async fn a_greeting_is_answered() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    fixture
        .until("up", |f| {
            f.metrics().bus_state.get() == RegistryMetrics::BUS_UP
        })
        .await;
    let answer = bus
        .request::<Greet, Start>(&ROUTER_GREET, &Greet, PATIENCE)
        .await;
    assert_eq!(answer.unwrap(), start_message());
}

#[tokio::test]
async fn every_connection_asks_for_all_routes_and_no_loss_takes_one_away() {
    for program in NatsProgram::all_for("reconnection") {
        let server = NatsServer::start(&program);
        let proxy = FaultProxy::start(([127, 0, 0, 1], server.port()).into());
        let (bus, mut starts) = client(&server).await;
        let mut options = at(&server);
        options.servers[0].port = proxy.address().port();
        proxy.refuse(true);
        let fixture = Fixture::new(BusAt::Servers(options.into()));
        for round in 0..3 {
            assert_eq!(fixture.metrics().bus_state.get(), RegistryMetrics::BUS_DOWN);
            proxy.refuse(false);
            next_start(&mut starts).await;
            let uri = format!("{round}.test");
            bus.publish(&ROUTER_REGISTER, &claim(&uri)).await.unwrap();
            fixture.until("registered", |f| f.has(&uri)).await;
            proxy.refuse(true);
            proxy.cut_all();
            fixture.until("lost", |f| !f.is_up()).await;
            assert_eq!(fixture.metrics().bus_losses.get(), round + 1);
            assert_eq!(fixture.routes() as u64, round + 1);
        }
        assert!(starts.try_next().is_none());
    }
}

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_finds_the_table_as_it_was() {
    for program in NatsProgram::all_for("restart of nats-server") {
        let mut server = NatsServer::start(&program);
        let (fixture, bus, _starts) = Fixture::over_nats(&server, 131_072).await;
        for n in 0..100 {
            let uri = format!("{n}.test");
            bus.publish(&ROUTER_REGISTER, &claim(&uri)).await.unwrap();
        }
        fixture.until("registered", |f| f.routes() == 100).await;
        let table = fixture.outlets.routes.load_full();
        server.kill();
        fixture.until("down", |f| !f.is_up()).await;
        fixture.pass(THRESHOLD * 10);
        server.restart();
        fixture.until("up", Fixture::is_up).await;
        let now = fixture.outlets.routes.load_full();
        assert!(Arc::ptr_eq(&table, &now), "no other table was published");
    }
}

#[tokio::test]
async fn dropped_deliveries_count_as_a_lost_bus() {
    for program in NatsProgram::all_for("slow consumer") {
        let server = NatsServer::start(&program);
        let (fixture, bus, mut starts) = Fixture::over_nats(&server, 4).await;
        for n in 0..2_000 {
            let uri = format!("{n}.test");
            bus.publish(&ROUTER_REGISTER, &claim(&uri)).await.unwrap();
        }
        fixture
            .until("dropped", |f| f.metrics().dropped_messages.get() > 0)
            .await;
        assert!(fixture.metrics().bus_losses.get() > 0);
        next_start(&mut starts).await;
        fixture
            .until("up", |f| {
                f.metrics().bus_state.get() == RegistryMetrics::BUS_UP
            })
            .await;
    }
}

#[tokio::test]
async fn a_burst_leaves_every_withdrawal_effective() {
    const CLAIMS: usize = 100_000;
    for program in NatsProgram::all_for("burst") {
        // How long the server bears with a slow client is not what is tested: on a busy machine that is us.
        let directory = TempDir::new();
        let limits = "max_pending: 1GB\nwrite_deadline: \"5m\"\n";
        assert!(directory.file("nats.conf", limits).exists());
        let server = NatsServer::configured(&program, directory);
        let (fixture, bus, _starts) = Fixture::over_nats(&server, 131_072).await;
        let uri = |n: usize| format!("{n}.burst.test");
        let began = Instant::now();
        for n in 0..CLAIMS {
            bus.publish(&ROUTER_REGISTER, &claim(&uri(n)))
                .await
                .unwrap();
            // Behind by a distance that makes some meet their registration in the queue.
            if n >= 1_000 {
                bus.publish(&ROUTER_UNREGISTER, &claim(&uri(n - 1_000)))
                    .await
                    .unwrap();
            }
        }
        for n in CLAIMS - 1_000..CLAIMS - 1 {
            bus.publish(&ROUTER_UNREGISTER, &claim(&uri(n)))
                .await
                .unwrap();
        }
        let last = uri(CLAIMS - 1);
        let done = || fixture.has(&last) && fixture.routes() == 1;
        // However slow the machine is: as long as tables are stored.
        let table = || fixture.outlets.routes.load().generation();
        let mut last_seen = None;
        while !eventually_async(PATIENCE, done).await {
            let seen = Some(table());
            assert!(
                seen > last_seen,
                "{} left: {:?}",
                fixture.routes(),
                fixture.metrics()
            );
            last_seen = seen;
        }
        assert_eq!(fixture.metrics().dropped_messages.get(), 0);
        assert_eq!(fixture.metrics().bus_losses.get(), 0);
        eprintln!("200,000 messages in {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_heartbeat_never_overtakes_what_was_said_before_it() {
    const CLAIMS: usize = 2_000;
    let hub = Hub::new();
    let (fixture, _) = Fixture::in_memory(&hub).await;
    let bus = Bus::in_memory(&hub, CLAIMS * 4);
    let uri = |n: usize| format!("{n}.test");
    for n in 0..CLAIMS {
        bus.publish(&ROUTER_REGISTER, &claim(&uri(n)))
            .await
            .unwrap();
    }
    fixture.until("registered", |f| f.routes() == CLAIMS).await;
    for n in 0..CLAIMS {
        bus.publish(&ROUTER_REGISTER, &claim(&uri(n)))
            .await
            .unwrap();
        bus.publish(&ROUTER_UNREGISTER, &claim(&uri(n)))
            .await
            .unwrap();
        if n % 2 == 0 {
            bus.publish(&ROUTER_REGISTER, &claim(&uri(n)))
                .await
                .unwrap();
        }
    }
    let expected = |f: &Fixture| {
        let table = f.outlets.routes.load();
        (0..CLAIMS).all(|n| table.lookup(&uri(n), "/").is_some() == (n % 2 == 0))
    };
    fixture.until("every second one left", expected).await;
}

#[tokio::test]
async fn a_thread_that_panics_is_a_lost_bus_and_has_a_successor() {
    for thread in ["bus", "registrar"] {
        let hub = Hub::new();
        let (fixture, bus) = Fixture::in_memory(&hub).await;
        let mut starts = bus.subscribe(&ROUTER_START).await.unwrap();
        let register = async |uri: &str| {
            let sent = bus.publish(&ROUTER_REGISTER, &claim(uri)).await;
            sent.unwrap();
        };
        register("kept.test").await;
        fixture.until("registered", |f| f.has("kept.test")).await;
        let failures = || threads::failures().get(thread).copied().unwrap_or(0);
        let before = failures();
        let losses = fixture.metrics().bus_losses.get();
        *fixture.doomed.lock().unwrap() = Some(thread);
        register("lost.test").await;
        let counted = |f: &Fixture| failures() > before && f.metrics().bus_losses.get() > losses;
        fixture.until(thread, counted).await;
        // All registrars are asked for all that they have, and what they say counts.
        next_start(&mut starts).await;
        fixture.until("up", Fixture::is_up).await;
        assert!(fixture.has("kept.test"));
        register("lost.test").await;
        fixture.until("registered", |f| f.has("lost.test")).await;
        let message = claim("kept.test");
        bus.publish(&ROUTER_UNREGISTER, &message).await.unwrap();
        fixture.until("gone", |f| !f.has("kept.test")).await;
    }
}

#[tokio::test]
async fn nothing_lapses_while_there_is_no_reader() {
    let hub = Hub::new();
    let (fixture, bus) = Fixture::in_memory(&hub).await;
    bus.publish(&ROUTER_REGISTER, &claim("a.test"))
        .await
        .unwrap();
    fixture.until("registered", |f| f.has("a.test")).await;
    hub.stop();
    *fixture.doomed.lock().unwrap() = Some("registrar");
    for _ in 0..10 {
        fixture.pass(THRESHOLD * 2);
    }
    let done = |f: &Fixture| f.doomed.lock().unwrap().is_none();
    fixture.until("panicked", done).await;
    fixture.pass(THRESHOLD * 2);
    fixture.pass(PRUNE_INTERVAL);
    hub.start();
    fixture.until("up", Fixture::is_up).await;
    assert!(fixture.has("a.test"));
}

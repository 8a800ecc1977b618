use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::endpoint::{Description, Digest, RouteOptions, RoutePolicy};

const THRESHOLD: u64 = 120;

fn at(seconds: u64) -> Tick {
    Tick::from_millis(seconds * 1000)
}

fn config() -> RegistryConfig {
    RegistryConfig::default()
}

/// A registry that hears the bus, past its first cycle.
fn registry(config: RegistryConfig) -> Registry {
    let mut registry = Registry::new(config);
    registry.apply(Command::BusBack, at(0));
    assert!(matches!(
        registry.prune(at(0)),
        Cycle::Freshened | Cycle::Pruned(_)
    ));
    registry
}

fn claim(uri: &str, given: Description<'_>) -> Registration {
    let threshold = Duration::from_secs(THRESHOLD);
    let given = Description { threshold, ..given };
    Registration {
        key: RouteKey::parse(uri).unwrap(),
        facts: Facts::new(&given).unwrap(),
        origin: Origin::Bus,
        endpoint_updated_at_ns: 0,
        digest: Digest::NONE,
    }
}

fn host(host: &str) -> Description<'_> {
    Description {
        host,
        port: 80,
        ..Description::default()
    }
}

fn tls(host: &str) -> Description<'_> {
    Description {
        tls: true,
        ..self::host(host)
    }
}

impl Registry {
    fn on(&mut self, seconds: u64, uri: &str, given: Description<'_>) -> Change {
        let change = self.apply(Command::Register(claim(uri, given)), at(seconds));
        self.check_invariants();
        change
    }

    fn off(&mut self, seconds: u64, uri: &str, host: &str) -> Change {
        let address = format!("{host}:80").into();
        let withdrawal = Withdrawal {
            key: RouteKey::parse(uri).unwrap(),
            address,
        };
        let change = self.apply(Command::Unregister(withdrawal), at(seconds));
        self.check_invariants();
        change
    }

    fn files(&mut self, origin: Origin, registrations: Vec<Registration>) -> Change {
        self.apply(
            Command::ReplaceStatic {
                origin,
                registrations,
            },
            at(0),
        )
    }

    fn pruned(&mut self, seconds: u64) -> usize {
        match self.prune(at(seconds)) {
            Cycle::Pruned(change) => change.events().len(),
            cycle => panic!("no pruning but {cycle:?}"),
        }
    }

    /// Everything there is, as `uri=host,host`.
    fn routes(&self) -> Vec<String> {
        let mut routes: Vec<_> = self
            .table
            .iter()
            .map(|pool| {
                let hosts = pool
                    .endpoints()
                    .iter()
                    .map(|endpoint| endpoint.facts().host());
                format!("{}={}", pool.key(), hosts.collect::<Vec<_>>().join(","))
            })
            .collect();
        routes.sort();
        routes
    }

    fn only(&self, uri: &str) -> Arc<Endpoint> {
        let pool = self.table.get(&RouteKey::parse(uri).unwrap()).unwrap();
        Arc::clone(&pool.endpoints()[0])
    }
}

fn names(change: &Change) -> Vec<&'static str> {
    change
        .events()
        .iter()
        .map(|event| match event {
            Event::RouteAdded { .. } => "route+",
            Event::RouteRemoved { .. } => "route-",
            Event::EndpointAdded { .. } => "endpoint+",
            Event::EndpointUpdated { .. } => "endpoint~",
            Event::EndpointRemoved { why, .. } => why.name(),
        })
        .collect()
}

#[test]
fn a_route_lives_from_first_registration_to_last_withdrawal() {
    let mut registry = registry(config());
    assert_eq!(
        names(&registry.on(0, "a.test", host("x"))),
        ["route+", "endpoint+"]
    );
    assert_eq!(names(&registry.on(0, "a.test", host("y"))), ["endpoint+"]);
    assert_eq!(registry.routes(), ["a.test=x,y"]);
    assert_eq!(names(&registry.off(1, "a.test", "x")), ["unregistered"]);
    assert_eq!(names(&registry.off(1, "a.test", "x")), [""; 0]);
    assert_eq!(names(&registry.off(1, "b.test", "y")), [""; 0]);
    assert_eq!(
        names(&registry.off(2, "a.test", "y")),
        ["unregistered", "route-"]
    );
    assert!(registry.table().is_empty());
    assert_eq!(registry.last_change(), Some(at(2)));
}

#[test]
fn a_heartbeat_changes_nothing_but_a_timestamp() {
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    let (endpoint, generation) = (registry.only("a.test"), registry.table().generation());
    assert!(registry.on(60, "a.test", host("x")).is_empty());
    assert!(Arc::ptr_eq(&endpoint, &registry.only("a.test")));
    assert_eq!(registry.table().generation(), generation);
    assert_eq!(endpoint.renewed(), at(60));
}

#[test]
fn an_update_in_place_keeps_id_counts_and_marks() {
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    let before = registry.only("a.test");
    before.mark_failed(at(1));
    let change = registry.on(
        2,
        "a.test",
        Description {
            app: "other",
            ..tls("x")
        },
    );
    assert_eq!(names(&change), ["endpoint~"]);
    let after = registry.only("a.test");
    assert_eq!(after.facts().app(), "other");
    assert!(after.facts().is_tls());
    assert!(Arc::ptr_eq(after.stats(), before.stats()));
}

#[test]
fn an_id_stands_for_one_way_to_connect() {
    let mut registry = registry(config());
    let mut id_of = |given: Description<'_>| {
        registry.on(0, "a.test", given);
        registry.only("a.test").id()
    };
    let plain = id_of(host("x"));
    let app = Description {
        app: "other",
        ..host("x")
    };
    assert_eq!(id_of(app), plain);
    let named = |san| Description { san, ..tls("x") };
    let ids = [
        plain,
        id_of(named("i-1")),
        id_of(named("i-2")),
        id_of(tls("x")),
        id_of(Description {
            protocol: "http2",
            ..tls("x")
        }),
        id_of(host("x")),
    ];
    let different: BTreeSet<EndpointId> = ids.into_iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

/// An endpoint with wishes that tell it from others.
fn wishing(name: &str, max_conns: u32) -> Description<'_> {
    let policy = RoutePolicy {
        max_conns: Some(max_conns),
        first_byte: Some(Duration::from_secs(u64::from(max_conns))),
        ..RoutePolicy::default()
    };
    let options = RouteOptions {
        balance: Some(Balance::LeastConnection),
        route_service_url: format!("https://rs-{max_conns}.test"),
        policy,
        ..RouteOptions::default()
    };
    Description {
        options,
        ..host(name)
    }
}

/// The limit of connections, the balance and the route service of `a.test`.
fn rules(registry: &Registry) -> (Option<u32>, Balance, String) {
    let pool = registry.table.get(&RouteKey::parse("a.test").unwrap());
    let pool = pool.unwrap();
    (
        pool.policy().and_then(|policy| policy.max_conns),
        pool.balance(),
        pool.options()
            .map(|options| options.route_service_url.clone())
            .unwrap_or_default(),
    )
}

#[test]
fn the_operators_policy_leaves_with_the_operators_endpoints() {
    let none = (None, Balance::RoundRobin, String::new());
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    registry.files(Origin::Static, vec![claim("a.test", wishing("y", 7))]);
    let seven = "https://rs-7.test".to_owned();
    assert_eq!(
        rules(&registry),
        (Some(7), Balance::LeastConnection, seven.clone())
    );
    registry.files(Origin::Static, vec![]);
    assert_eq!(rules(&registry), none);

    // Of several that remain, the last one that was heard speaks.
    registry.on(1, "a.test", wishing("v", 2));
    registry.on(2, "a.test", wishing("w", 3));
    registry.on(3, "a.test", wishing("v", 2));
    registry.files(Origin::Static, vec![claim("a.test", wishing("y", 7))]);
    registry.files(Origin::Static, vec![]);
    assert_eq!(rules(&registry).0, Some(2));
    registry.off(4, "a.test", "v");
    assert_eq!(rules(&registry).0, Some(3));
    registry.off(4, "a.test", "w");
    assert_eq!(rules(&registry), none, "x never wished for anything");
}

#[test]
fn the_wishes_of_who_lapsed_or_was_somebody_else_are_forgotten() {
    let secure = Description {
        tls: true,
        ..wishing("z", 5)
    };
    let mut registry = registry(config());
    registry.on(0, "a.test", wishing("x", 2));
    registry.on(0, "a.test", secure);
    let key = RouteKey::parse("a.test").unwrap();
    let endpoint = registry.table.get(&key).unwrap().speaker().cloned();
    registry.prune_endpoint(&key, &endpoint.unwrap(), at(1));
    assert_eq!(rules(&registry).0, Some(2));
    registry.on(THRESHOLD, "a.test", host("y"));
    registry.on(THRESHOLD, "a.test", wishing("w", 9));
    registry.off(THRESHOLD, "a.test", "w");
    assert_eq!(rules(&registry).0, None, "y was heard after x");
    assert_eq!(registry.pruned(THRESHOLD + 1), 1);
    assert_eq!(rules(&registry).0, None);
}

#[test]
fn the_configuration_speaks_before_the_routes_file_however_often_that_is_read() {
    let mut registry = registry(config());
    registry.files(Origin::Static, vec![claim("a.test", wishing("x", 7))]);
    registry.files(Origin::RoutesFile, vec![claim("a.test", wishing("y", 8))]);
    assert_eq!(rules(&registry).0, Some(7));
    registry.files(Origin::RoutesFile, vec![claim("a.test", wishing("y", 9))]);
    assert_eq!(rules(&registry).0, Some(7));
    registry.files(Origin::Static, vec![]);
    assert_eq!(rules(&registry).0, Some(9));
}

#[test]
fn the_last_registration_decides_for_the_route() {
    let wish = |balance| RouteOptions {
        balance: Some(balance),
        ..RouteOptions::default()
    };
    let least = Description {
        options: wish(Balance::LeastConnection),
        ..host("x")
    };
    let mut registry = registry(config());
    let balance = |registry: &Registry| {
        registry
            .table
            .get(&RouteKey::parse("a.test").unwrap())
            .unwrap()
            .balance()
    };
    registry.on(0, "a.test", least.clone());
    assert_eq!(balance(&registry), Balance::LeastConnection);
    registry.on(0, "a.test", host("y"));
    assert_eq!(balance(&registry), Balance::RoundRobin);
    assert!(
        registry.on(1, "a.test", least).is_empty(),
        "a heartbeat is no new decision"
    );
    assert_eq!(balance(&registry), Balance::RoundRobin);
}

#[test]
fn plain_claims_lapse_and_tls_claims_do_not() {
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    registry.on(0, "a.test", tls("y"));
    assert_eq!(
        registry.pruned(THRESHOLD),
        0,
        "not yet older than the threshold"
    );
    assert_eq!(registry.pruned(THRESHOLD + 1), 1);
    assert_eq!(registry.routes(), ["a.test=y"]);
    assert_eq!(registry.pruned(1_000_000), 0);
}

#[test]
fn tls_claims_lapse_when_the_operator_says_so() {
    let tls_threshold = Some(Duration::from_secs(600));
    let mut registry = registry(RegistryConfig {
        tls_threshold,
        ..config()
    });
    registry.on(0, "a.test", tls("y"));
    assert_eq!(registry.pruned(600), 0);
    assert_eq!(registry.pruned(601), 2);
}

#[test]
fn nothing_lapses_while_the_bus_is_away() {
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    registry.apply(Command::BusLost, at(10));
    assert!(matches!(registry.prune(at(1000)), Cycle::Suspended));
    registry.apply(Command::BusBack, at(2000));
    assert!(matches!(registry.prune(at(2010)), Cycle::Freshened));
    assert_eq!(registry.only("a.test").renewed(), at(2010));
    assert_eq!(registry.pruned(2010 + THRESHOLD), 0);
    assert_eq!(registry.pruned(2011 + THRESHOLD), 2);
}

#[test]
fn unless_the_operator_prefers_it() {
    let mut registry = registry(RegistryConfig {
        suspend_pruning: false,
        ..config()
    });
    registry.on(0, "a.test", host("x"));
    registry.apply(Command::BusLost, at(10));
    assert_eq!(registry.pruned(THRESHOLD + 1), 2);
}

#[test]
fn nothing_lapses_before_the_bus_was_ever_heard() {
    let mut registry = Registry::new(config());
    registry.on(0, "a.test", host("x"));
    assert!(matches!(registry.prune(at(1000)), Cycle::Suspended));
}

#[test]
fn an_empty_route_is_kept_for_a_while() {
    let empty_pool_timeout = Duration::from_secs(60);
    let mut registry = registry(RegistryConfig {
        empty_pool_timeout,
        ..config()
    });
    registry.on(0, "a.test", host("x"));
    assert_eq!(names(&registry.off(10, "a.test", "x")), ["unregistered"]);
    assert_eq!(registry.routes(), ["a.test="]);
    assert_eq!(names(&registry.on(20, "a.test", host("x"))), ["endpoint+"]);
    registry.off(50, "a.test", "x");
    assert_eq!(
        registry.pruned(109),
        0,
        "counted from when it was last emptied"
    );
    assert_eq!(registry.pruned(110), 1);
    assert!(registry.table().is_empty());
}

#[test]
fn a_false_identity_is_removed_at_once() {
    let mut registry = registry(config());
    registry.on(0, "a.test", tls("x"));
    registry.on(0, "b.test", host("x"));
    let (a, b) = (registry.only("a.test"), registry.only("b.test"));
    let key = |uri| RouteKey::parse(uri).unwrap();
    assert!(
        registry
            .prune_endpoint(&key("b.test"), &b, at(1))
            .is_empty(),
        "plain only fails"
    );
    registry.on(
        1,
        "a.test",
        Description {
            san: "new",
            ..tls("x")
        },
    );
    assert!(
        registry
            .prune_endpoint(&key("a.test"), &a, at(2))
            .is_empty(),
        "an older version"
    );
    let current = registry.only("a.test");
    let change = registry.prune_endpoint(&key("a.test"), &current, at(2));
    assert_eq!(names(&change), ["wrong_identity", "route-"]);
    registry.check_invariants();
}

#[test]
fn the_operators_routes_belong_to_the_operator() {
    let mut registry = registry(config());
    registry.on(0, "a.test", host("x"));
    registry.on(0, "a.test", host("y"));
    let policy = RoutePolicy {
        max_conns: Some(7),
        ..RoutePolicy::default()
    };
    let options = RouteOptions {
        policy,
        ..RouteOptions::default()
    };
    let ours = || Description {
        options: options.clone(),
        ..host("x")
    };
    let change = registry.files(Origin::Static, vec![claim("a.test", ours())]);
    assert_eq!(names(&change), ["endpoint~"]);
    assert!(
        registry
            .files(Origin::Static, vec![claim("a.test", ours())])
            .is_empty()
    );

    assert!(
        registry
            .on(
                1,
                "a.test",
                Description {
                    app: "other",
                    ..host("x")
                }
            )
            .is_empty()
    );
    assert!(registry.off(1, "a.test", "x").is_empty());
    registry.on(2, "a.test", host("z"));
    let pool = Arc::clone(
        registry
            .table
            .get(&RouteKey::parse("a.test").unwrap())
            .unwrap(),
    );
    assert_eq!(pool.policy().and_then(|policy| policy.max_conns), Some(7));

    assert_eq!(registry.pruned(1_000), 2, "y and z lapse, x does not");
    assert_eq!(registry.routes(), ["a.test=x"]);
    assert_eq!(
        names(&registry.files(Origin::Static, vec![])),
        ["removed_by_operator", "route-"]
    );
}

#[test]
fn the_configuration_comes_before_the_routes_file() {
    let mut registry = registry(config());
    registry.files(Origin::Static, vec![claim("a.test", host("x"))]);
    let file = || vec![claim("a.test", host("x")), claim("b.test", host("y"))];
    assert_eq!(
        names(&registry.files(Origin::RoutesFile, file())),
        ["route+", "endpoint+"]
    );
    assert_eq!(registry.only("a.test").origin(), Origin::Static);
    registry.files(Origin::RoutesFile, vec![]);
    assert_eq!(registry.routes(), ["a.test=x"]);
}

#[test]
fn what_a_snapshot_knew_is_confirmed_by_the_bus() {
    let mut registry = registry(config());
    registry.on(0, "b.test", host("y"));
    let known = vec![claim("a.test", host("x")), claim("b.test", tls("y"))];
    assert_eq!(
        registry.restore(known, at(5)),
        1,
        "the bus knows better about b.test"
    );
    assert_eq!(registry.only("a.test").origin(), Origin::Snapshot);
    assert!(!registry.only("b.test").facts().is_tls());
    assert!(
        registry.on(9, "a.test", host("x")).is_empty(),
        "a confirmation is a heartbeat"
    );
    assert_eq!(registry.only("a.test").origin(), Origin::Bus);
}

#[test]
fn another_registry_goes_on_from_the_table_in_use() {
    let keep_empty = RegistryConfig {
        empty_pool_timeout: Duration::from_secs(100),
        ..config()
    };
    let mut before = registry(keep_empty.clone());
    before.on(0, "a.test", wishing("x", 3));
    before.on(0, "b.test", host("y"));
    before.off(0, "b.test", "y");
    let mut after = Registry::resume(keep_empty, before.table());
    after.check_invariants();
    assert!(matches!(after.prune(at(1_000)), Cycle::Suspended));
    after.apply(Command::BusBack, at(1_000));
    assert!(matches!(after.prune(at(1_000)), Cycle::Freshened));
    let change = after.on(1_001, "a.test", host("z"));
    assert_eq!(names(&change), ["endpoint+"]);
    let pool = after.table.get(&RouteKey::parse("a.test").unwrap());
    let ids = pool.unwrap().endpoints().iter().map(|e| e.id());
    assert_eq!(
        ids.collect::<BTreeSet<_>>().len(),
        2,
        "no id is given twice"
    );
    assert_eq!(after.pruned(1_002), 1, "the empty route goes");
    assert_eq!(after.routes(), ["a.test=x,z"]);
}

#[test]
fn components_are_numbered_once() {
    let tags = |name| [("component", name)].into_iter().collect();
    let (dea, cc) = (tags("dea"), tags("cc"));
    let mut registry = registry(config());
    for (uri, tags) in [("a.test", &dea), ("b.test", &cc), ("c.test", &dea)] {
        registry.on(
            0,
            uri,
            Description {
                tags: Some(tags),
                ..host("x")
            },
        );
    }
    assert_eq!(
        registry.only("a.test").component(),
        registry.only("c.test").component()
    );
    let table = registry.table();
    let names: Vec<_> = table.components().names().collect();
    assert_eq!(names, ["dea", "cc"]);
}

#[derive(Debug, Clone)]
enum Step {
    On(u8, u8, bool),
    Off(u8, u8),
    Prune,
    Lost,
    Back,
    Static(Vec<u8>),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        6 => (0u8..4, 0u8..4, any::<bool>()).prop_map(|(r, e, tls)| Step::On(r, e, tls)),
        3 => (0u8..4, 0u8..4).prop_map(|(r, e)| Step::Off(r, e)),
        3 => Just(Step::Prune),
        1 => Just(Step::Lost),
        1 => Just(Step::Back),
        1 => proptest::collection::vec(0u8..4, 0..3).prop_map(Step::Static),
    ];
    (0u64..90, step)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn invariants_hold_and_nothing_lapses_early(
        steps in proptest::collection::vec(step(), 0..60),
        keep_empty in any::<bool>(),
    ) {
        let empty_pool_timeout = Duration::from_secs(if keep_empty { 100 } else { 0 });
        let mut registry = Registry::new(RegistryConfig { empty_pool_timeout, ..config() });
        let mut renewed = BTreeMap::new();
        let mut now = 0;
        for (wait, step) in steps {
            now += wait;
            match step {
                Step::On(route, endpoint, tls) => {
                    let (uri, name) = (format!("r{route}.test/x"), format!("e{endpoint}"));
                    registry.on(now, &uri, Description { tls, ..host(&name) });
                    renewed.insert((uri, format!("{name}:80")), now);
                }
                Step::Off(route, endpoint) => {
                    registry.off(now, &format!("r{route}.test/x"), &format!("e{endpoint}"));
                }
                Step::Prune => {
                    if let Cycle::Pruned(change) = registry.prune(at(now)) {
                        for event in change.events() {
                            if let Event::EndpointRemoved { key, endpoint, .. } = event {
                                let claim = (key.to_string(), endpoint.address().to_owned());
                                prop_assert!(now - renewed[&claim] > THRESHOLD);
                                prop_assert!(!endpoint.facts().is_tls());
                                prop_assert!(!endpoint.origin().is_operator());
                            }
                        }
                    }
                }
                Step::Lost => {
                    registry.apply(Command::BusLost, at(now));
                }
                Step::Back => {
                    registry.apply(Command::BusBack, at(now));
                }
                Step::Static(endpoints) => {
                    let claims = endpoints.iter().map(|endpoint| {
                        claim(&format!("r{endpoint}.test/x"), host(&format!("e{endpoint}")))
                    });
                    registry.files(Origin::Static, claims.collect());
                }
            }
            registry.check_invariants();
        }
    }
}

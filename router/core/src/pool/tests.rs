use std::collections::BTreeMap;

use super::*;
use crate::endpoint::{Description, Facts, Origin};

const EJECTION: Duration = Duration::from_secs(30);
const NOW: Tick = Tick::from_millis(1_000_000);

fn want<'a>() -> Want<'a> {
    Want {
        tried: &[],
        instance: None,
        first_attempt: true,
        zone: None,
        max_conns: 0,
        ejection: EJECTION,
        now: NOW,
        entropy: 0,
    }
}

/// A pool whose endpoints are called by their hosts: `a`, `b`, `c`...
fn pool(balance: Balance, given: &[Description<'_>]) -> Pool {
    let mut pool = Pool::new(RouteKey::parse("app.test").unwrap(), 0);
    for (id, given) in (0..).zip(given) {
        let facts = Facts::new(given).unwrap();
        let endpoint = Endpoint::new(EndpointId(id), facts, Origin::Bus, NOW);
        pool.insert(Arc::new(endpoint), balance);
    }
    pool
}

fn at(host: &str) -> Description<'_> {
    Description {
        host,
        port: 1,
        ..Description::default()
    }
}

fn abc(balance: Balance) -> Pool {
    pool(balance, &[at("a"), at("b"), at("c")])
}

fn pick(pool: &Pool, want: &Want<'_>) -> Result<String, NoEndpoint> {
    pool.pick(want)
        .map(|(endpoint, _)| endpoint.facts().host().to_owned())
}

fn picks(pool: &Pool, want: &Want<'_>, times: usize) -> String {
    (0..times).map(|_| pick(pool, want).unwrap()).collect()
}

#[test]
fn round_robin_takes_turns() {
    assert_eq!(picks(&abc(Balance::RoundRobin), &want(), 7), "abcabca");
}

#[test]
fn weights_are_interleaved() {
    let heavy = Description {
        weight: 2,
        ..at("a")
    };
    assert_eq!(
        picks(&pool(Balance::RoundRobin, &[heavy, at("b")]), &want(), 6),
        "abaaba"
    );
}

#[test]
fn the_one_after_an_ejected_endpoint_gets_no_second_share() {
    let pool = abc(Balance::RoundRobin);
    pool.endpoints()[0].mark_failed(NOW);
    let mut counts = BTreeMap::new();
    for name in picks(&pool, &want(), 20).chars() {
        *counts.entry(name).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([('b', 10), ('c', 10)]));
}

#[test]
fn an_ejection_ends() {
    let pool = abc(Balance::RoundRobin);
    pool.endpoints()[1].mark_failed(NOW);
    assert_eq!(picks(&pool, &want(), 3), "aca");
    let later = Want {
        now: NOW.plus(EJECTION),
        ..want()
    };
    assert!(picks(&pool, &later, 3).contains('b'));
}

#[test]
fn when_all_have_failed_all_are_forgiven() {
    for balance in [Balance::RoundRobin, Balance::LeastConnection] {
        let pool = abc(balance);
        pool.endpoints()
            .iter()
            .for_each(|endpoint| endpoint.mark_failed(NOW));
        assert!(pick(&pool, &want()).is_ok());
        assert!(
            pool.endpoints()
                .iter()
                .all(|e| !e.stats().is_ejected(EJECTION, NOW))
        );
    }
}

#[test]
fn a_retry_goes_elsewhere_until_nowhere_is_left() {
    let pool = abc(Balance::RoundRobin);
    let ids: Vec<_> = pool
        .endpoints()
        .iter()
        .map(|endpoint| endpoint.id())
        .collect();
    let retry = Want {
        tried: &ids[..2],
        first_attempt: false,
        ..want()
    };
    assert_eq!(picks(&pool, &retry, 3), "ccc");
    pool.endpoints()[2].mark_failed(NOW);
    assert_eq!(picks(&pool, &retry, 1), "c");
    assert_eq!(
        pick(
            &pool,
            &Want {
                tried: &ids,
                ..want()
            }
        ),
        Err(NoEndpoint::AllTried)
    );
}

#[test]
fn the_limit_is_for_each_endpoint() {
    for balance in [Balance::RoundRobin, Balance::LeastConnection] {
        let pool = abc(balance);
        let limited = Want {
            max_conns: 2,
            ..want()
        };
        let held: Vec<_> = (0..6).map(|_| pool.pick(&limited).unwrap().1).collect();
        assert_eq!(pick(&pool, &limited), Err(NoEndpoint::Overloaded));
        assert!(
            pool.endpoints()
                .iter()
                .all(|endpoint| endpoint.stats().in_flight() == 2)
        );
        drop(held);
        assert!(pick(&pool, &limited).is_ok());
    }
}

#[test]
fn the_limit_of_the_route_comes_first() {
    let policy = RoutePolicy {
        max_conns: Some(1),
        ..RoutePolicy::default()
    };
    let options = RouteOptions {
        policy,
        ..RouteOptions::default()
    };
    let pool = pool(Balance::RoundRobin, &[Description { options, ..at("a") }]);
    let held = pool.pick(&want()).unwrap();
    assert_eq!(
        pick(
            &pool,
            &Want {
                max_conns: 5,
                ..want()
            }
        ),
        Err(NoEndpoint::Overloaded)
    );
    drop(held);
}

#[test]
fn least_connection_takes_the_least_loaded() {
    let pool = abc(Balance::LeastConnection);
    let _a = pool.endpoints()[0].stats().begin(0);
    let _c = pool.endpoints()[2].stats().begin(0);
    assert_eq!(picks(&pool, &want(), 3), "bbb");
    let _b = pool.endpoints()[1].stats().begin(0);
    assert_eq!(pick(&pool, &want()).unwrap(), "a");
    assert_eq!(
        pick(
            &pool,
            &Want {
                entropy: u64::MAX / 2,
                ..want()
            }
        )
        .unwrap(),
        "b"
    );
    assert_eq!(
        pick(
            &pool,
            &Want {
                entropy: u64::MAX,
                ..want()
            }
        )
        .unwrap(),
        "c"
    );
}

#[test]
fn least_connection_counts_by_weight() {
    let pool = pool(
        Balance::LeastConnection,
        &[
            Description {
                weight: 3,
                ..at("a")
            },
            at("b"),
        ],
    );
    let held: Vec<_> = (0..8).map(|_| pool.pick(&want()).unwrap()).collect();
    let on_a = held
        .iter()
        .filter(|(endpoint, _)| endpoint.facts().host() == "a")
        .count();
    assert_eq!(on_a, 6);
}

#[test]
fn a_large_pool_is_not_walked_in_whole() {
    let hosts: Vec<_> = (0..1000).map(|n| format!("h{n}")).collect();
    let given: Vec<_> = hosts.iter().map(|host| at(host)).collect();
    let pool = pool(Balance::LeastConnection, &given);
    for entropy in [0, u64::MAX / 3, u64::MAX] {
        assert!(pick(&pool, &Want { entropy, ..want() }).is_ok());
    }
    pool.endpoints()[..999]
        .iter()
        .for_each(|endpoint| endpoint.mark_failed(NOW));
    assert_eq!(pick(&pool, &want()).unwrap(), "h999");
}

#[test]
fn the_own_zone_is_preferred_at_first() {
    let near = Description {
        availability_zone: "z1",
        ..at("a")
    };
    let pool = pool(Balance::RoundRobin, &[near, at("b"), at("c")]);
    let local = Want {
        zone: Some("z1"),
        ..want()
    };
    assert_eq!(picks(&pool, &local, 4), "aaaa");
    assert!(
        picks(
            &pool,
            &Want {
                first_attempt: false,
                ..local.clone()
            },
            3
        )
        .contains('b')
    );
    assert!(
        picks(
            &pool,
            &Want {
                zone: Some("z9"),
                ..want()
            },
            3
        )
        .contains('b')
    );
    pool.endpoints()[0].mark_failed(NOW);
    assert!(!picks(&pool, &local, 4).contains('a'));
}

#[test]
fn an_instance_can_be_named() {
    let tags = [("process_id", "proc")].into_iter().collect();
    let copy = |host, index| Description {
        app: "guid",
        instance_index: index,
        tags: Some(&tags),
        ..at(host)
    };
    let pool = pool(
        Balance::RoundRobin,
        &[copy("a", "0"), copy("b", "1"), at("c")],
    );
    let named = |instance| Want {
        instance: Some(instance),
        ..want()
    };

    let app = named(Asked::App {
        guid: "guid",
        index: "1",
    });
    assert_eq!(picks(&pool, &app, 3), "bbb");
    let process = named(Asked::Process {
        guid: "proc",
        index: Some("0"),
    });
    assert_eq!(picks(&pool, &process, 2), "aa");
    let any = named(Asked::Process {
        guid: "proc",
        index: None,
    });
    assert!(!picks(&pool, &any, 6).contains('c'));
    for missing in [
        Asked::App {
            guid: "guid",
            index: "2",
        },
        Asked::App {
            guid: "other",
            index: "0",
        },
        Asked::Process {
            guid: "guid",
            index: None,
        },
    ] {
        assert_eq!(
            pick(&pool, &named(missing)),
            Err(NoEndpoint::NoSuchInstance)
        );
    }
}

#[test]
fn a_named_instance_is_taken_even_when_it_has_failed() {
    let copy = |host, index| Description {
        app: "guid",
        instance_index: index,
        ..at(host)
    };
    let pool = pool(Balance::RoundRobin, &[copy("a", "0"), copy("b", "1")]);
    let app = Want {
        instance: Some(Asked::App {
            guid: "guid",
            index: "1",
        }),
        ..want()
    };
    pool.endpoints()[1].mark_failed(NOW);
    assert_eq!(picks(&pool, &app, 1), "b");
    let held = pool.endpoints()[1].stats().begin(1);
    let limited = Want {
        max_conns: 1,
        ..app
    };
    assert_eq!(pick(&pool, &limited), Err(NoEndpoint::Overloaded));
    drop(held);
}

#[test]
fn an_empty_pool_says_so() {
    assert_eq!(
        pick(&pool(Balance::RoundRobin, &[]), &want()),
        Err(NoEndpoint::Empty)
    );
}

#[test]
fn members_come_and_go() {
    let mut pool = abc(Balance::RoundRobin);
    assert_eq!(pool.find("b:1").map(|(index, _)| index), Some(1));
    assert!(pool.find("d:1").is_none());
    assert_eq!(pool.remove(1, Balance::RoundRobin).address(), "b:1");
    assert_eq!(pool.remove(0, Balance::RoundRobin).address(), "a:1");
    assert_eq!(pool.find("c:1").map(|(index, _)| index), Some(0));
    assert_eq!(pool.remove(0, Balance::RoundRobin).address(), "c:1");
    assert!(pool.endpoints().is_empty());
}

use proptest::prelude::*;

use super::*;
use crate::balance::Balance;
use crate::endpoint::{Description, Endpoint, EndpointId, Facts, Origin};
use component_core::tick::Tick;

fn endpoint() -> Arc<Endpoint> {
    let given = Description {
        host: "10.0.0.1",
        port: 1,
        ..Description::default()
    };
    let facts = Facts::new(&given).unwrap();
    Arc::new(Endpoint::new(
        EndpointId(1),
        facts,
        Origin::Bus,
        Tick::default(),
    ))
}

fn add(table: &mut RouteTable, uri: &str, serving: bool) {
    let key = RouteKey::parse(uri).unwrap();
    table.update(
        &key,
        || Pool::new(key.clone(), 0),
        |pool| {
            while !pool.endpoints().is_empty() {
                pool.remove(0, Balance::RoundRobin);
            }
            if serving {
                pool.insert(endpoint(), Balance::RoundRobin);
            }
        },
    );
}

/// A table of these routes; those that start with `-` have no endpoints.
fn table(uris: &[&str]) -> RouteTable {
    let mut table = RouteTable::default();
    for uri in uris {
        add(
            &mut table,
            uri.trim_start_matches('-'),
            !uri.starts_with('-'),
        );
    }
    table
}

fn check(uris: &[&str], host: &str, path: &str, expected: Option<&str>) {
    let table = table(uris);
    let found = table.lookup(host, path).map(|pool| pool.key().as_str());
    assert_eq!(found, expected, "{host}{path} among {uris:?}");
    assert_eq!(found, naive(&table, host, path), "the model disagrees");
}

/// The rules, written down as a scan of all routes.
fn naive<'t>(table: &'t RouteTable, host: &str, path: &str) -> Option<&'t str> {
    let host = crate::host::bare(host).to_ascii_lowercase();
    let path = path
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let path = path.strip_suffix('/').unwrap_or(&path);
    let mut form = host.clone();
    loop {
        let covers = |pool: &&Arc<Pool>| {
            let (prefix, key) = (pool.key().path(), pool.key().host());
            let rest = path.strip_prefix(prefix);
            key == form
                && rest.is_some_and(|rest| {
                    prefix.is_empty() || rest.is_empty() || rest.starts_with('/')
                })
        };
        let best = table
            .iter()
            .filter(covers)
            .max_by_key(|pool| (!pool.endpoints().is_empty(), pool.key().path().len()));
        if let Some(best) = best {
            return Some(best.key().as_str());
        }
        let rest = form.strip_prefix("*.").unwrap_or(&form);
        form = format!("*{}", &rest[rest.find('.')?..]);
    }
}

#[test]
fn the_longest_path_on_a_segment_boundary_wins() {
    let uris = ["foo.com", "foo.com/a", "foo.com/a/b/c"];
    check(&uris, "foo.com", "/", Some("foo.com"));
    check(&uris, "foo.com", "", Some("foo.com"));
    check(&uris, "foo.com", "*", Some("foo.com"));
    check(&uris, "foo.com", "/a", Some("foo.com/a"));
    check(&uris, "foo.com", "/a/", Some("foo.com/a"));
    check(&uris, "foo.com", "/a?b/c", Some("foo.com/a"));
    check(&uris, "foo.com", "/a/?b", Some("foo.com/a"));
    check(&uris, "foo.com", "/ab", Some("foo.com"));
    check(&uris, "foo.com", "/a/b", Some("foo.com/a"));
    check(&uris, "foo.com", "/a/b/c/d/e", Some("foo.com/a/b/c"));
    check(&uris, "foo.com", "/a/b/cd", Some("foo.com/a"));
    check(&uris, "foo.com", "//a", Some("foo.com"));
    check(&["foo.com/a"], "foo.com", "/b", None);
    check(&["foo.com/a"], "foo.com", "/", None);
    check(&["foo.com//"], "foo.com", "//", Some("foo.com/"));
    check(&["foo.com//"], "foo.com", "//x", Some("foo.com/"));
}

#[test]
fn case_and_port_do_not_count() {
    check(&["Foo.com/A"], "fOO.com:8080", "/a/B", Some("foo.com/a"));
    check(&["[::1]"], "[::1]:80", "/", Some("[::1]"));
    check(&["foo.com"], "foo.com.", "/", Some("foo.com"));
    check(&["foo.com"], "", "/", None);
    check(&["foo.com"], ":80", "/", None);
}

#[test]
fn the_exact_host_beats_wildcards_and_narrow_ones_beat_wide_ones() {
    let uris = ["*.com", "*.c.com", "a.b.c.com/x"];
    check(&uris, "a.b.c.com", "/x/y", Some("a.b.c.com/x"));
    check(&uris, "a.b.c.com", "/y", Some("*.c.com"));
    check(&uris, "c.com", "/", Some("*.com"));
    check(&uris, "com", "/", None);
    check(&uris, "*.c.com", "/", Some("*.c.com"));
    check(&["*.c.com/api"], "a.c.com", "/api/v1", Some("*.c.com/api"));
    check(&["*.c.com/api"], "a.c.com", "/", None);
    check(&["*.com"], ".com", "/", Some("*.com"));
    check(&["*.com"], "*.c.com", "/", Some("*.com"));
}

#[test]
fn an_empty_pool_is_the_last_resort() {
    check(
        &["-foo.com/a/b", "foo.com/a"],
        "foo.com",
        "/a/b",
        Some("foo.com/a"),
    );
    check(
        &["-foo.com/a/b", "-foo.com/a"],
        "foo.com",
        "/a/b",
        Some("foo.com/a/b"),
    );
    check(&["-foo.com/a", "foo.com"], "foo.com", "/a", Some("foo.com"));
    check(
        &["-foo.com", "-foo.com/a"],
        "foo.com",
        "/b",
        Some("foo.com"),
    );
    check(
        &["-a.foo.com", "*.foo.com"],
        "a.foo.com",
        "/",
        Some("a.foo.com"),
    );
}

#[test]
fn a_hostile_path_costs_no_more_than_the_routes_are_deep() {
    let path = "/".repeat(4_000);
    let table = table(&["foo.com", "foo.com/a/b"]);
    assert_eq!(
        table.lookup("foo.com", &path).unwrap().key().as_str(),
        "foo.com"
    );
    let labels = "a.".repeat(126) + "com";
    assert!(table.lookup(&labels, &path).is_none());
}

#[test]
fn counts_follow_every_change() {
    let mut table = table(&["a.com", "a.com/x", "-b.com", "*.c.com", "*.c.com/y"]);
    assert_eq!(
        (table.len(), table.endpoints(), table.iter().count()),
        (5, 4, 5)
    );
    let before = table.clone();
    for uri in ["a.com", "*.c.com/y", "*.c.com", "a.com/x", "b.com"] {
        let key = RouteKey::parse(uri).unwrap();
        assert!(table.remove(&key).is_some(), "{uri}");
        assert!(table.remove(&key).is_none(), "{uri}");
    }
    assert!(table.is_empty() && table.wildcards.is_empty());
    assert_eq!((table.endpoints(), table.iter().count()), (0, 0));
    assert!(table.generation() > before.generation());
    assert_eq!(
        before.iter().count(),
        5,
        "a table that was given out does not change"
    );
}

fn part() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["a", "B", "c", "", "ab"]).prop_map(str::to_owned)
}

fn host() -> impl Strategy<Value = String> {
    (proptest::collection::vec(part(), 1..4), any::<bool>()).prop_map(|(labels, wildcard)| {
        let star = if wildcard { "*." } else { "" };
        format!("{star}{}", labels.join("."))
    })
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(part(), 0..5)
        .prop_map(|parts| parts.iter().map(|part| format!("/{part}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lookup_equals_a_naive_scan(
        routes in proptest::collection::vec((host(), path(), any::<bool>()), 0..24),
        removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        requests in proptest::collection::vec((host(), path()), 1..12),
    ) {
        let mut table = RouteTable::default();
        let mut keys = Vec::new();
        for (host, path, serving) in routes {
            let uri = host + &path;
            if let Ok(key) = RouteKey::parse(&uri) {
                add(&mut table, &uri, serving);
                keys.push(key);
            }
        }
        for index in removed {
            if !keys.is_empty() {
                table.remove(index.get(&keys));
            }
        }
        for (host, path) in requests {
            let found = table.lookup(&host, &path).map(|pool| pool.key().as_str());
            prop_assert_eq!(found, naive(&table, &host, &path), "{}{}", host, path);
        }
    }
}

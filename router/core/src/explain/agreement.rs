//! What is explained is what is served: random tables, random requests, and each side's answer.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use protocol::bus::Tags;

use super::*;
use crate::balance::Balance;
use crate::endpoint::{
    Description, Digest, EndpointId, Facts, InFlight, RouteOptions, RoutePolicy,
};
use crate::failure::Failure;
use crate::http1::Limits;
use crate::http1::request::RequestParser;
use crate::instance::asked;
use crate::registration::{Registration, Withdrawal};
use crate::registry::{Command, Registry, RegistryConfig};
use crate::route::RouteKey;
use component_core::tick::Tick;

const EJECTION: Duration = Duration::from_secs(30);
const NOW: Tick = Tick::from_millis(100_000);
const APP: &str = "00000000-0000-4000-8000-000000000001";
const PROCESS: &str = "00000000-0000-4000-8000-000000000002";

/// Some have most of the endpoints, so that there is something to choose.
const ROUTES: [&str; 13] = [
    "a.test",
    "a.test",
    "a.test",
    "a.test/x",
    "a.test/x",
    "a.test/x/y",
    "b.a.test",
    "*.a.test",
    "*.a.test",
    "*.a.test/x",
    "*.test",
    "*.test/x/y",
    "c.test/x",
];

/// One endpoint of one route, what it wishes for, and how it stands.
#[derive(Clone, Debug)]
struct Member {
    route: &'static str,
    host: u8,
    zone: &'static str,
    tls: bool,
    weight: u16,
    index: u8,
    by_process: bool,
    balance: Option<Balance>,
    max_conns: Option<u32>,
    service: bool,
    ejected: bool,
    busy: u32,
    /// It is withdrawn again, and may leave its route without endpoints.
    leaves: bool,
}

fn member() -> impl Strategy<Value = Member> {
    let balance = vec![
        None,
        Some(Balance::RoundRobin),
        Some(Balance::LeastConnection),
    ];
    let limit = vec![None, None, Some(0), Some(1), Some(2)];
    let wish = (
        select(balance),
        select(limit),
        proptest::bool::weighted(0.05),
    );
    let zone = select(&["", "z1"][..]);
    let facts = (zone, any::<bool>(), 1u16..4, 0u8..3, any::<bool>());
    let often = || proptest::bool::weighted(0.3);
    (
        select(&ROUTES[..]),
        0u8..4,
        facts,
        wish,
        (often(), 0u32..3, often()),
    )
        .prop_map(|(route, host, facts, wish, standing)| {
            let (zone, tls, weight, index, by_process) = facts;
            let (balance, max_conns, service) = wish;
            let (ejected, busy, leaves) = standing;
            Member {
                route,
                host,
                zone,
                tls,
                weight,
                index,
                by_process,
                balance,
                max_conns,
                service,
                ejected,
                busy,
                leaves,
            }
        })
}

impl Member {
    fn key(&self) -> RouteKey {
        RouteKey::parse(self.route).unwrap()
    }

    fn address(&self) -> String {
        format!("e{}:80", self.host)
    }

    fn claim(&self) -> Registration {
        let labels = [("process_id", PROCESS)];
        let tags: Tags = labels.into_iter().filter(|_| self.by_process).collect();
        let given = Description {
            host: &format!("e{}", self.host),
            port: 80,
            tls: self.tls,
            app: APP,
            instance_index: &self.index.to_string(),
            availability_zone: self.zone,
            tags: Some(&tags),
            threshold: Duration::from_secs(120),
            weight: self.weight,
            options: RouteOptions {
                balance: self.balance,
                route_service_url: if self.service { "https://s.test" } else { "" }.into(),
                policy: RoutePolicy {
                    max_conns: self.max_conns,
                    ..RoutePolicy::default()
                },
                ..RouteOptions::default()
            },
            ..Description::default()
        };
        Registration {
            key: self.key(),
            facts: Facts::new(&given).unwrap(),
            origin: Origin::Bus,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        }
    }
}

/// The table of these members, and the exchanges that keep them busy.
fn table(members: &[Member]) -> (RouteTable, Vec<InFlight>) {
    let mut registry = Registry::new(RegistryConfig {
        empty_pool_timeout: Duration::from_secs(3600),
        ..RegistryConfig::default()
    });
    for member in members {
        registry.apply(Command::Register(member.claim()), Tick::from_millis(1));
    }
    for member in members.iter().filter(|member| member.leaves) {
        let withdrawal = Withdrawal {
            key: member.key(),
            address: member.address().into(),
        };
        registry.apply(Command::Unregister(withdrawal), Tick::from_millis(2));
    }
    let (table, mut busy) = (registry.table(), Vec::new());
    for member in members {
        let found = table
            .get(&member.key())
            .and_then(|pool| pool.find(&member.address()));
        if let Some((_, endpoint)) = found {
            busy.extend((0..member.busy).filter_map(|_| endpoint.stats().begin(0)));
            if member.ejected {
                endpoint.mark_failed(Tick::from_millis(90_000));
            }
        }
    }
    (table, busy)
}

/// A request, and what has become of it so far.
#[derive(Clone, Debug)]
struct ModelRequest {
    host: String,
    path: &'static str,
    fields: String,
    tried: Vec<u64>,
    zone: Option<&'static str>,
    max_conns: u32,
    entropy: u64,
}

const NAMES: [&str; 7] = [
    "a.test",
    "b.a.test",
    "x.b.a.test",
    "c.test",
    "test",
    "other",
    "[::1]",
];
const PATHS: [&str; 12] = [
    "", "/", "/x", "/x/", "/X/y", "/x/y/z", "/xy", "/x?y", "/y", "/x/y?/x", "?q", "//x",
];

fn request() -> impl Strategy<Value = ModelRequest> {
    let end = select(&["", ".", ":80", ".:8443", ":"][..]);
    let host = (select(&NAMES[..]), any::<bool>(), end).prop_map(|(name, loud, end)| {
        let name = if loud {
            name.to_uppercase()
        } else {
            name.to_owned()
        };
        name + end
    });
    let instance = select(vec![
        String::new(),
        String::new(),
        format!("X-CF-App-Instance: {APP}:0\r\n"),
        format!("X-CF-App-Instance: {APP}:7\r\n"),
        format!("X-CF-Process-Instance: {PROCESS}\r\n"),
        format!("x-cf-process-instance: {PROCESS}:1\r\n"),
        "X-CF-App-Instance: nonsense\r\n".to_owned(),
    ]);
    let tried = prop_oneof![
        Just(Vec::new()),
        subsequence((1..12).collect::<Vec<u64>>(), 0..5),
    ];
    let rest = (tried, select(vec![None, Some("z1")]), 0u32..3, any::<u64>());
    (host, select(&PATHS[..]), instance, rest).prop_map(|(host, path, fields, rest)| {
        let (tried, zone, max_conns, entropy) = rest;
        ModelRequest {
            host,
            path,
            fields,
            tried,
            zone,
            max_conns,
            entropy,
        }
    })
}

/// A parsed head, with the bytes that it lies in.
struct Head(RequestParser, String);

impl Head {
    /// What a client sends.
    fn origin(asked: &ModelRequest) -> Option<Self> {
        let slash = if asked.path.starts_with('/') { "" } else { "/" };
        Self::of(&format!("{slash}{}", asked.path), asked)
    }

    /// What the same is asked about as a URL.
    fn absolute(asked: &ModelRequest) -> Option<Self> {
        Self::of(&format!("http://{}{}", asked.host, asked.path), asked)
    }

    fn of(target: &str, asked: &ModelRequest) -> Option<Self> {
        let (host, fields) = (&asked.host, &asked.fields);
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let mut parser = RequestParser::default();
        parser.begin(0);
        let complete = parser.advance(text.as_bytes(), &Limits::default()).ok()?;
        complete.then_some(Self(parser, text))
    }

    fn host_and_path(&self) -> (&str, &str) {
        let (head, bytes) = (self.0.head(), self.1.as_bytes());
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (text(head.authority.of(bytes)), text(head.path.of(bytes)))
    }

    fn instance(&self) -> Result<Option<crate::instance::Asked<'_>>, Failure> {
        asked(self.0.head().fields(self.1.as_bytes()))
    }
}

/// Where a request goes, or a part of the reason why it goes nowhere.
type Way = Result<String, &'static str>;

/// As the data path goes about it.
fn served(table: &RouteTable, head: &Head, want: &Want<'_>) -> (Option<String>, Way) {
    let (host, path) = head.host_and_path();
    let Some(pool) = table.lookup(host, path) else {
        return (None, Err("no route matches"));
    };
    let key = Some(pool.key().to_string());
    let service = pool.options().map(|options| &options.route_service_url);
    if service.is_some_and(|url| !url.is_empty()) {
        return (key, Err("route service"));
    }
    let picked = pool.pick(want);
    let way = picked.map(|(endpoint, _)| endpoint.address().to_owned());
    let way = way.map_err(|none| match none {
        NoEndpoint::Empty => "the route has no endpoints",
        NoEndpoint::Overloaded => "at its connection limit",
        NoEndpoint::NoSuchInstance => "is not there",
        NoEndpoint::AllTried => "has failed this request",
    });
    (key, way)
}

fn compare(table: &RouteTable, asked: &ModelRequest) -> Result<(), TestCaseError> {
    let (Some(sent), Some(url)) = (Head::origin(asked), Head::absolute(asked)) else {
        // Refused, or nothing that a URL can ask for.
        return Ok(());
    };
    let (Ok(instance), Ok(explained_instance)) = (sent.instance(), url.instance()) else {
        prop_assert!(sent.instance().is_err() && url.instance().is_err());
        return Ok(());
    };
    let tried: Vec<_> = asked.tried.iter().copied().map(EndpointId).collect();
    let want = Want {
        tried: &tried,
        instance,
        first_attempt: tried.is_empty(),
        zone: asked.zone,
        max_conns: asked.max_conns,
        ejection: EJECTION,
        now: NOW,
        entropy: asked.entropy,
    };
    let explained_want = Want {
        instance: explained_instance,
        ..want.clone()
    };
    let (host, path) = url.host_and_path();
    let answer = explain(table, host, path, &explained_want, None);
    // Asking changes nothing.
    let again = explain(table, host, path, &explained_want, None);
    prop_assert_eq!(&answer, &again);
    let (key, way) = served(table, &sent, &want);
    let matched = answer.matched.as_ref();
    prop_assert_eq!(matched.map(|route| &route.key), key.as_ref());
    prop_assert!(
        answer
            .tried
            .iter()
            .all(|tried| Some(&tried.key) != key.as_ref())
    );
    let chosen = &answer.chosen;
    match way {
        Ok(address) => {
            prop_assert_eq!(chosen.address.as_ref(), Some(&address));
            stands_for_it(&address, &matched.unwrap().endpoints)?;
        }
        Err(why) => {
            prop_assert_eq!(&chosen.address, &None);
            prop_assert!(chosen.why.contains(why), "{}: {}", why, chosen.why);
        }
    }
    Ok(())
}

/// Whoever is chosen is said to be eligible, unless none is and all are forgiven.
fn stands_for_it(address: &str, endpoints: &[EndpointReport]) -> Result<(), TestCaseError> {
    let usable = |one: &EndpointReport| one.eligible == "yes" || one.eligible.contains("TLS");
    let chosen = endpoints.iter().find(|one| one.address == address);
    let forgiven = chosen.is_some_and(|one| one.eligible.contains("failed lately"));
    if forgiven {
        prop_assert!(!endpoints.iter().any(usable), "{:?}", endpoints);
    } else {
        prop_assert!(chosen.is_some_and(usable), "{:?}", chosen);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn explain_and_serving_agree(
        members in vec(member(), 0..24),
        requests in vec(request(), 1..12),
    ) {
        let (table, _busy) = table(&members);
        for request in &requests {
            compare(&table, request)?;
        }
    }
}

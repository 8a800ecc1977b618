//! Why a request goes where it goes.

#[cfg(test)]
mod agreement;

use std::sync::Arc;
use std::time::Duration;

use protocol::router::{Attempted, Chosen, EndpointReport, Explain, MatchedRoute};

use crate::endpoint::{Endpoint, Origin};
use crate::host::LookupHost;
use crate::pool::{NoEndpoint, Pool, Round, Standing, Want};
use crate::table::{Probe, RouteTable};

/// Answers for a request to `host` and `path` that wants `want`, and changes nothing.
///
/// `tls_threshold` is the one of the registry; it decides how much of their time TLS endpoints
/// have left.
pub fn explain(
    table: &RouteTable,
    host: &str,
    path: &str,
    want: &Want<'_>,
    tls_threshold: Option<Duration>,
) -> Explain {
    let pool = table.lookup(host, path);
    Explain {
        generation: table.generation(),
        host: LookupHost::new(host).map_or_else(String::new, |host| {
            String::from_utf8_lossy(host.as_bytes()).into()
        }),
        path: path.split('?').next().unwrap_or_default().to_owned(),
        tried: tried(table.probes(host, path), pool),
        matched: pool.map(|pool| matched(pool, want, tls_threshold)),
        chosen: pool.map_or_else(nothing, |pool| chosen(pool, want)),
    }
}

/// The keys that come before the one of `found`, host by host.
fn tried(probes: Vec<Vec<Probe<'_>>>, found: Option<&Arc<Pool>>) -> Vec<Attempted> {
    let is_found = |probe: &Probe<'_>| {
        let pools = probe.pool.zip(found);
        pools.is_some_and(|(pool, found)| Arc::ptr_eq(pool, found))
    };
    let before = probes
        .into_iter()
        .flatten()
        .take_while(|probe| !is_found(probe));
    before
        .map(|probe| Attempted {
            key: probe.key,
            why: match probe.pool {
                _ if !probe.known_host => "no route has this host",
                Some(_) => "the route has no endpoints",
                None => "there is no such route",
            }
            .to_owned(),
        })
        .collect()
}

fn matched(pool: &Pool, want: &Want<'_>, tls_threshold: Option<Duration>) -> MatchedRoute {
    let report = |endpoint: &Arc<Endpoint>| report(pool, endpoint, want, tls_threshold);
    let service = pool.options().map(|options| &options.route_service_url);
    MatchedRoute {
        key: pool.key().to_string(),
        balance: pool.balance().to_string(),
        route_service_url: service.filter(|url| !url.is_empty()).cloned(),
        endpoints: pool.endpoints().iter().map(report).collect(),
    }
}

fn report(
    pool: &Pool,
    endpoint: &Endpoint,
    want: &Want<'_>,
    tls_threshold: Option<Duration>,
) -> EndpointReport {
    let (facts, stats, now) = (endpoint.facts(), endpoint.stats(), want.now);
    let eligible = match pool.standing(endpoint, want) {
        Standing::Eligible if facts.is_tls() => {
            "no: it wants TLS, which is not spoken to endpoints"
        }
        Standing::Eligible => "yes",
        Standing::Tried => "no: it has failed this request",
        Standing::NotAskedFor => "no: the request names another instance",
        Standing::Ejected => "no: it has failed lately",
        Standing::AtLimit => "no: it is at its connection limit",
    };
    EndpointReport {
        address: facts.address().to_owned(),
        tls: facts.is_tls(),
        origin: endpoint.origin().name().to_owned(),
        confirmed: endpoint.origin() != Origin::Snapshot,
        app: facts.app().to_owned(),
        instance_index: facts.instance_index().to_owned(),
        availability_zone: facts.availability_zone().to_owned(),
        age_seconds: now.since(endpoint.renewed()).as_secs_f64(),
        ttl_left_seconds: endpoint
            .time_left(tls_threshold, now)
            .map(|left| left.as_secs_f64()),
        in_flight: stats.in_flight(),
        requests: stats.requests(),
        failures: stats.failures(),
        ejected_for_seconds: stats
            .ejected_for(want.ejection, now)
            .map(|left| left.as_secs_f64()),
        weight: facts.weight(),
        eligible: eligible.to_owned(),
    }
}

fn chosen(pool: &Pool, want: &Want<'_>) -> Chosen {
    let service = pool.options().map(|options| &options.route_service_url);
    if service.is_some_and(|url| !url.is_empty()) {
        return Chosen {
            address: None,
            why: "the route is bound to a route service, which is not spoken to: 502".to_owned(),
        };
    }
    match pool.preview(want) {
        Ok(choice) => {
            let how = match pool.endpoints().len() {
                1 => "it is the only one".to_owned(),
                _ => format!("{} chooses it", pool.balance()),
            };
            let among = match choice.round {
                Round::Local => " among those in this zone",
                Round::Healthy => "",
                Round::Forgiven => "; none is in rotation, so all are forgiven",
            };
            let tls = if choice.endpoint.facts().is_tls() {
                "; it wants TLS, which is not spoken to endpoints: 502"
            } else {
                ""
            };
            Chosen {
                address: Some(choice.endpoint.address().to_owned()),
                why: how + among + tls,
            }
        }
        Err(none) => Chosen {
            address: None,
            why: match none {
                NoEndpoint::Empty => "the route has no endpoints",
                NoEndpoint::Overloaded => "every endpoint is at its connection limit",
                NoEndpoint::NoSuchInstance => "the instance that the request names is not there",
                NoEndpoint::AllTried => "every endpoint has failed this request",
            }
            .to_owned(),
        },
    }
}

fn nothing() -> Chosen {
    Chosen {
        address: None,
        why: "no route matches".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Description, Digest, Facts, RouteOptions};
    use crate::registration::Registration;
    use crate::registry::{Command, Registry, RegistryConfig};
    use crate::route::RouteKey;
    use component_core::tick::Tick;

    fn table() -> RouteTable {
        let mut registry = Registry::new(RegistryConfig::default());
        for (uri, host, tls) in [
            ("a.test", "x", false),
            ("a.test", "y", true),
            ("a.test/b/c", "z", false),
            ("*.test", "w", false),
        ] {
            let given = Description {
                host,
                port: 80,
                tls,
                threshold: Duration::from_secs(120),
                ..Description::default()
            };
            let registration = Registration {
                key: RouteKey::parse(uri).unwrap(),
                facts: Facts::new(&given).unwrap(),
                origin: Origin::Bus,
                endpoint_updated_at_ns: 0,
                digest: Digest::NONE,
            };
            registry.apply(Command::Register(registration), Tick::from_millis(1_000));
        }
        registry.table()
    }

    fn ask(table: &RouteTable, host: &str, path: &str) -> Explain {
        let want = Want {
            tried: &[],
            instance: None,
            first_attempt: true,
            zone: None,
            max_conns: 1,
            ejection: Duration::from_secs(30),
            now: Tick::from_millis(11_000),
            entropy: 0,
        };
        let answer = explain(table, host, path, &want, None);
        let found = table.lookup(host, path).map(|pool| pool.key().to_string());
        assert_eq!(
            answer.matched.as_ref().map(|matched| matched.key.clone()),
            found
        );
        answer
    }

    fn tried(answer: &Explain) -> Vec<String> {
        answer
            .tried
            .iter()
            .map(|tried| format!("{}: {}", tried.key, tried.why))
            .collect()
    }

    #[test]
    fn tells_what_was_tried_before() {
        let table = table();
        let answer = ask(&table, "A.test:80", "/b/d?q");
        assert_eq!(
            (answer.host.as_str(), answer.path.as_str()),
            ("a.test", "/b/d")
        );
        assert_eq!(tried(&answer), ["a.test/b/d: there is no such route"]);
        let answer = ask(&table, "c.b.test", "/");
        assert_eq!(
            tried(&answer),
            [
                "c.b.test: no route has this host",
                "*.b.test: no route has this host"
            ]
        );
        assert_eq!(answer.matched.unwrap().key, "*.test");
        let answer = ask(&table, "nowhere", "/");
        assert_eq!(answer.chosen.why, "no route matches");
    }

    #[test]
    fn tells_how_each_endpoint_stands() {
        let table = table();
        let pool = Arc::clone(table.lookup("a.test", "/").unwrap());
        pool.endpoints()[0].mark_failed(Tick::from_millis(6_000));
        let answer = ask(&table, "a.test", "/");
        let [x, y] = &answer.matched.unwrap().endpoints[..] else {
            panic!("there are two");
        };
        assert_eq!((x.age_seconds, x.ttl_left_seconds), (10.0, Some(110.0)));
        assert_eq!((x.failures, x.ejected_for_seconds), (1, Some(25.0)));
        assert_eq!((x.origin.as_str(), x.confirmed), ("bus", true));
        assert_eq!(
            (x.eligible.as_str(), y.eligible.as_str()),
            (
                "no: it has failed lately",
                "no: it wants TLS, which is not spoken to endpoints"
            )
        );
        assert_eq!(y.ttl_left_seconds, None);
        assert_eq!(answer.chosen.address.as_deref(), Some("y:80"));
        assert!(
            answer
                .chosen
                .why
                .ends_with("TLS, which is not spoken to endpoints: 502")
        );
        let _held = pool.endpoints()[1].stats().begin(0);
        let answer = ask(&table, "a.test", "/");
        assert_eq!(answer.chosen.address.as_deref(), Some("x:80"));
        assert!(answer.chosen.why.contains("forgiven"));
        assert!(
            pool.endpoints()[0]
                .stats()
                .ejected_for(Duration::MAX, Tick::default())
                .is_some()
        );
    }

    #[test]
    fn tells_what_the_data_path_does_not_serve() {
        let mut registry = Registry::new(RegistryConfig::default());
        let options = RouteOptions {
            route_service_url: "https://service.test/".into(),
            ..RouteOptions::default()
        };
        let given = Description {
            host: "x",
            port: 80,
            options,
            ..Description::default()
        };
        let registration = Registration {
            key: RouteKey::parse("a.test").unwrap(),
            facts: Facts::new(&given).unwrap(),
            origin: Origin::Bus,
            endpoint_updated_at_ns: 0,
            digest: Digest::NONE,
        };
        registry.apply(Command::Register(registration), Tick::from_millis(1_000));
        let chosen = ask(&registry.table(), "a.test", "/").chosen;
        assert_eq!(chosen.address, None);
        assert!(chosen.why.contains("route service"));
    }

    #[test]
    fn asking_takes_no_turn() {
        let table = table();
        let first = ask(&table, "a.test", "/").chosen;
        assert_eq!(ask(&table, "a.test", "/").chosen, first);
        let pool = table.lookup("a.test", "/").unwrap();
        assert!(
            pool.endpoints()
                .iter()
                .all(|endpoint| endpoint.stats().requests() == 0)
        );
    }
}

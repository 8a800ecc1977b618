//! The routes as `GET /routes` lists them.

use protocol::router::RouteEntry;

use crate::endpoint::{Endpoint, Origin};

/// One endpoint as `GET /routes` shows it.
pub fn route_entry(endpoint: &Endpoint) -> RouteEntry {
    let facts = endpoint.facts();
    let options = facts.options();
    let algorithm = options.map_or("", |options| match options.balance {
        Some(balance) => balance.name(),
        None => &options.other_balance,
    });
    RouteEntry {
        address: facts.address().to_owned(),
        availability_zone: facts.availability_zone().to_owned(),
        protocol: facts.protocol().to_owned(),
        tls: facts.is_tls(),
        ttl: if endpoint.origin().is_operator() {
            0
        } else {
            facts.threshold().as_secs()
        },
        route_service_url: options
            .map(|o| o.route_service_url.clone())
            .unwrap_or_default(),
        tags: facts
            .tags()
            .map(|(key, value)| (key.to_owned(), value.as_str().to_owned()))
            .collect(),
        isolation_segment: facts.isolation_segment().to_owned(),
        private_instance_id: facts.instance_id().to_owned(),
        server_cert_domain_san: facts.san().to_owned(),
        load_balancing_algorithm: algorithm.to_owned(),
        hash_header: options.map(|o| o.hash_header.clone()).unwrap_or_default(),
        hash_balance: options.map(|o| o.hash_balance).unwrap_or_default(),
        origin: match endpoint.origin() {
            Origin::Bus => String::new(),
            other => other.name().to_owned(),
        },
        weight: (facts.weight() > 1).then_some(facts.weight()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::{Description, EndpointId, Facts, Origin, RouteOptions};
    use component_core::tick::Tick;

    fn entry(given: &Description<'_>, origin: Origin) -> RouteEntry {
        let facts = Facts::new(given).unwrap();
        route_entry(&Endpoint::new(
            EndpointId(1),
            facts,
            origin,
            Tick::default(),
        ))
    }

    fn listed(given: &Description<'_>) -> String {
        serde_json::to_string(&entry(given, Origin::Bus)).unwrap()
    }

    #[test]
    fn what_the_operator_wrote_down_never_lapses() {
        let given = Description {
            host: "10.0.0.1",
            port: 80,
            weight: 3,
            threshold: Duration::from_secs(120),
            ..Description::default()
        };
        for (origin, tls, ttl, lapses) in [
            (Origin::Bus, false, 120, true),
            (Origin::Bus, true, 120, false),
            (Origin::Snapshot, false, 120, true),
            (Origin::Static, false, 0, false),
            (Origin::RoutesFile, false, 0, false),
        ] {
            let entry = entry(
                &Description {
                    tls,
                    ..given.clone()
                },
                origin,
            );
            assert_eq!((entry.ttl, entry.lapses()), (ttl, lapses), "{origin:?}");
        }
        let json = serde_json::to_string(&entry(&given, Origin::Static)).unwrap();
        let end = r#""ttl":0,"tags":{},"origin":"static","weight":3}"#;
        assert!(json.ends_with(end), "{json}");
    }

    #[test]
    fn as_existing_tools_expect_it() {
        let plain = Description {
            host: "10.0.0.1",
            port: 80,
            threshold: Duration::from_secs(120),
            ..Description::default()
        };
        assert_eq!(
            listed(&plain),
            r#"{"address":"10.0.0.1:80","availability_zone":"","protocol":"http1","#.to_owned()
                + r#""tls":false,"ttl":120,"tags":{}}"#
        );
        let tags = [("component", "x")].into_iter().collect();
        let everything = Description {
            tls: true,
            protocol: "http2",
            instance_id: "uuid",
            san: "san",
            isolation_segment: "is1",
            availability_zone: "z1",
            tags: Some(&tags),
            options: RouteOptions {
                other_balance: "hash".into(),
                hash_header: "X-U".into(),
                hash_balance: 1.25,
                route_service_url: "https://rs.test".into(),
                ..RouteOptions::default()
            },
            ..plain
        };
        assert_eq!(
            listed(&everything),
            r#"{"address":"10.0.0.1:80","availability_zone":"z1","protocol":"http2","#.to_owned()
                + r#""tls":true,"ttl":120,"route_service_url":"https://rs.test","#
                + r#""tags":{"component":"x"},"isolation_segment":"is1","#
                + r#""private_instance_id":"uuid","server_cert_domain_san":"san","#
                + r#""load_balancing_algorithm":"hash","hash_header":"X-U","hash_balance":1.25}"#
        );
    }
}

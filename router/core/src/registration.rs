//! From a message on the bus to a claim that the registry accepts.

use std::fmt;
use std::time::Duration;

use protocol::bus::{Register, RouteOptions as Wishes};

use crate::balance::Balance;
use crate::endpoint::{Description, Digest, Facts, Origin, RouteOptions, address};
use crate::own_listeners::OwnListeners;
use crate::route::{BadUri, RouteKey};

/// The texts of all claims of one message, in bytes.
const TEXT_MAX: usize = 16 * 1024 * 1024;

/// A claim: one endpoint serves one route.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The route.
    pub key: RouteKey,
    /// The endpoint.
    pub facts: Facts,
    /// Who says so.
    pub origin: Origin,
    /// When the sender came to know of it, in nanoseconds since 1970; 0 when not said.
    pub endpoint_updated_at_ns: i64,
    /// Of the message that says so.
    pub digest: Digest,
}

/// The end of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The route.
    pub key: RouteKey,
    /// The endpoint's address, `host:port`.
    pub address: Box<str>,
}

/// What is accepted, and how it is completed.
#[derive(Debug, Clone)]
pub struct RegistrationRules {
    /// The longest time that a claim may hold without renewal, and the time when none is said.
    pub max_threshold: Duration,
    /// Which isolation segments are served here.
    pub sharding: Sharding,
    /// Whether backends may be spoken to in HTTP/2.
    pub http2: bool,
    /// Where the router itself listens; no endpoint is there.
    pub own: OwnListeners,
}

/// Which isolation segments a router serves. Routes of no segment are the shared ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sharding {
    /// Every route.
    #[default]
    All,
    /// The routes of these segments.
    Segments(Vec<String>),
    /// The routes of these segments and the shared ones.
    SharedAndSegments(Vec<String>),
}

impl Sharding {
    /// Whether routes of `segment` are served here.
    pub fn serves(&self, segment: &str) -> bool {
        match self {
            Self::All => true,
            Self::Segments(segments) => segments.iter().any(|ours| ours == segment),
            Self::SharedAndSegments(segments) => {
                segment.is_empty() || segments.iter().any(|ours| ours == segment)
            }
        }
    }
}

/// What a message came to: the claims, and the URIs that can be none.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted<T> {
    /// One for each good URI, in order.
    pub claims: Vec<T>,
    /// Bad URIs; the others of the message stand nevertheless.
    pub bad_uris: Vec<BadUri>,
}

/// Why a message as a whole is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It is for other routers. Nothing is wrong with it.
    OtherSegment,
    /// It names no host.
    NoHost,
    /// It names no port.
    NoPort,
    /// It names a listener of this router: requests would come back to it.
    OwnListener,
    /// Requests would pass through a route service without encryption.
    RouteServiceNotHttps,
    /// The named field has a control character, which must not get into a header or a log.
    ControlCharacter(&'static str),
    /// Its texts are too long to be kept.
    TooMuchText,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSegment => f.write_str("isolation segment not served here"),
            Self::NoHost => f.write_str("host is missing"),
            Self::NoPort => f.write_str("port is missing"),
            Self::OwnListener => f.write_str("the endpoint is a listener of this router"),
            Self::RouteServiceNotHttps => f.write_str("route_service_url must be https"),
            Self::ControlCharacter(field) => write!(f, "{field} has a control character"),
            Self::TooMuchText => f.write_str("texts are too long"),
        }
    }
}

impl std::error::Error for Rejection {}

impl Registration {
    /// The claims of a `router.register` message. Whoever knows its digest adds it.
    ///
    /// # Errors
    /// When the message as a whole is not acceptable.
    pub fn from_message(
        message: &Register,
        rules: &RegistrationRules,
    ) -> Result<Accepted<Self>, Rejection> {
        check(message, rules)?;
        let facts = facts(message, rules)?;
        check_size(message, facts.len())?;
        let endpoint_updated_at_ns = message.endpoint_updated_at_ns;
        Ok(accept(&message.uris, facts, |key, facts| Self {
            key,
            facts,
            origin: Origin::Bus,
            endpoint_updated_at_ns,
            digest: Digest::NONE,
        }))
    }
}

impl Withdrawal {
    /// The ends of claims of a `router.unregister` message, of which only URIs, host, port and
    /// segment count.
    ///
    /// # Errors
    /// When the message as a whole is not acceptable.
    pub fn from_message(
        message: &Register,
        rules: &RegistrationRules,
    ) -> Result<Accepted<Self>, Rejection> {
        check_target(message, rules)?;
        let address = address(&message.host, port(message).0).into_boxed_str();
        check_size(message, address.len())?;
        Ok(accept(&message.uris, address, |key, address| Self {
            key,
            address,
        }))
    }
}

/// A claim about `what` for each good URI.
fn accept<W: Clone, T>(uris: &[String], what: W, claim: impl Fn(RouteKey, W) -> T) -> Accepted<T> {
    let mut bad_uris = Vec::new();
    let parse = |uri: &String| RouteKey::parse(uri).map_err(|bad| bad_uris.push(bad)).ok();
    // The last copy is the original; most messages have one URI.
    let copies = std::iter::repeat_n(what, uris.len());
    let claims = uris.iter().map(parse).zip(copies);
    let claims = claims
        .filter_map(|(key, what)| Some(claim(key?, what)))
        .collect();
    Accepted { claims, bad_uris }
}

/// The port to dial, and whether over TLS.
fn port(message: &Register) -> (u16, bool) {
    match message.tls_port {
        0 => (message.port, false),
        tls_port => (tls_port, true),
    }
}

fn check_target(message: &Register, rules: &RegistrationRules) -> Result<(), Rejection> {
    if !rules.sharding.serves(&message.isolation_segment) {
        return Err(Rejection::OtherSegment);
    }
    if message.host.is_empty() {
        return Err(Rejection::NoHost);
    }
    if port(message).0 == 0 {
        return Err(Rejection::NoPort);
    }
    Ok(())
}

/// Each claim of a message has a copy of its texts: together they must not be much more than what
/// was sent.
fn check_size(message: &Register, text: usize) -> Result<(), Rejection> {
    if text.saturating_mul(message.uris.len()) > TEXT_MAX {
        return Err(Rejection::TooMuchText);
    }
    Ok(())
}

fn check(message: &Register, rules: &RegistrationRules) -> Result<(), Rejection> {
    check_target(message, rules)?;
    if rules.own.are_at(&message.host, port(message).0) {
        return Err(Rejection::OwnListener);
    }
    let service = &message.route_service_url;
    if !service.is_empty() && !service.starts_with("https") {
        return Err(Rejection::RouteServiceNotHttps);
    }
    let fields = [
        ("host", &message.host),
        ("protocol", &message.protocol),
        ("app", &message.app),
        ("private_instance_id", &message.private_instance_id),
        ("private_instance_index", &message.private_instance_index),
        ("server_cert_domain_san", &message.server_cert_domain_san),
        ("isolation_segment", &message.isolation_segment),
        ("availability_zone", &message.availability_zone),
        ("route_service_url", service),
    ];
    let controlled = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
    if let Some((name, _)) = fields.iter().find(|(_, text)| controlled(text)) {
        return Err(Rejection::ControlCharacter(name));
    }
    if message
        .tags
        .iter()
        .any(|(key, value)| controlled(key) || controlled(value))
    {
        return Err(Rejection::ControlCharacter("tags"));
    }
    Ok(())
}

fn facts(message: &Register, rules: &RegistrationRules) -> Result<Facts, Rejection> {
    let (port, tls) = port(message);
    let said = u64::try_from(message.stale_threshold_in_seconds).map(Duration::from_secs);
    let threshold = match said {
        Ok(said) if !said.is_zero() => said.min(rules.max_threshold),
        _ => rules.max_threshold,
    };
    Facts::new(&Description {
        host: &message.host,
        port,
        tls,
        protocol: if rules.http2 || message.protocol != "http2" {
            &message.protocol
        } else {
            ""
        },
        app: &message.app,
        instance_id: &message.private_instance_id,
        instance_index: &message.private_instance_index,
        san: &message.server_cert_domain_san,
        isolation_segment: &message.isolation_segment,
        availability_zone: &message.availability_zone,
        tags: Some(&message.tags),
        threshold,
        weight: 1,
        options: options(message),
    })
    .map_err(|_| Rejection::TooMuchText)
}

fn options(message: &Register) -> RouteOptions {
    let Wishes {
        loadbalancing,
        hash_header,
        hash_balance,
        ..
    } = &message.options;
    let balance = Balance::from_name(loadbalancing);
    RouteOptions {
        balance,
        other_balance: if balance.is_none() {
            loadbalancing.clone()
        } else {
            String::new()
        },
        hash_header: hash_header.clone(),
        hash_balance: *hash_balance,
        route_service_url: message.route_service_url.clone(),
        ..RouteOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RegistrationRules {
        RegistrationRules {
            max_threshold: Duration::from_secs(120),
            sharding: Sharding::All,
            http2: true,
            own: OwnListeners::default(),
        }
    }

    fn message() -> Register {
        Register {
            uris: vec!["App.test/Ctx/".into()],
            host: "10.0.0.1".into(),
            port: 80,
            ..Register::default()
        }
    }

    fn one(message: &Register) -> Registration {
        let accepted = Registration::from_message(message, &rules()).unwrap();
        accepted.claims.into_iter().next().unwrap()
    }

    fn rejected(message: &Register, expected: Rejection) {
        assert_eq!(Registration::from_message(message, &rules()), Err(expected));
    }

    #[test]
    fn every_uri_is_a_claim_of_its_own() {
        let uris = ["a.test", "", "*.b.test/x", "c d"]
            .map(str::to_owned)
            .to_vec();
        let accepted =
            Registration::from_message(&Register { uris, ..message() }, &rules()).unwrap();
        let keys: Vec<_> = accepted
            .claims
            .iter()
            .map(|claim| claim.key.as_str())
            .collect();
        assert_eq!(keys, ["a.test", "*.b.test/x"]);
        assert_eq!(accepted.bad_uris, [BadUri::NoHost, BadUri::BadCharacter]);
    }

    #[test]
    fn the_tls_port_replaces_the_plain_one() {
        let plain = one(&message());
        assert_eq!(
            (plain.facts.address(), plain.facts.is_tls()),
            ("10.0.0.1:80", false)
        );
        let tls = one(&Register {
            tls_port: 443,
            ..message()
        });
        assert_eq!(
            (tls.facts.address(), tls.facts.is_tls()),
            ("10.0.0.1:443", true)
        );
    }

    #[test]
    fn the_threshold_is_bounded_by_the_routers_own() {
        for (said, granted) in [(0, 120), (-5, 120), (60, 60), (121, 120), (i64::MAX, 120)] {
            let message = Register {
                stale_threshold_in_seconds: said,
                ..message()
            };
            assert_eq!(
                one(&message).facts.threshold(),
                Duration::from_secs(granted),
                "{said}"
            );
        }
    }

    #[test]
    fn http2_only_where_it_is_enabled() {
        let message = Register {
            protocol: "http2".into(),
            ..message()
        };
        assert_eq!(one(&message).facts.protocol(), "http2");
        let rules = RegistrationRules {
            http2: false,
            ..rules()
        };
        let accepted = Registration::from_message(&message, &rules).unwrap();
        assert_eq!(accepted.claims[0].facts.protocol(), "http1");
    }

    #[test]
    fn unacceptable_messages_are_dropped_whole() {
        rejected(
            &Register {
                host: String::new(),
                ..message()
            },
            Rejection::NoHost,
        );
        rejected(
            &Register {
                port: 0,
                ..message()
            },
            Rejection::NoPort,
        );
        rejected(
            &Register {
                route_service_url: "http://rs.test".into(),
                ..message()
            },
            Rejection::RouteServiceNotHttps,
        );
        rejected(
            &Register {
                app: "a\r\nX-Evil: 1".into(),
                ..message()
            },
            Rejection::ControlCharacter("app"),
        );
        let tags = [("k", "v\n")].into_iter().collect();
        rejected(
            &Register { tags, ..message() },
            Rejection::ControlCharacter("tags"),
        );
        rejected(
            &Register {
                app: "a".repeat(70_000),
                ..message()
            },
            Rejection::TooMuchText,
        );
    }

    #[test]
    fn one_message_cannot_be_multiplied_without_limit() {
        let uris = |count: usize| (0..count).map(|n| format!("{n}.test")).collect();
        let host = "h".repeat(1_000);
        let message = |count: usize| Register {
            uris: uris(count),
            host: host.clone(),
            tags: [("k", "v".repeat(1_000))].into_iter().collect(),
            ..message()
        };
        rejected(&message(10_000), Rejection::TooMuchText);
        let accepted = Registration::from_message(&message(1_000), &rules()).unwrap();
        assert_eq!(accepted.claims.len(), 1_000);
        let withdrawn = |count| Withdrawal::from_message(&message(count), &rules());
        assert_eq!(withdrawn(20_000), Err(Rejection::TooMuchText));
        assert_eq!(withdrawn(10_000).unwrap().claims.len(), 10_000);
    }

    #[test]
    fn a_withdrawal_needs_no_more_than_its_target() {
        let message = Register {
            tls_port: 443,
            app: "a\n".into(),
            route_service_url: "http://plain".into(),
            ..message()
        };
        let accepted = Withdrawal::from_message(&message, &rules()).unwrap();
        assert_eq!(accepted.claims[0].key.as_str(), "app.test/ctx");
        assert_eq!(&*accepted.claims[0].address, "10.0.0.1:443");
    }

    #[test]
    fn an_endpoint_that_is_a_listener_of_ours_is_rejected() {
        let own = ["10.0.0.1:80".parse().unwrap(), "[::]:8080".parse().unwrap()];
        let rules = RegistrationRules {
            own: OwnListeners::new(own, |address| address.is_ipv4()),
            ..rules()
        };
        let check = |host: &str, port, tls_port, expected| {
            let message = Register {
                host: host.into(),
                port,
                tls_port,
                ..message()
            };
            let registered = Registration::from_message(&message, &rules);
            assert_eq!(registered.err(), expected, "{host} {port} {tls_port}");
            assert!(Withdrawal::from_message(&message, &rules).is_ok());
        };
        let own = Some(Rejection::OwnListener);
        check("10.0.0.1", 80, 0, own);
        check("10.0.0.1", 443, 80, own);
        check("10.0.0.9", 8080, 0, own);
        check("10.0.0.1", 80, 443, None);
        check("10.0.0.9", 80, 0, None);
        check("fd00::9", 8080, 0, None);
    }

    #[test]
    fn segments_decide_who_serves() {
        let ours = || vec!["is1".to_owned()];
        for (sharding, shared, own, other) in [
            (Sharding::All, true, true, true),
            (Sharding::Segments(ours()), false, true, false),
            (Sharding::SharedAndSegments(ours()), true, true, false),
        ] {
            let served = ["", "is1", "is2"].map(|segment| sharding.serves(segment));
            assert_eq!(served, [shared, own, other], "{sharding:?}");
            let rules = RegistrationRules {
                sharding,
                ..rules()
            };
            let message = Register {
                isolation_segment: "is2".into(),
                ..message()
            };
            let registered = Registration::from_message(&message, &rules).is_ok();
            let withdrawn = Withdrawal::from_message(&message, &rules).is_ok();
            assert_eq!((registered, withdrawn), (other, other));
        }
    }
}

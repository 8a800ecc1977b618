//! What a registration says of an endpoint, in as few bytes as will hold it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::bus::Tags;
use serde::{Deserialize, Serialize};

use super::tags::{PackedTags, TagValue};
use component_core::host_port;

use crate::balance::Balance;
use component_core::tick::millis;

/// What a registration says of an endpoint, taken apart. Texts that were not given are empty.
#[derive(Debug, Clone, Default)]
pub struct Description<'a> {
    /// Name or IP address, the latter with or without brackets.
    pub host: &'a str,
    /// Port to dial.
    pub port: u16,
    /// Whether to speak TLS there.
    pub tls: bool,
    /// `http2`, or anything else for `http1`.
    pub protocol: &'a str,
    /// Id of the app.
    pub app: &'a str,
    /// Id of the running copy.
    pub instance_id: &'a str,
    /// Number of the running copy.
    pub instance_index: &'a str,
    /// The name that its certificate must carry.
    pub san: &'a str,
    /// Which routers serve it.
    pub isolation_segment: &'a str,
    /// Where it runs.
    pub availability_zone: &'a str,
    /// Labels.
    pub tags: Option<&'a Tags>,
    /// How long it lives without renewal, to the millisecond, at most 49 days.
    pub threshold: Duration,
    /// Its share among the endpoints of the route; 0 counts as 1.
    pub weight: u16,
    /// Wishes for the route as a whole.
    pub options: RouteOptions,
}

/// Wishes for a route as a whole. Each endpoint brings its own; the last registered one's hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteOptions {
    /// How endpoints are chosen, when not as the router's default says.
    pub balance: Option<Balance>,
    /// The name of an algorithm that was asked for and that this router does not have.
    pub other_balance: String,
    /// The header to hash, for `hash`.
    pub hash_header: String,
    /// How far above the average load an endpoint may go, for `hash`.
    pub hash_balance: f64,
    /// A service that requests must pass through first; empty for none.
    pub route_service_url: String,
    /// Timeouts and limits.
    pub policy: RoutePolicy,
}

/// Timeouts and limits of one route; `None` leaves the router's own in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePolicy {
    /// For connecting to a backend.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// Between two reads or writes of a body.
    pub idle: Option<Duration>,
    /// Longest request body, in bytes.
    pub max_body: Option<u64>,
    /// Exchanges at a time for each endpoint; 0 is no limit.
    pub max_conns: Option<u32>,
}

/// The texts of a registration are longer than 65,535 bytes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuchText;

/// What was registered of an endpoint.
///
/// A hundred thousand of these are kept, so all texts share one allocation. Equal facts are equal
/// values: that is how a heartbeat is told from a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The texts, one after the other, in the order of [`FactField`].
    text: Box<str>,
    /// Where each text ends.
    ends: [u16; TEXTS],
    tags: PackedTags,
    options: Option<Arc<RouteOptions>>,
    threshold_millis: u32,
    port: u16,
    weight: u16,
    tls: bool,
    /// The certificate carries the instance's id, as it nearly always does; it is kept once.
    san_is_instance_id: bool,
}

#[derive(Clone, Copy)]
enum FactField {
    Address,
    Protocol,
    App,
    InstanceId,
    InstanceIndex,
    San,
    IsolationSegment,
    AvailabilityZone,
}

const TEXTS: usize = 8;

impl Facts {
    /// Packs a description.
    ///
    /// # Errors
    /// When its texts are too long to be kept.
    pub fn new(given: &Description<'_>) -> Result<Self, TooMuchText> {
        let san_is_instance_id = !given.san.is_empty() && given.san == given.instance_id;
        let texts: [&str; TEXTS - 1] = [
            if given.protocol == "http1" {
                ""
            } else {
                given.protocol
            },
            given.app,
            given.instance_id,
            given.instance_index,
            if san_is_instance_id { "" } else { given.san },
            given.isolation_segment,
            given.availability_zone,
        ];
        let mut text = address(given.host, given.port);
        text.reserve_exact(texts.iter().map(|text| text.len()).sum());
        let mut ends = [0; TEXTS];
        for (end, field) in ends.iter_mut().zip([""].iter().chain(&texts)) {
            text.push_str(field);
            *end = u16::try_from(text.len()).map_err(|_| TooMuchText)?;
        }
        let tags = PackedTags::pack(given.tags, given.app, given.instance_id);
        let options =
            (given.options != RouteOptions::default()).then(|| Arc::new(given.options.clone()));
        Ok(Self {
            text: text.into(),
            ends,
            tags: tags.ok_or(TooMuchText)?,
            options,
            threshold_millis: u32::try_from(millis(given.threshold)).unwrap_or(u32::MAX),
            port: given.port,
            weight: given.weight.max(1),
            tls: given.tls,
            san_is_instance_id,
        })
    }

    /// The bytes of its texts and tags, of which each copy has its own.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.tags.len()
    }

    /// `host:port`; an IPv6 host in brackets.
    pub fn address(&self) -> &str {
        self.field(FactField::Address)
    }

    /// The host alone, without brackets.
    pub fn host(&self) -> &str {
        host_port::split(self.address()).map_or("", |(host, _port)| host_port::bare(host))
    }

    /// The port to dial.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address to dial, when the host is an IP address and not a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address().parse().ok()
    }

    /// Whether to speak TLS there.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// `http1`, `http2`, or whatever else was registered and acts as `http1`.
    pub fn protocol(&self) -> &str {
        match self.field(FactField::Protocol) {
            "" => "http1",
            protocol => protocol,
        }
    }

    /// Id of the app.
    pub fn app(&self) -> &str {
        self.field(FactField::App)
    }

    /// Id of the running copy.
    pub fn instance_id(&self) -> &str {
        self.field(FactField::InstanceId)
    }

    /// Number of the running copy.
    pub fn instance_index(&self) -> &str {
        self.field(FactField::InstanceIndex)
    }

    /// The name that its certificate must carry.
    pub fn san(&self) -> &str {
        self.field(if self.san_is_instance_id {
            FactField::InstanceId
        } else {
            FactField::San
        })
    }

    /// Which routers serve it; empty for those that serve the shared routes.
    pub fn isolation_segment(&self) -> &str {
        self.field(FactField::IsolationSegment)
    }

    /// Where it runs.
    pub fn availability_zone(&self) -> &str {
        self.field(FactField::AvailabilityZone)
    }

    /// All tags.
    pub fn tags(&self) -> impl Iterator<Item = (&str, TagValue<'_>)> {
        self.tags.iter(self.app(), self.instance_id())
    }

    /// The value of one tag.
    pub fn tag(&self, key: &str) -> Option<TagValue<'_>> {
        self.tags()
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .last()
    }

    /// How long it lives without renewal.
    pub fn threshold(&self) -> Duration {
        Duration::from_millis(u64::from(self.threshold_millis))
    }

    /// Its share among the endpoints of the route; at least 1.
    pub fn weight(&self) -> u16 {
        self.weight
    }

    /// Wishes for the route as a whole; `None` when there are none.
    pub fn options(&self) -> Option<&Arc<RouteOptions>> {
        self.options.as_ref()
    }

    /// Whether a connection made by `other` is one that would be made by these: to the same address,
    /// encrypted or not, to the same identity, and in the same protocol.
    pub fn connects_as(&self, other: &Self) -> bool {
        let way = |facts: &Self| (facts.tls, facts.port);
        way(self) == way(other)
            && self.address() == other.address()
            && self.protocol() == other.protocol()
            && self.san() == other.san()
    }

    /// Whether the parts fit together; they may come from a file.
    pub(crate) fn is_sound(&self) -> bool {
        let mut start = 0;
        let in_order = self.ends.iter().all(|end| {
            let end = usize::from(*end);
            let fits = self.text.get(start..end).is_some();
            start = end;
            fits
        });
        in_order && self.weight > 0
    }

    fn field(&self, field: FactField) -> &str {
        let index = field as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[usize::from(start)..usize::from(self.ends[index])]
    }
}

/// `host:port`, with brackets where an IPv6 address needs them.
pub(crate) fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Facts {
        Facts::new(&Description {
            host,
            port,
            ..Description::default()
        })
        .unwrap()
    }

    #[test]
    fn addresses_in_canonical_form() {
        assert_eq!(address("10.0.0.1", 80).address(), "10.0.0.1:80");
        assert_eq!(address("::1", 80).address(), "[::1]:80");
        assert_eq!(address("[::1]", 80).address(), "[::1]:80");
        assert_eq!(address("[::1]", 80).host(), "::1");
        assert_eq!(address("::1", 80).socket_addr(), "[::1]:80".parse().ok());
        assert_eq!(address("backend.internal", 80).socket_addr(), None);
        assert_eq!(address("backend.internal", 80).host(), "backend.internal");
    }

    #[test]
    fn every_field_comes_back() {
        let tags = [("process_id", "app")].into_iter().collect();
        let facts = Facts::new(&Description {
            host: "10.0.0.1",
            port: 61_001,
            tls: true,
            protocol: "http2",
            app: "app",
            instance_id: "instance",
            instance_index: "3",
            san: "instance",
            isolation_segment: "is1",
            availability_zone: "z1",
            tags: Some(&tags),
            threshold: Duration::from_secs(120),
            weight: 0,
            options: RouteOptions::default(),
        })
        .unwrap();
        assert_eq!(
            (facts.app(), facts.instance_id(), facts.instance_index()),
            ("app", "instance", "3")
        );
        assert_eq!(
            (facts.san(), facts.protocol(), facts.is_tls()),
            ("instance", "http2", true)
        );
        assert_eq!(
            (facts.isolation_segment(), facts.availability_zone()),
            ("is1", "z1")
        );
        assert_eq!(facts.tag("process_id").unwrap().as_str(), "app");
        assert_eq!(
            (facts.threshold(), facts.weight()),
            (Duration::from_secs(120), 1)
        );
        assert!(facts.options().is_none());
    }

    #[test]
    fn what_a_connection_is_depends_on_where_to_and_how() {
        let base = || Description {
            host: "10.0.0.1",
            port: 80,
            ..Description::default()
        };
        let check = |name: &str, other: Description<'_>, expected: bool| {
            let (one, other) = (Facts::new(&base()).unwrap(), Facts::new(&other).unwrap());
            assert_eq!(one.connects_as(&other), expected, "{name}");
            assert_eq!(other.connects_as(&one), expected, "{name}");
        };
        check("the same", base(), true);
        check("app", Description { app: "b", ..base() }, true);
        let instance_id = "i";
        check(
            "id",
            Description {
                instance_id,
                ..base()
            },
            true,
        );
        check(
            "weight",
            Description {
                weight: 7,
                ..base()
            },
            true,
        );
        let protocol = "http1";
        check("http1", Description { protocol, ..base() }, true);
        check(
            "tls",
            Description {
                tls: true,
                ..base()
            },
            false,
        );
        check("san", Description { san: "i", ..base() }, false);
        check("port", Description { port: 81, ..base() }, false);
        check(
            "host",
            Description {
                host: "10.0.0.2",
                ..base()
            },
            false,
        );
        let protocol = "http2";
        check("http2", Description { protocol, ..base() }, false);
    }

    #[test]
    fn too_much_text_is_refused() {
        let app = "a".repeat(65_536);
        let given = Description {
            app: &app,
            ..Description::default()
        };
        assert_eq!(Facts::new(&given), Err(TooMuchText));
    }
}

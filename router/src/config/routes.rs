//! Routes that are written down instead of registered.

use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use component::host_port;
use component::size::ByteSize;
use component::yaml::{self, Content, Fault, Item, Keys, Node, Report};
use router_core::own_listeners::OwnListeners;
use router_core::route::RouteKey;

use super::{ENVIRONMENT, ours, says_nothing};

/// Routes of one or more URIs to the same backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticRoute {
    /// `host/path` each, with `*.` for a wildcard.
    pub uris: Vec<String>,
    /// Who serves them.
    pub backends: Vec<StaticBackend>,
    /// Limits of time that go before the router's own.
    pub timeouts: RouteTimeouts,
    /// Other limits that go before the router's own.
    pub limits: RouteLimits,
}

/// One backend of a static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticBackend {
    /// `host:port`; the host may be a name, an IPv4 address or a bracketed IPv6 address.
    pub address: String,
    /// Its share of requests, against the weights of the others.
    pub weight: u16,
}

/// Limits of time; `None` leaves the router's own in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// To connect.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// The longest silence while a response is under way.
    pub idle: Option<Duration>,
}

/// Other limits; `None` leaves the router's own in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// Longest request body.
    pub max_body: Option<ByteSize>,
    /// Most requests under way per endpoint.
    pub max_conns: Option<u32>,
}

impl Default for StaticBackend {
    fn default() -> Self {
        Self {
            address: String::new(),
            weight: 1,
        }
    }
}

impl Item for StaticBackend {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("address", "", &mut self.address);
        keys.key("weight", "", &mut self.weight);
        if let Err(reason) = check_address(&self.address) {
            keys.fault("address", reason);
        }
        if self.weight == 0 {
            keys.fault("weight", "must be at least 1");
        }
    }

    fn short(text: &str) -> Result<Self, String> {
        check_address(text)?;
        Ok(Self {
            address: text.to_owned(),
            weight: 1,
        })
    }
}

impl Item for StaticRoute {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("uris", "", &mut self.uris);
        keys.list("backends", "", &mut self.backends);
        keys.section("timeouts", "", |keys| self.timeouts.keys(keys));
        keys.section("limits", "", |keys| self.limits.keys(keys));
        if self.uris.is_empty() {
            keys.fault("uris", "names no route");
        }
        if self.backends.is_empty() {
            keys.fault("backends", "names no backend");
        }
        let mut addresses = HashSet::new();
        for backend in &self.backends {
            if !backend.address.is_empty()
                && !addresses.insert(backend.address.to_ascii_lowercase())
            {
                let reason = format!("{:?} is there twice; give it a weight", backend.address);
                keys.fault("backends", reason);
            }
        }
        for uri in &self.uris {
            if let Err(reason) = check_uri(uri) {
                keys.fault("uris", reason);
            }
        }
    }
}

impl RouteTimeouts {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("connect", "", &mut self.connect);
        keys.key("first_byte", "", &mut self.first_byte);
        keys.key("idle", "", &mut self.idle);
    }
}

impl RouteLimits {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        let mut body = self.max_body.unwrap_or_default();
        keys.key("max_body", "", &mut body);
        self.max_body = (body.0 > 0).then_some(body);
        let mut conns = self.max_conns.unwrap_or_default();
        keys.key("max_conns", "", &mut conns);
        self.max_conns = (conns > 0).then_some(conns);
    }
}

/// Reads a routes file: a list of routes, or a mapping with such a list under `routes`. `taken` are
/// the routes that are written elsewhere.
///
/// # Errors
///
/// Every place that cannot be used. Unknown keys are faults here: the file is ours alone. So is a
/// file that says nothing, which may be one that is being written: the list without routes is `[]`.
pub fn parse_routes(text: &str, taken: &HashSet<RouteKey>) -> Result<Vec<StaticRoute>, Vec<Fault>> {
    let root = yaml::parse(text).map_err(|fault| vec![fault])?;
    let mut root = match root.content {
        Content::List(_) => {
            let entry = yaml::Entry {
                key: "routes".into(),
                place: root.place,
                value: root,
            };
            Node {
                place: entry.place,
                content: Content::Map(vec![entry]),
            }
        }
        _ => root,
    };
    let mut report = Report::default();
    let mut routes = Vec::new();
    let unnamed = root
        .get("routes")
        .is_none_or(|list| list.content == Content::Null);
    if says_nothing(&root) || unnamed {
        report.fault(root.place, "names no routes; [] is the list without any");
    }
    yaml::expand(&mut root, ENVIRONMENT, &mut report);
    yaml::read(&root, &mut report, |keys| {
        keys.list("routes", "", &mut routes);
    });
    if let Some(list) = root.get("routes") {
        refuse_doubles(list, taken, &mut report);
    }
    ours::judge(true, &mut report);
    let mut faults = report.faults;
    faults.sort_by_key(|fault| fault.place);
    if faults.is_empty() {
        Ok(routes)
    } else {
        Err(faults)
    }
}

/// What is wrong with the first route that leads to a listener of this router, if one does.
#[must_use]
pub fn leads_back(routes: &[StaticRoute], own: &OwnListeners) -> Option<String> {
    routes.iter().find_map(|route| {
        let mut backends = route.backends.iter();
        let back = backends.find(|backend| own.have(&backend.address))?;
        Some(format!(
            "{} leads back to this router, which listens at {}",
            route.uris.join(", "),
            back.address
        ))
    })
}

/// What requests are led to these routes by; what is no key is left out.
pub fn lookup_keys(routes: &[StaticRoute]) -> impl Iterator<Item = RouteKey> {
    let uris = routes.iter().flat_map(|route| &route.uris);
    uris.filter_map(|uri| RouteKey::parse(uri).ok())
}

/// Complains about each route of a list that is there already: its backends and limits would be
/// those of one or the other.
pub(super) fn refuse_doubles(list: &Node, taken: &HashSet<RouteKey>, report: &mut Report) {
    let mut seen = HashMap::new();
    for uri in rows(list).iter().filter_map(|row| row.get("uris")) {
        for uri in rows(uri) {
            let text = uri.text().unwrap_or_default();
            let Ok(key) = RouteKey::parse(text) else {
                continue;
            };
            let line = uri.place.line;
            let reason = if taken.contains(&key) {
                format!("routes.uris: {text:?} is in the configuration, too")
            } else if let Some(before) = seen.insert(key, line) {
                format!("routes.uris: {text:?} is in line {before} already")
            } else {
                continue;
            };
            report.fault(uri.place, reason);
        }
    }
}

/// The rows of a list; a value that stands alone is its only row.
fn rows(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(rows) => rows,
        _ => std::slice::from_ref(node),
    }
}

/// A URI that somebody wrote by hand: what a registration may hold by accident is a mistake here.
fn check_uri(uri: &str) -> Result<(), String> {
    let fault = |reason: &str| Err(format!("{uri:?}: {reason}"));
    let (host, _) = uri.split_once('/').unwrap_or((uri, ""));
    let bare = host.strip_prefix("*.").unwrap_or(host);
    if uri.contains("://") {
        return fault("a route is a host and a path, without a scheme");
    }
    if bare.contains('*') || bare.is_empty() {
        return fault("a route begins with a host, or with *. and a host");
    }
    if bare.contains(':') && !bare.ends_with(']') {
        return fault("a route has no port: it holds for every listener");
    }
    if uri.contains(['?', '#']) {
        return fault("a route has no query and no fragment");
    }
    if !host.is_ascii() {
        return fault("a host is written in ASCII (xn--...), as browsers send it");
    }
    if !uri.is_ascii() {
        return fault("a path is written in ASCII (%C3%A4 for ä), as browsers send it");
    }
    if let Some(address) = host.strip_prefix('[') {
        // Other spellings of the address would not be found.
        let address = address.trim_end_matches(']');
        match address.parse::<Ipv6Addr>() {
            Ok(parsed) if parsed.to_string().eq_ignore_ascii_case(address) => {}
            Ok(parsed) => return fault(&format!("this address is written [{parsed}]")),
            Err(_) => return fault("what is in brackets must be an IPv6 address"),
        }
    }
    RouteKey::parse(uri)
        .map(drop)
        .or_else(|bad| fault(&bad.to_string()))
}

/// `host:port` with a port other than 0.
fn check_address(address: &str) -> Result<(), String> {
    let fault = || {
        Err(format!(
            "{address:?} is not an address such as 10.0.0.1:80 or app.internal:80"
        ))
    };
    let Some((host, port)) = host_port::split(address) else {
        return fault();
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains(':') && !bracketed || host.contains(['/', ' ']) {
        return fault();
    }
    if port == 0 { fault() } else { Ok(()) }
}

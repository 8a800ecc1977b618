//! Admin and health endpoints.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use component::address::collide;
use component::admin::Credentials;
use component::yaml::{Keys, Node, Output, Report, Value};

use super::ListenerConfig;

/// Who may ask the router about itself, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Health checks for load balancers; nothing else unless `deprecated_status`. `None`: the
    /// admin listener answers them alone.
    pub status: Option<SocketAddr>,
    /// Everything, health checks included.
    pub address: SocketAddr,
    /// Wanted for all but health checks. Without them all but health checks are refused to
    /// callers that are not on loopback.
    pub credentials: Option<Credentials>,
    /// Serves `/varz`, `/healthz` and `/routes` on the status listener too.
    pub deprecated_status: bool,
    /// A listener for `PUT /log-level` alone, as gorouter's; without credentials, so only on
    /// loopback.
    pub debug: Option<SocketAddr>,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STATUS_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 8082;

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            status: Some(SocketAddr::new(LOOPBACK, STATUS_PORT)),
            address: SocketAddr::new(LOOPBACK, ADMIN_PORT),
            credentials: None,
            deprecated_status: false,
            debug: None,
        }
    }
}

impl AdminConfig {
    pub(super) fn keys(&mut self, listeners: &[ListenerConfig], keys: &mut Keys<'_>) {
        keys.title("Admin endpoints");
        keys.section(
            "status",
            "Health checks, and the endpoints that show what the router knows.",
            |keys| self.status_keys(listeners, keys),
        );
        keys.key(
            "debug_addr",
            "A listener on loopback for PUT /log-level alone, as gorouter has.",
            &mut self.debug,
        );
        if self
            .debug
            .is_some_and(|address| !address.ip().is_loopback())
        {
            keys.fault(
                "debug_addr",
                "must be on loopback: it asks for no credentials",
            );
        }
    }

    fn status_keys(&mut self, listeners: &[ListenerConfig], keys: &mut Keys<'_>) {
        let mut host = self.status.map_or(LOOPBACK, |address| address.ip());
        let mut port = StatusPort(self.status.map(|address| address.port()));
        keys.key(
            "host",
            "Where load balancers find /health. gorouter listens on every address (0.0.0.0).",
            &mut host,
        );
        let ported = keys.key(
            "port",
            "Its port. off: the admin listener alone answers health checks. So it is, too, when \
             nothing is said here and one of the listeners has the default port.",
            &mut port,
        );
        self.status = port.0.map(|port| SocketAddr::new(host, port));
        let taken = self.status.is_some_and(|status| taken(listeners, status));
        if taken && keys.reading() && !ported {
            self.status = None;
        } else if taken {
            keys.fault("port", "a listener has this port already");
        }
        Credentials::keys(&mut self.credentials, keys);
        keys.key(
            "enable_deprecated_varz_healthz_endpoints",
            "Serve /varz, /healthz and /routes beside /health too.",
            &mut self.deprecated_status,
        );
        keys.section(
            "routes",
            "The admin listener: everything, /health included.",
            |keys| {
                self.address_keys(listeners, keys);
            },
        );
    }

    fn address_keys(&mut self, listeners: &[ListenerConfig], keys: &mut Keys<'_>) {
        let (mut host, mut port) = (self.address.ip(), self.address.port());
        keys.key("host", "Its address.", &mut host);
        keys.key("port", "Its port.", &mut port);
        self.address = SocketAddr::new(host, port);
        let beside_status = self
            .status
            .is_some_and(|status| collide(status, self.address));
        if beside_status || taken(listeners, self.address) {
            keys.fault("port", "another listener has this port already");
        }
    }
}

fn taken(listeners: &[ListenerConfig], address: SocketAddr) -> bool {
    listeners
        .iter()
        .filter_map(|l| l.address.tcp())
        .any(|listener| collide(listener, address))
}

/// `status.port`: a number or `off`.
struct StatusPort(Option<u16>);

impl Value for StatusPort {
    fn read(&mut self, node: &Node, report: &mut Report) {
        if node.text() == Some("off") {
            self.0 = None;
        } else {
            let mut port = 0;
            port.read(node, report);
            self.0 = Some(port);
        }
    }

    fn write(&self) -> Output {
        self.0
            .map_or_else(|| Output::Scalar("off".into()), |port| port.write())
    }
}

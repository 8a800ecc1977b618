//! Registrations on the bus, as a registrar publishes them.

use std::net::SocketAddr;

use tests_kit::{FakeNats, NatsClient};

/// A client of the bus that speaks for endpoints.
pub trait Registrar {
    /// Publishes what claims these URIs for an endpoint.
    fn register(&mut self, uris: &[&str], endpoint: SocketAddr);

    /// Publishes what gives these URIs of an endpoint up.
    fn unregister(&mut self, uris: &[&str], endpoint: SocketAddr);
}

impl Registrar for NatsClient {
    fn register(&mut self, uris: &[&str], endpoint: SocketAddr) {
        self.publish("router.register", &claim(uris, endpoint));
    }

    fn unregister(&mut self, uris: &[&str], endpoint: SocketAddr) {
        self.publish("router.unregister", &claim(uris, endpoint));
    }
}

/// A server of the bus that delivers registrations which nobody published.
pub trait FakeRegistrar {
    /// Delivers what claims these URIs for an endpoint.
    fn register(&self, uris: &[&str], endpoint: SocketAddr);

    /// Delivers what gives these URIs of an endpoint up.
    fn unregister(&self, uris: &[&str], endpoint: SocketAddr);
}

impl FakeRegistrar for FakeNats {
    fn register(&self, uris: &[&str], endpoint: SocketAddr) {
        self.deliver("router.register", claim(uris, endpoint).as_bytes());
    }

    fn unregister(&self, uris: &[&str], endpoint: SocketAddr) {
        self.deliver("router.unregister", claim(uris, endpoint).as_bytes());
    }
}

/// The registration of an endpoint for these URIs.
fn claim(uris: &[&str], endpoint: SocketAddr) -> String {
    let (host, port) = (endpoint.ip().to_string(), endpoint.port());
    serde_json::json!({ "uris": uris, "host": host, "port": port }).to_string()
}

//! The other end of the bus, whichever it is.

use bus::{Bus, Event, Hub, Options, Server};
use protocol::bus::Register;
use tests_kit::{NatsServer, PATIENCE};

/// Small, so that a slow reader is soon one.
pub(crate) const CAPACITY: usize = 64;

/// The other end of the bus, whichever it is.
pub(crate) enum Place {
    Memory(Hub),
    Nats(NatsServer),
}

impl Place {
    pub(crate) async fn connect(&self) -> Bus {
        match self {
            Self::Memory(hub) => Bus::in_memory(hub, CAPACITY),
            Self::Nats(server) => Bus::connect(&options(server)).unwrap(),
        }
    }

    /// A connection that is up.
    pub(crate) async fn connected(&self) -> Bus {
        let bus = self.connect().await;
        let event = within(bus.events().next()).await;
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
        bus
    }

    pub(crate) fn stop(&mut self) {
        match self {
            Self::Memory(hub) => hub.stop(),
            Self::Nats(server) => server.kill(),
        }
    }

    pub(crate) fn start(&mut self) {
        match self {
            Self::Memory(hub) => hub.start(),
            Self::Nats(server) => server.restart(),
        }
    }
}

pub(crate) fn options(server: &NatsServer) -> Options {
    Options {
        servers: vec![Server {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
        }],
        name: "contract".to_owned(),
        subscription_capacity: CAPACITY,
        ..Options::default()
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("late")
}

/// Returns when the server has seen everything that `bus` sent before.
pub(crate) async fn settle(bus: &Bus) {
    let mut echo = within(bus.subscribe_pattern("settle.>")).await.unwrap();
    within(bus.publish_raw("settle.now", "{}")).await.unwrap();
    within(echo.next()).await.unwrap();
}

pub(crate) fn register(app: &str) -> Register {
    Register {
        app: app.to_owned(),
        ..Register::default()
    }
}

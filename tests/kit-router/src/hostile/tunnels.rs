//! Tunnels that one side has left, and the other has not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::clients::TURN;
use super::crowd::Crowd;
use super::scene::{Ended, Scene, Setup};
use tests_kit::{Backend, Conversation, FaultProxy, Gate, free_address};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: bad.test\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\n\r\n";

/// Opens a gate when it goes.
pub(super) struct Opens(pub(super) Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Clients that open tunnels and close, to a backend that never closes its own side.
pub(super) fn closed() -> Setup {
    Setup::new(|scene| {
        let crowd = gathered(scene, scene.router, 200);
        let note = format!("{} tunnels; {}", crowd.len(), crowd.told());
        drop(crowd);
        while scene.goes_on(TURN) {}
        Ended::noted(note)
    })
    .keys("tunnel_half_closed_timeout: 1s")
    .with_a_backend_that_stays()
}

/// Clients that open tunnels and vanish without a word: neither an end nor a reset arrives.
pub(super) fn vanished() -> Setup {
    let router = free_address();
    let way = FaultProxy::start(router);
    let to = way.address();
    let vanishing = Arc::new(way);
    let kept = Arc::clone(&vanishing);
    Setup::new(move |scene| {
        let crowd = gathered(scene, to, 50);
        let note = format!("{} tunnels; {}", crowd.len(), crowd.told());
        vanishing.vanish();
        drop(crowd);
        while scene.goes_on(TURN) {}
        Ended::noted(note)
    })
    .keys(&format!("listeners: [{{address: \"{router}\"}}]"))
    .keys("tunnel_idle_timeout: 1s")
    .with_a_backend_that_stays()
    .keep(kept)
}

/// So many tunnels, once all of them are open.
fn gathered(scene: &Scene, to: SocketAddr, count: usize) -> Crowd {
    let mut crowd = Crowd::gather(to, count);
    crowd.send(UPGRADE.as_bytes());
    while crowd.answered("HTTP/1.1 101") < crowd.len() && scene.goes_on(TURN) {
        crowd.listen();
    }
    crowd
}

impl Setup {
    /// A backend that takes every upgrade, and then neither reads nor ends.
    fn with_a_backend_that_stays(self) -> Self {
        let gate = Gate::new();
        let opened = gate.clone();
        let backend = Backend::start(move |conversation: &mut Conversation| {
            conversation.head()?;
            conversation.send(SWITCHING)?;
            while !opened.wait_for(Duration::from_secs(1)) {}
            Ok(())
        });
        self.route("bad.test", backend.address())
            .keep(backend)
            .keep(Opens(gate))
    }
}

//! How a program keeps its addresses registered with the routers.
//!
//! A claim is published at once, whenever a router starts or the bus comes back, and at the interval that
//! the routers ask for. It is withdrawn as soon as it is dropped from the list.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, BusError};
use protocol::bus::{
    Greet, ROUTER_GREET, ROUTER_REGISTER, ROUTER_START, ROUTER_UNREGISTER, Register, Start,
};
use tokio::time::{MissedTickBehavior, interval};

/// How often claims are renewed until a router says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(20);
/// What a router may ask for: more often is refused, and less often is too late for the next one.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// How long the routers may take to say who they are.
const GREETING: Duration = Duration::from_secs(1);

/// What a program claims, by a name of its own choice for each claim.
#[derive(Debug)]
pub struct Registrations {
    bus: Bus,
    claims: Mutex<BTreeMap<String, Register>>,
}

impl Registrations {
    /// No claims yet.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            bus,
            claims: Mutex::default(),
        }
    }

    /// Claims what `claim` says, in place of what `name` claimed before. That the bus is away is no error:
    /// the claim is published when it comes back.
    pub async fn add(&self, name: &str, claim: Register) {
        let before = self.claims().insert(name.to_owned(), claim.clone());
        if let Some(obsolete) = before.and_then(|before| withdrawn(before, &claim)) {
            self.publish(false, &obsolete).await;
        }
        if !claim.uris.is_empty() {
            self.publish(true, &claim).await;
        }
    }

    /// Withdraws what `name` claims.
    pub async fn remove(&self, name: &str) {
        let claim = self.claims().remove(name);
        if let Some(claim) = claim.filter(|claim| !claim.uris.is_empty()) {
            self.publish(false, &claim).await;
        }
    }

    /// Withdraws everything.
    pub async fn clear(&self) {
        let claims = std::mem::take(&mut *self.claims());
        for claim in claims.values().filter(|claim| !claim.uris.is_empty()) {
            self.publish(false, claim).await;
        }
    }

    /// Renews all claims, until it is dropped or the client of the bus ends.
    ///
    /// # Errors
    /// The client of the bus has ended.
    pub async fn keep(&self) -> Result<(), BusError> {
        let mut starts = self.bus.subscribe(&ROUTER_START).await?;
        let mut events = self.bus.events();
        let mut every = DEFAULT_INTERVAL;
        let mut renewal = renewal(every);
        loop {
            tokio::select! {
                _ = renewal.tick() => {}
                event = events.next() => match event {
                    Some(bus::Event::Connected { .. }) => {
                        if let Some(asked) = self.greet().await.filter(|asked| *asked != every) {
                            every = asked;
                            renewal = self::renewal(every);
                        }
                    }
                    Some(_) => continue,
                    None => return Err(BusError::Closed),
                },
                start = starts.next() => {
                    let start = start.ok_or(BusError::Closed)?;
                    let asked = start.decode().ok().and_then(|start| wanted(&start));
                    if let Some(asked) = asked.filter(|asked| *asked != every) {
                        every = asked;
                        renewal = self::renewal(every);
                    }
                }
            }
            self.publish_all().await;
        }
    }

    /// The interval that a router asks for.
    async fn greet(&self) -> Option<Duration> {
        let answer = self.bus.request(&ROUTER_GREET, &Greet, GREETING).await;
        wanted(&answer.ok()?)
    }

    async fn publish_all(&self) {
        let claims: Vec<Register> = self.claims().values().cloned().collect();
        for claim in claims.iter().filter(|claim| !claim.uris.is_empty()) {
            self.publish(true, claim).await;
        }
    }

    async fn publish(&self, is_claimed: bool, claim: &Register) {
        let subject = if is_claimed {
            &ROUTER_REGISTER
        } else {
            &ROUTER_UNREGISTER
        };
        if let Err(error) = self.bus.publish(subject, claim).await {
            tracing::debug!(%error, subject = subject.name(), "claim-not-published");
        }
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<String, Register>> {
        // A map is whole after every call, so a panic elsewhere does no harm to it.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of `before` has to be withdrawn when `now` takes its place.
fn withdrawn(mut before: Register, now: &Register) -> Option<Register> {
    let is_same_address =
        before.host == now.host && before.port == now.port && before.tls_port == now.tls_port;
    if is_same_address {
        before.uris.retain(|uri| !now.uris.contains(uri));
    }
    (!before.uris.is_empty()).then_some(before)
}

/// The interval that a router asks for, within [`INTERVALS`]. None when it says nothing of it.
fn wanted(start: &Start) -> Option<Duration> {
    let [shortest, longest] = INTERVALS;
    let asked = Duration::from_secs(start.minimum_register_interval_in_seconds);
    (!asked.is_zero()).then(|| asked.clamp(shortest, longest))
}

fn renewal(every: Duration) -> tokio::time::Interval {
    let mut renewal = interval(every);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal
}

#[cfg(test)]
mod tests {
    use bus::{Hub, Subscription};
    use protocol::bus::{ROUTER_PATTERN, RouterEvent};

    use super::*;

    fn claim(port: u16, uris: &[&str]) -> Register {
        Register {
            uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            host: "10.0.0.1".to_owned(),
            port,
            ..Register::default()
        }
    }

    /// What is heard next: `+` or `-`, the port and the URIs.
    async fn heard(events: &mut Subscription) -> String {
        loop {
            let event = events.next().await.unwrap();
            let text = |sign: char, claim: &Register| {
                format!("{sign}{} {}", claim.port, claim.uris.join(" "))
            };
            match RouterEvent::decode(event.subject(), event.payload()).unwrap() {
                RouterEvent::Register(claim) => return text('+', &claim),
                RouterEvent::Unregister(claim) => return text('-', &claim),
                RouterEvent::Other => {}
            }
        }
    }

    #[tokio::test]
    async fn a_claim_is_published_changed_and_withdrawn() {
        let hub = Hub::default();
        let mut events = Bus::in_memory(&hub, 16)
            .subscribe_pattern(ROUTER_PATTERN)
            .await
            .unwrap();
        let ours = Registrations::new(Bus::in_memory(&hub, 16));
        ours.add("a", claim(1, &["x", "y"])).await;
        ours.add("a", claim(1, &["y", "z"])).await;
        ours.add("a", claim(2, &["y"])).await;
        ours.add("silent", claim(3, &[])).await;
        ours.remove("a").await;
        ours.remove("unknown").await;
        ours.add("b", claim(4, &["w"])).await;
        ours.clear().await;
        for expected in [
            "+1 x y", "-1 x", "+1 y z", "-1 y z", "+2 y", "-2 y", "+4 w", "-4 w",
        ] {
            assert_eq!(heard(&mut events).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn claims_are_renewed_as_often_as_the_routers_ask() {
        let hub = Hub::default();
        let theirs = Bus::in_memory(&hub, 64);
        let mut events = theirs.subscribe_pattern(ROUTER_PATTERN).await.unwrap();
        let ours = Registrations::new(Bus::in_memory(&hub, 64));
        ours.add("a", claim(1, &["x"])).await;
        assert_eq!(heard(&mut events).await, "+1 x");
        let start = Start {
            minimum_register_interval_in_seconds: 5,
            ..Start::default()
        };
        let scene = async {
            theirs.publish(&ROUTER_START, &start).await.unwrap();
            let mut renewed = 0;
            let end = tokio::time::Instant::now() + Duration::from_secs(51);
            while tokio::time::timeout_at(end, heard(&mut events))
                .await
                .is_ok()
            {
                renewed += 1;
            }
            renewed
        };
        // It listens before the router starts.
        let renewed = tokio::select! {
            biased;
            ended = ours.keep() => panic!("{ended:?}"),
            renewed = scene => renewed,
        };
        // One each 5 s, and those at the start, when the bus came and when a router did.
        assert!((10..=14).contains(&renewed), "{renewed}");
    }

    #[test]
    fn a_router_is_not_asked_for_the_impossible() {
        for (asked, granted) in [(0, None), (1, Some(1)), (20, Some(20)), (3600, Some(60))] {
            let start = Start {
                minimum_register_interval_in_seconds: asked,
                ..Start::default()
            };
            assert_eq!(wanted(&start), granted.map(Duration::from_secs), "{asked}");
        }
    }
}

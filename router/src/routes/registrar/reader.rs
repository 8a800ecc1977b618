//! The thread that talks to the bus.

use std::collections::VecDeque;
use std::fmt::Display;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Delivery, Event, Subscription};
use component::tick::Tick;
use foldhash::quality::RandomState;
use protocol::bus::{
    Glimpse, Greet, ROUTER_GREET, ROUTER_PATTERN, ROUTER_REGISTER, ROUTER_START, Register,
    RouterEvent, Start,
};
use router_core::coalesce::Notice;
use router_core::endpoint::Digest;
use router_core::registration::{Accepted, Registration, RegistrationRules, Rejection, Withdrawal};
use router_core::registry::{renew, repeat};
use tokio::time::{Instant, sleep_until};

use super::inbox::Inbox;
use super::pace::{Brought, Pace};
use super::settings::RegistrarSettings;
use super::{Now, Outlets};
use crate::observe::metrics::{Action, RegistryMetrics};

/// Notices that are handed over at once.
const NOTICES: usize = 256;

/// The shortest time between two requests to all registrars for everything that they have. Asking
/// again while their answers are what overwhelms us would not help.
const START_PAUSE: Duration = Duration::from_secs(1);

/// The bytes of a bad message that are logged, and of what is wrong with it.
const SHOWN: usize = 512;

/// The URIs that are logged of a message of which one is bad.
const URIS_SHOWN: usize = 16;

/// The state of the reader's thread.
pub(super) struct Reader {
    bus: Bus,
    inbox: Arc<Inbox>,
    outlets: Outlets,
    rules: RegistrationRules,
    start: Start,
    remind_interval: Duration,
    now: Now,
    hasher: RandomState,
}

impl Reader {
    pub(super) fn new(
        bus: Bus,
        settings: RegistrarSettings,
        inbox: Arc<Inbox>,
        outlets: Outlets,
        now: Now,
    ) -> Self {
        Self {
            bus,
            inbox,
            outlets,
            now,
            hasher: RandomState::default(),
            rules: settings.rules,
            start: settings.start,
            remind_interval: settings.remind_interval,
        }
    }

    /// Works as long as the bus can be heard and followed, and returns what ended that. A connection
    /// that is lost does not, since the client of the bus makes another one: its own end does.
    pub(super) async fn run(self) -> String {
        let registrations = self.bus.subscribe_pattern(ROUTER_PATTERN).await;
        let greets = self.bus.subscribe(&ROUTER_GREET).await;
        let (registrations, greets) = match (registrations, greets) {
            (Ok(registrations), Ok(greets)) => (registrations, greets),
            (Err(error), _) | (_, Err(error)) => return error.to_string(),
        };
        let ended = tokio::select! {
            () = self.registrations(registrations) => "registrations",
            () = self.greets(greets) => "greetings",
            () = self.events() => "events",
        };
        format!("the client of the bus has no more {ended}")
    }

    /// Moves what arrives into the inbox.
    async fn registrations(&self, mut arriving: Subscription) {
        let mut notices = VecDeque::with_capacity(NOTICES);
        let mut pace = Pace::new(std::time::Instant::now());
        while let Some(delivery) = arriving.next().await {
            let (mut handled, mut brought) = (1, Brought::Heartbeats);
            self.read(&delivery, &mut notices);
            while let Some(delivery) = arriving.try_next() {
                handled += 1;
                self.read(&delivery, &mut notices);
                if notices.len() >= NOTICES {
                    brought = Brought::Changes;
                    self.inbox.offer(&mut notices).await;
                }
            }
            if !notices.is_empty() {
                brought = Brought::Changes;
                self.inbox.offer(&mut notices).await;
            }
            if let Some(pause) = pace.after(handled, brought, std::time::Instant::now()) {
                rest(pause);
            }
        }
    }

    fn read(&self, delivery: &Delivery, notices: &mut VecDeque<Notice>) {
        let digest = self.digest(delivery.payload());
        if notices.is_empty() && self.repeats(delivery, digest) {
            return;
        }
        match RouterEvent::decode(delivery.subject(), delivery.payload()) {
            Ok(RouterEvent::Register(message)) => {
                let mut accepted = Registration::from_message(&message, &self.rules);
                if let Ok(Accepted { claims, .. }) = &mut accepted {
                    claims.iter_mut().for_each(|claim| claim.digest = digest);
                    claims.retain(|claim| !(notices.is_empty() && self.renew(claim)));
                }
                self.accept(delivery, &message, accepted, notices, Notice::Register);
            }
            Ok(RouterEvent::Unregister(message)) => {
                let accepted = Withdrawal::from_message(&message, &self.rules);
                if let Ok(Accepted { claims, .. }) = &accepted {
                    let component = message.tags.get("component").unwrap_or_default();
                    let metrics = &self.outlets.metrics.registry;
                    claims.iter().for_each(|_| metrics.unregistered(component));
                }
                self.accept(delivery, &message, accepted, notices, Notice::Unregister);
            }
            Ok(RouterEvent::Other) => {}
            Err(error) => self.refuse(delivery, &error.reason()),
        }
    }

    /// Stands for the bytes of a message, in this process.
    fn digest(&self, payload: &[u8]) -> Digest {
        Digest::of(self.hasher.hash_one(payload))
    }

    /// Renews the claims of a registration that is repeated byte for byte, as nearly all are, without
    /// taking it apart. Returns whether that is all there was to do.
    fn repeats(&self, delivery: &Delivery, digest: Digest) -> bool {
        let Some(idle) = self.inbox.epoch.idle() else {
            return false;
        };
        if delivery.subject() != ROUTER_REGISTER.name() {
            return false;
        }
        let Some(glimpse) = Glimpse::of(delivery.payload()) else {
            return false;
        };
        let Glimpse {
            uris,
            host,
            port,
            tls_port,
        } = glimpse;
        let port = if tls_port == 0 { port } else { tls_port };
        let now = (self.now)();
        let table = self.outlets.routes.load();
        let repeated = repeat(&table, &uris, (host, port), digest, now);
        let Some(component) = repeated.filter(|_| self.inbox.epoch.is_still(idle)) else {
            return false;
        };
        let name = component.and_then(|id| table.components().name(id));
        for _ in &uris {
            self.renewed(name.unwrap_or_default(), now);
        }
        true
    }

    /// Renews a claim that says nothing new, without troubling the writer. Returns whether that is all
    /// there was to do. Nothing may be waiting that was said before.
    fn renew(&self, claim: &Registration) -> bool {
        let Some(idle) = self.inbox.epoch.idle() else {
            return false;
        };
        let now = (self.now)();
        let renewed =
            renew(&self.outlets.routes.load(), claim, now) && self.inbox.epoch.is_still(idle);
        if renewed {
            let component = claim.facts.tag("component");
            self.renewed(component.as_ref().map_or("", |tag| tag.as_str()), now);
        }
        renewed
    }

    fn renewed(&self, component: &str, now: Tick) {
        let metrics = &self.outlets.metrics.registry;
        metrics.registered(component, Action::Refreshed);
        metrics.updated_at.set(now.as_millis());
    }

    fn accept<T>(
        &self,
        delivery: &Delivery,
        message: &Register,
        accepted: Result<Accepted<T>, Rejection>,
        notices: &mut VecDeque<Notice>,
        notice: fn(T) -> Notice,
    ) {
        match accepted {
            Ok(accepted) => {
                notices.extend(accepted.claims.into_iter().map(notice));
                if let Some(bad) = accepted.bad_uris.first() {
                    let uris = &message.uris[..message.uris.len().min(URIS_SHOWN)];
                    self.refuse(delivery, &format_args!("{bad:?} in {uris:?}"));
                }
            }
            Err(Rejection::OtherSegment) => {}
            Err(rejection) => self.refuse(delivery, &rejection),
        }
    }

    fn refuse(&self, delivery: &Delivery, error: &dyn Display) {
        self.outlets.metrics.registry.invalid_messages.add(1);
        let payload = delivery.payload();
        let shown = &payload[..payload.len().min(SHOWN)];
        let mut error = error.to_string();
        error.truncate(error.floor_char_boundary(SHOWN));
        tracing::warn!(
            error,
            subject = delivery.subject(),
            payload = %shown.escape_ascii(),
            "validation-error"
        );
    }

    /// Tells every registrar that asks who we are.
    async fn greets(&self, mut arriving: Subscription<Greet>) {
        while let Some(greet) = arriving.next().await {
            if let Err(error) = self.bus.reply(&greet, &self.start).await {
                tracing::debug!(%error, "greet-not-answered");
            }
        }
    }

    /// Follows the connection.
    async fn events(&self) {
        let mut events = self.bus.events();
        let mut link = Link::new(Instant::now() + self.remind_interval);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.event(event, &mut link),
                    None => return,
                },
                () = sleep_until(link.start_at.unwrap_or(link.remind_at)) => {
                    self.wake(&mut link).await;
                }
                () = self.inbox.writer_lost() => self.hear_again(&mut link),
            }
        }
    }

    /// The writer is told before the metrics: who reads there that the bus is back, or lost, may rely
    /// on the next prune cycle knowing it.
    fn event(&self, event: Event, link: &mut Link) {
        let now = Instant::now();
        let metrics = &self.outlets.metrics.registry;
        match event {
            Event::Connected { server, again } => {
                link.up = true;
                link.refusal = None;
                link.loss = None;
                link.ask(now);
                self.inbox.bus_back();
                metrics.bus_state.set(RegistryMetrics::BUS_UP);
                let message = if again {
                    "nats-connection-reconnected"
                } else {
                    "Successfully-connected-to-nats"
                };
                tracing::info!("nats-host" = &*server, "{message}");
                // Behind the line: who waits for the bus finds it told.
                self.outlets.health.bus(true);
            }
            Event::Disconnected { reason } => {
                link.up = false;
                link.start_at = None;
                link.remind_at = now + self.remind_interval;
                self.inbox.bus_lost();
                metrics.bus_state.set(RegistryMetrics::BUS_DOWN);
                metrics.bus_losses.add(1);
                self.outlets.health.bus(false);
                tracing::warn!(%reason, "nats-connection-disconnected");
                link.loss = Some(reason);
            }
            Event::Refused { reason } => {
                if link.refusal.is_none() {
                    tracing::warn!(%reason, "nats-connection-failed");
                }
                link.refusal = Some(reason);
            }
            Event::SlowConsumer { dropped } => {
                // What was dropped is as unknown as what was said while there was no connection.
                self.inbox.bus_lost();
                if link.up {
                    self.inbox.bus_back();
                    link.ask(now);
                }
                metrics.dropped_messages.add(dropped);
                metrics.bus_losses.add(1);
                tracing::warn!(dropped, "nats-slow-consumer");
            }
            Event::Complaint { reason } => tracing::warn!(%reason, "nats-error"),
        }
    }

    /// The writer has lost what it was handed: all of it has to be said again.
    fn hear_again(&self, link: &mut Link) {
        if link.up {
            self.inbox.bus_back();
            link.ask(Instant::now());
        }
        self.outlets.metrics.registry.bus_losses.add(1);
    }

    /// Does what was due at this time.
    async fn wake(&self, link: &mut Link) {
        let now = Instant::now();
        if link.start_at.is_some_and(|at| at <= now) {
            link.started(now);
            if let Err(error) = self.bus.publish(&ROUTER_START, &self.start).await {
                tracing::warn!(%error, "router-start-not-published");
                if link.up {
                    link.ask(now);
                }
            }
        }
        if link.remind_at <= now {
            link.remind_at = now + self.remind_interval;
            if !link.up {
                let reason = link.refusal.as_ref().or(link.loss.as_ref());
                let reason = reason.map(|reason| &**reason).unwrap_or_default();
                tracing::warn!(reason, "nats-connection-still-disconnected");
            }
        }
    }
}

/// Lets the whole thread sleep, and with it the client of the bus, which runs on it: it is its wake-ups
/// that cost.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing is waited for: messages are let gather, on a thread that does nothing else"
)]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

/// The connection as the reader sees it.
#[derive(Debug)]
struct Link {
    up: bool,
    /// Why the last attempt to connect failed, since the last that did not.
    refusal: Option<Arc<str>>,
    /// Why the last connection was lost, since it was.
    loss: Option<Arc<str>>,
    remind_at: Instant,
    /// When to ask all registrars for everything that they have.
    start_at: Option<Instant>,
    last_start: Option<Instant>,
}

impl Link {
    fn new(remind_at: Instant) -> Self {
        Self {
            up: false,
            refusal: None,
            loss: None,
            remind_at,
            start_at: None,
            last_start: None,
        }
    }

    /// Plans to ask all registrars, now or as soon as it is time again.
    fn ask(&mut self, now: Instant) {
        let earliest = self.last_start.map_or(now, |last| last + START_PAUSE);
        self.start_at = Some(earliest.max(now));
    }

    fn started(&mut self, now: Instant) {
        self.start_at = None;
        self.last_start = Some(now);
    }
}

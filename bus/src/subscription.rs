//! The reading end of a subscription.

use std::marker::PhantomData;

use futures_util::FutureExt;

use crate::arrival::Arrival;
use crate::delivery::{Delivery, Raw};
use crate::{memory, nats};

/// Messages that arrive for one subscriber, in the order in which each sender published them.
///
/// It holds [`Options::subscription_capacity`](crate::Options::subscription_capacity) deliveries of
/// [`Options::subscription_bytes`](crate::Options::subscription_bytes); while it is full, new ones
/// are dropped and reported as an event. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription<M = Raw> {
    source: Source,
    message: PhantomData<fn() -> M>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Nats(nats::NatsSubscriber),
    Memory(memory::MemorySubscriber),
}

impl Source {
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        match self {
            Self::Nats(subscriber) => subscriber.next().await,
            Self::Memory(subscriber) => subscriber.next().await,
        }
    }
}

impl<M> Subscription<M> {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            message: PhantomData,
        }
    }

    /// Waits for the next message; none when what keeps the connection has ended.
    ///
    /// Cancel-safe: a message is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Delivery<M>> {
        self.source.next().await.map(Delivery::new)
    }

    /// The next message if it is already here.
    pub fn try_next(&mut self) -> Option<Delivery<M>> {
        self.next().now_or_never().flatten()
    }
}

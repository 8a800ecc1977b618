//! One message as it arrived.

use std::marker::PhantomData;

use protocol::bus::{DecodeError, Message};

use crate::Address;
use crate::arrival::Arrival;

/// The message type of a delivery whose subject does not tell: one selected by a pattern.
#[derive(Clone, Copy, Debug)]
pub enum Raw {}

/// One message as it arrived, not yet decoded: a reader that cannot decode it still has the bytes
/// to show.
#[derive(Clone, Debug)]
pub struct Delivery<M = Raw> {
    arrival: Arrival,
    message: PhantomData<fn() -> M>,
}

impl<M> Delivery<M> {
    pub(crate) fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            message: PhantomData,
        }
    }

    /// The subject it was published on.
    pub fn subject(&self) -> &str {
        &self.arrival.subject
    }

    /// Its bytes.
    pub fn payload(&self) -> &[u8] {
        &self.arrival.payload
    }

    /// Whether its sender waits for an answer; [`Bus::reply`](crate::Bus::reply) gives one.
    pub fn wants_reply(&self) -> bool {
        self.arrival.reply.is_some()
    }

    pub(crate) fn reply(&self) -> Option<&Address> {
        self.arrival.reply.as_ref()
    }
}

impl<M: Message> Delivery<M> {
    /// Decodes the message.
    ///
    /// # Errors
    /// The payload is not this message.
    pub fn decode(&self) -> Result<M, DecodeError> {
        M::decode(&self.arrival.payload)
    }
}

//! One message as it arrived.

use std::marker::PhantomData;

use bytes::Bytes;
use protocol::bus::{DecodeError, Message};

use crate::Address;

/// The message type of a delivery whose subject does not tell: one selected by a pattern.
#[derive(Clone, Copy, Debug)]
pub enum Raw {}

/// One message as it arrived, not yet decoded: a reader that cannot decode it still has the bytes
/// to show.
#[derive(Clone, Debug)]
pub struct Delivery<M = Raw> {
    subject: Address,
    payload: Bytes,
    reply: Option<Address>,
    message: PhantomData<fn() -> M>,
}

impl<M> Delivery<M> {
    pub(crate) fn new(subject: Address, payload: Bytes, reply: Option<Address>) -> Self {
        Self {
            subject,
            payload,
            reply,
            message: PhantomData,
        }
    }

    /// The subject it was published on.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether its sender waits for an answer; [`Bus::reply`](crate::Bus::reply) gives one.
    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    pub(crate) fn reply(&self) -> Option<&Address> {
        self.reply.as_ref()
    }
}

impl<M: Message> Delivery<M> {
    /// Decodes the message.
    ///
    /// # Errors
    /// The payload is not this message.
    pub fn decode(&self) -> Result<M, DecodeError> {
        M::decode(&self.payload)
    }
}

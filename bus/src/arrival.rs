//! A message as a transport hands it over.

use bytes::Bytes;

use crate::Address;

/// A message on its way to one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) subject: Address,
    pub(crate) reply: Option<Address>,
    pub(crate) payload: Bytes,
    /// Not a message of anybody: a request has no receiver.
    pub(crate) no_responders: bool,
}

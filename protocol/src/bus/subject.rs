//! A subject that knows what is said on it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::liberal;

/// The name of a bus subject, bound to the one type of message published there.
pub struct Subject<M> {
    name: &'static str,
    message: PhantomData<fn() -> M>,
}

impl<M> Subject<M> {
    /// A subject called `name`. Meant for constants.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            message: PhantomData,
        }
    }

    /// The name as it goes on the wire.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<M> Clone for Subject<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Subject<M> {}

impl<M> fmt::Debug for Subject<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?})", self.name)
    }
}

/// A payload with its form on the wire.
pub trait Message: Sized {
    /// Reads a payload.
    ///
    /// # Errors
    /// When the payload is not what this message must be; the reason is fit for a log.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError>;

    /// The payload as published.
    fn encode(&self) -> Vec<u8>;
}

/// Why a payload was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    reason: String,
}

impl DecodeError {
    /// The reason in words, with the position in the payload where one is known.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not understood: {}", self.reason)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a JSON object; a list of its values in order is not one, whatever serde makes of it.
pub(super) fn from_object<M: DeserializeOwned>(payload: &[u8]) -> Result<M, DecodeError> {
    match payload.trim_ascii_start().first() {
        Some(b'{') => match serde_json::from_slice(payload) {
            Ok(message) => Ok(message),
            // Rare enough to be read twice.
            Err(error) => match liberal::mended(payload) {
                Some(mended) => Ok(serde_json::from_slice(&mended)?),
                None => Err(error.into()),
            },
        },
        _ => Err(DecodeError {
            reason: "a JSON object was expected".to_owned(),
        }),
    }
}

/// The JSON form shared by all messages on the bus today.
macro_rules! json_message {
    ($message:ty) => {
        impl $crate::bus::Message for $message {
            fn decode(payload: &[u8]) -> Result<Self, $crate::bus::DecodeError> {
                $crate::bus::subject::from_object(payload)
            }

            fn encode(&self) -> Vec<u8> {
                // Strings, numbers and lists alone: nothing here can fail to serialise.
                serde_json::to_vec(self).unwrap_or_default()
            }
        }
    };
}

pub(super) use json_message;

//! A request that was not answered as it should have been.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::Manner;
use crate::client::NoResponse;

/// How a request was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// There was no connection to send it on.
    Refused,
    /// The connection ended before a byte of the response.
    Unanswered,
    /// The connection ended within the response.
    Cut,
    /// The response had another status.
    Status(u16),
    /// The response was whole by its framing, and is not what the backend sent.
    Altered,
    /// Nothing came for as long as the client waits.
    Silent,
}

/// One request that was lost.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What kind of request.
    pub manner: Manner,
    /// When its head was with the system, or when a connection for it was tried.
    pub begun: Instant,
    /// For how long before that the client had not looked whether its connection was still open.
    pub unseen: Duration,
    /// How it was lost.
    pub how: How,
    /// The same in words.
    pub words: String,
}

impl Loss {
    pub(super) fn new(manner: Manner, begun: Instant, how: How, words: String) -> Self {
        Self {
            manner,
            begun,
            unseen: Duration::ZERO,
            how,
            words,
        }
    }

    /// Of a request for which no whole head came.
    pub(super) fn of(manner: Manner, begun: Instant, none: &NoResponse) -> Self {
        let how = if none.is_silence() {
            How::Silent
        } else if none.so_far.is_empty() {
            How::Unanswered
        } else {
            How::Cut
        };
        Self::new(manner, begun, how, none.to_string())
    }

    /// Whether a client of a server that is ending must expect it and may send the request again:
    /// no byte of a response came (RFC 9112 §9.5, RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self.how, How::Refused | How::Unanswered)
    }
}

/// How a request was lost of which not all could be sent, and for which no response came.
pub(super) fn unsent(error: &std::io::Error) -> How {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => How::Silent,
        _ => How::Unanswered,
    }
}

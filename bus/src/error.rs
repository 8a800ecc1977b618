//! What can go wrong on the bus.

use protocol::bus::DecodeError;

/// Why the bus did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The options name no server, a server that is none, or PEM text that cannot be read. Trying
    /// again does not help.
    #[error("the bus options are wrong: {reason}")]
    Options {
        /// Which option, and what is wrong with it.
        reason: String,
    },
    /// No server is connected at the moment. The message was not sent and never will be.
    #[error("the bus is not connected")]
    NotConnected,
    /// The message is longer than the server takes.
    #[error("the message is longer than the bus takes")]
    TooLong,
    /// The subject is empty or has a form that the bus does not know.
    #[error("not a subject of the bus: {subject:?}")]
    Subject {
        /// The subject in question.
        subject: String,
    },
    /// A request that nobody is there to answer.
    #[error("nobody answers on {subject}")]
    NoResponder {
        /// Where the request went.
        subject: String,
    },
    /// A request that was not answered in time.
    #[error("no answer on {subject} in time")]
    TimedOut {
        /// Where the request went.
        subject: String,
    },
    /// An answer that is not the message it should be.
    #[error("the answer on {subject} is not understood")]
    Malformed {
        /// Where the request went.
        subject: String,
        /// What is wrong with the answer.
        #[source]
        source: DecodeError,
    },
    /// What keeps the connection has ended. Another [`Bus`](crate::Bus) has to be made.
    #[error("the bus is closed")]
    Closed,
}

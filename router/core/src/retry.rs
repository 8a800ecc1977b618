//! When a request is sent again.
//!
//! The rule above all others: a request that is not safe to repeat and may have reached a backend is
//! never sent twice.

use crate::failure::EndpointFault;
use crate::field::{FieldKind, Fields};
use crate::http1::framing::BodyLength;
use crate::http1::request::Method;

/// How far an attempt came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// No byte of the request was handed to the connection.
    Nothing,
    /// Some bytes were; the body that the client sends was not touched.
    Head,
    /// Bytes of the body are gone.
    Body,
    /// The response began.
    Response,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it failed.
    pub fault: EndpointFault,
    /// How far it came.
    pub reached: Reached,
    /// Whether the connection had served a request before.
    pub reused: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same endpoint over a fresh connection: the old one had gone stale.
    Fresh,
    /// Another endpoint.
    Other,
    /// The client is told.
    GiveUp,
}

/// Whether a request may be sent again once a backend may have seen it: one of the safe methods
/// without a body, or one that carries a key for just this purpose.
#[must_use]
pub fn is_repeatable(method: Method, body: BodyLength, fields: Fields<'_>) -> bool {
    let keyed = || {
        fields.lines().iter().any(|field| {
            matches!(
                field.kind,
                FieldKind::IdempotencyKey | FieldKind::XIdempotencyKey
            )
        })
    };
    body == BodyLength::Empty && (method.repeatable() || keyed())
}

/// Decides what follows a failed attempt.
#[must_use]
pub fn decide(attempt: Attempt, repeatable: bool) -> Next {
    let Attempt {
        fault,
        reached,
        reused,
    } = attempt;
    let lost = matches!(
        fault,
        EndpointFault::Closed | EndpointFault::Reset | EndpointFault::Broken
    );
    let elsewhere = if lost && reused {
        Next::Fresh
    } else {
        Next::Other
    };
    match reached {
        Reached::Nothing => elsewhere,
        // A backend that crashes resets what waits in its accept queue: a loss of the connection is
        // one loss however the kernel words it.
        Reached::Head if repeatable && lost => elsewhere,
        Reached::Head | Reached::Body | Reached::Response => Next::GiveUp,
    }
}

/// Whether the endpoint is left out for a while after this.
#[must_use]
pub const fn ejects(attempt: Attempt) -> bool {
    match attempt.fault {
        EndpointFault::Refused
        | EndpointFault::Unreachable
        | EndpointFault::DialTimeout
        | EndpointFault::UnknownName => true,
        EndpointFault::Reset => !attempt.reused,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fault: EndpointFault, reached: Reached, reused: bool, repeatable: bool, next: Next) {
        assert_eq!(
            decide(
                Attempt {
                    fault,
                    reached,
                    reused
                },
                repeatable
            ),
            next
        );
    }

    #[test]
    fn what_no_backend_saw_is_tried_elsewhere() {
        for fault in [
            EndpointFault::Refused,
            EndpointFault::DialTimeout,
            EndpointFault::UnknownName,
        ] {
            check(fault, Reached::Nothing, false, false, Next::Other);
            assert!(ejects(Attempt {
                fault,
                reached: Reached::Nothing,
                reused: false
            }));
        }
    }

    #[test]
    fn a_stale_connection_is_replaced_when_nothing_can_happen_twice() {
        check(
            EndpointFault::Closed,
            Reached::Nothing,
            true,
            false,
            Next::Fresh,
        );
        check(
            EndpointFault::Closed,
            Reached::Head,
            true,
            true,
            Next::Fresh,
        );
        check(EndpointFault::Reset, Reached::Head, true, true, Next::Fresh);
        assert!(!ejects(Attempt {
            fault: EndpointFault::Reset,
            reached: Reached::Head,
            reused: true
        }));
    }

    #[test]
    fn what_may_have_been_seen_is_not_sent_twice() {
        for fault in [
            EndpointFault::Closed,
            EndpointFault::Reset,
            EndpointFault::ResponseTimeout,
        ] {
            for reused in [false, true] {
                check(fault, Reached::Head, reused, false, Next::GiveUp);
                check(fault, Reached::Body, reused, true, Next::GiveUp);
                check(fault, Reached::Response, reused, true, Next::GiveUp);
            }
        }
        check(
            EndpointFault::ResponseTimeout,
            Reached::Head,
            false,
            true,
            Next::GiveUp,
        );
    }

    #[test]
    fn a_fresh_connection_that_is_lost_is_tried_elsewhere_if_repeatable() {
        for fault in [
            EndpointFault::Closed,
            EndpointFault::Reset,
            EndpointFault::Broken,
        ] {
            check(fault, Reached::Head, false, true, Next::Other);
        }
    }
}

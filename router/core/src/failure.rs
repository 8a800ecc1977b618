//! Everything that goes wrong with a request, and the one place that says how it is answered.
//!
//! Statuses, messages and the `X-Cf-RouterError` values are gorouter's: dashboards match them.

use std::borrow::Cow;
use std::fmt;

use crate::http1::Refusal;

/// Why a request gets no response from a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The head is malformed, ambiguous or over a limit.
    Refused(Refusal),
    /// The head was not complete in time (RFC 9110 §15.5.9).
    HeadTimeout,
    /// The body is over the route's limit (RFC 9110 §15.5.14).
    BodyTooLarge,
    /// No host to look up.
    EmptyHost,
    /// `X-CF-App-Instance` is not `guid:index`.
    InvalidAppInstance,
    /// `X-CF-Process-Instance` is not `guid` or `guid:index`.
    InvalidProcessInstance,
    /// The instance asked for is not registered for the route.
    UnknownInstance {
        /// The index asked for; empty for any.
        index: String,
        /// The app or process asked for.
        guid: String,
        /// The route that was looked up.
        route: String,
    },
    /// No route matches.
    UnknownRoute {
        /// What was looked up.
        route: String,
    },
    /// The route matches and has no endpoint.
    NoEndpoints {
        /// What was looked up.
        route: String,
    },
    /// Every endpoint of the route has as many requests as it may.
    ConnectionLimit {
        /// What was looked up.
        route: String,
    },
    /// Every endpoint that was tried failed; the last one like this.
    Endpoint(EndpointFault),
    /// The client left before the response began. Logged, never sent.
    ClientGone,
    /// A defect of ours.
    Panicked,
}

/// How an endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// There was none left to try.
    NoneAvailable,
    /// It refused the connection.
    Refused,
    /// It could not be reached.
    Unreachable,
    /// It did not accept the connection in time.
    DialTimeout,
    /// Its name has no address.
    UnknownName,
    /// It wants TLS, which this router does not speak to backends.
    TlsUnsupported,
    /// It closed the connection before the response began.
    Closed,
    /// It reset the connection before the response began.
    Reset,
    /// Its response did not begin in time.
    ResponseTimeout,
    /// It stopped taking the request.
    RequestTimeout,
    /// Its response is malformed.
    Malformed(Refusal),
    /// It switched protocols unasked, or sent interim responses without end.
    Unsolicited,
    /// The connection failed otherwise.
    Broken,
}

impl fmt::Display for EndpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoneAvailable => "No endpoints available",
            Self::Refused => "dial: connection refused",
            Self::Unreachable => "dial: unreachable",
            Self::DialTimeout => "dial: timeout",
            Self::UnknownName => "dial: no such host",
            Self::TlsUnsupported => "dial: TLS to endpoints is not supported",
            Self::Closed => "EOF",
            Self::Reset => "connection reset by peer",
            Self::ResponseTimeout => "timeout awaiting response headers",
            Self::RequestTimeout => "timeout sending request",
            Self::Malformed(refusal) => {
                return write!(f, "malformed response: {}", refusal.message());
            }
            Self::Unsolicited => "unsolicited response",
            Self::Broken => "connection failed",
        })
    }
}

/// How a failure is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The value of `X-Cf-RouterError`.
    pub router_error: Option<Cow<'static, str>>,
    /// The body; empty for none.
    pub body: Body,
    /// The value of `Cache-Control`.
    pub cache_control: Option<&'static str>,
    /// Whether the connection ends with it: what follows on it cannot be told apart any more.
    pub closes: bool,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None at all.
    Empty,
    /// Fixed text.
    Fixed(&'static str),
    /// `<status> <reason>: <message>`, or the operator's page in its place.
    Message(Cow<'static, str>),
}

const SHORT: Option<&str> = Some("public,max-age=2");
const NEVER: Option<&str> = Some("no-cache, no-store");

impl Failure {
    /// How it is answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::Refused(Refusal::HeadTooLarge) => {
                let answer = Answer::fixed(431, "max-request-size-exceeded", "");
                Answer {
                    body: Body::Empty,
                    closes: true,
                    ..answer
                }
            }
            Self::Refused(refusal) => {
                let message = Body::Message(refusal.message().into());
                let status = refusal.status();
                let answer = Answer {
                    body: message,
                    ..Answer::fixed(status, "", "")
                };
                Answer {
                    closes: true,
                    ..answer
                }
            }
            Self::HeadTimeout => Answer {
                closes: true,
                ..Answer::fixed(408, "", "")
            },
            Self::BodyTooLarge => {
                let message = "request body exceeds the limit of the route";
                Answer {
                    closes: true,
                    ..Answer::message(413, "max-body-size-exceeded", message)
                }
            }
            Self::EmptyHost => {
                let answer = Answer::message(400, "empty_host", "Request had empty Host header");
                Answer {
                    cache_control: SHORT,
                    ..answer
                }
            }
            Self::InvalidAppInstance => Answer {
                cache_control: NEVER,
                ..Answer::message(
                    400,
                    "invalid_cf_app_instance_header",
                    "Invalid X-CF-App-Instance Header",
                )
            },
            Self::InvalidProcessInstance => Answer {
                cache_control: NEVER,
                ..Answer::message(
                    400,
                    "invalid_cf_process_instance_header",
                    "Invalid X-CF-Process-Instance Header",
                )
            },
            Self::UnknownInstance { .. } | Self::UnknownRoute { .. } => self.unknown_route(),
            Self::NoEndpoints { route } => Answer {
                cache_control: SHORT,
                ..Answer::message(
                    503,
                    "no_endpoints",
                    format!("Requested route ('{route}') has no available endpoints."),
                )
            },
            Self::ConnectionLimit { route } => Answer::message(
                503,
                "Connection Limit Reached",
                format!("Requested route ('{route}') has reached the connection limit."),
            ),
            Self::Endpoint(fault) => {
                let text = "502 Bad Gateway: Registered endpoint failed to handle the request.\n";
                let error = format!("endpoint_failure ({fault})");
                Answer {
                    router_error: Some(error.into()),
                    ..Answer::fixed(502, "", text)
                }
            }
            Self::ClientGone => Answer::fixed(499, "", "499 Request Cancelled\n"),
            Self::Panicked => Answer {
                closes: true,
                ..Answer::message(502, "unknown_failure", "Bad Gateway")
            },
        }
    }

    fn unknown_route(&self) -> Answer {
        let (status, message) = match self {
            Self::UnknownInstance { index, guid, route } => (
                400,
                format!(
                    "Requested instance ('{index}') with guid ('{guid}') does not exist for route \
                     ('{route}')"
                ),
            ),
            Self::UnknownRoute { route } => {
                (404, format!("Requested route ('{route}') does not exist."))
            }
            _ => return Answer::fixed(404, "unknown_route", ""),
        };
        Answer {
            cache_control: NEVER,
            ..Answer::message(status, "unknown_route", message)
        }
    }
}

impl Answer {
    fn fixed(status: u16, router_error: &'static str, text: &'static str) -> Self {
        Self {
            status,
            router_error: (!router_error.is_empty()).then_some(router_error.into()),
            body: if text.is_empty() {
                Body::Empty
            } else {
                Body::Fixed(text)
            },
            cache_control: None,
            closes: false,
        }
    }

    fn message(
        status: u16,
        router_error: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            body: Body::Message(message.into()),
            ..Self::fixed(status, router_error, "")
        }
    }

    /// The reason phrase of its status.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        reason(self.status)
    }
}

/// The reason phrase of the statuses that the router answers with.
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        431 => "Request Header Fields Too Large",
        499 => "Request Cancelled",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failure: &Failure, status: u16, error: Option<&str>, body: &Body) {
        let answer = failure.answer();
        assert_eq!(answer.status, status);
        assert_eq!(answer.router_error.as_deref(), error);
        assert_eq!(&answer.body, body);
        assert_ne!(answer.reason(), "Unknown");
    }

    #[test]
    fn answers_are_gorouters_to_the_letter() {
        let route = || "a.test".to_owned();
        check(
            &Failure::UnknownRoute { route: route() },
            404,
            Some("unknown_route"),
            &Body::Message("Requested route ('a.test') does not exist.".into()),
        );
        check(
            &Failure::UnknownInstance {
                index: "1".into(),
                guid: "g".into(),
                route: route(),
            },
            400,
            Some("unknown_route"),
            &Body::Message(
                "Requested instance ('1') with guid ('g') does not exist for route ('a.test')"
                    .into(),
            ),
        );
        check(
            &Failure::NoEndpoints { route: route() },
            503,
            Some("no_endpoints"),
            &Body::Message("Requested route ('a.test') has no available endpoints.".into()),
        );
        check(
            &Failure::ConnectionLimit { route: route() },
            503,
            Some("Connection Limit Reached"),
            &Body::Message("Requested route ('a.test') has reached the connection limit.".into()),
        );
        check(
            &Failure::EmptyHost,
            400,
            Some("empty_host"),
            &Body::Message("Request had empty Host header".into()),
        );
        check(
            &Failure::Endpoint(EndpointFault::NoneAvailable),
            502,
            Some("endpoint_failure (No endpoints available)"),
            &Body::Fixed("502 Bad Gateway: Registered endpoint failed to handle the request.\n"),
        );
        check(
            &Failure::Refused(Refusal::HeadTooLarge),
            431,
            Some("max-request-size-exceeded"),
            &Body::Empty,
        );
        check(
            &Failure::Panicked,
            502,
            Some("unknown_failure"),
            &Body::Message("Bad Gateway".into()),
        );
    }

    #[test]
    fn every_refusal_closes_and_has_a_reason() {
        for refusal in [
            Refusal::LineEnd,
            Refusal::Version,
            Refusal::Connect,
            Refusal::UnknownCoding,
            Refusal::TargetTooLong,
            Refusal::HeadTooLarge,
            Refusal::Host,
        ] {
            let answer = Failure::Refused(refusal).answer();
            assert!(answer.closes && answer.status >= 400, "{refusal:?}");
            assert_ne!(answer.reason(), "Unknown", "{refusal:?}");
        }
    }
}

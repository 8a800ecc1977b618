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
    /// The client stopped sending its body (RFC 9110 §15.5.9).
    BodyTimeout,
    /// The route wants its requests to pass through a service first, which this router cannot do.
    RouteServiceUnsupported,
    /// The body is over the route's limit (RFC 9110 §15.5.14).
    BodyTooLarge,
    /// The memory for large heads is used up (RFC 9110 §15.6.4).
    HeadMemory,
    /// The request has passed through this router before (RFC 5842 §7.2).
    Loop,
    /// No host to look up: none was given, or it is the address that the request came from, which
    /// some load balancers put there for an HTTP/1.0 request that had none.
    EmptyHost {
        /// That address; empty when no host was given.
        host: String,
    },
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
    /// It switched protocols unasked.
    Unsolicited,
    /// It sent interim responses without end.
    InterimFlood,
    /// This router could open no connection: it has no descriptor or no memory left for one.
    Exhausted,
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
            Self::InterimFlood => "too many interim responses",
            Self::Exhausted => "dial: out of descriptors or memory",
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

const SHORT: &str = "public,max-age=2";
const NEVER: &str = "no-cache, no-store";

impl Failure {
    /// How it is answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::Refused(Refusal::HeadTooLarge) => {
                Answer::new(431, "max-request-size-exceeded", Body::Empty).closing()
            }
            Self::Refused(refusal) => {
                Answer::new(refusal.status(), "", Body::message(refusal.message())).closing()
            }
            Self::HeadTimeout | Self::BodyTimeout => Answer::new(408, "", Body::Empty).closing(),
            Self::BodyTooLarge => {
                let message = "request body exceeds the limit of the route";
                Answer::new(413, "max-body-size-exceeded", Body::message(message)).closing()
            }
            Self::HeadMemory => {
                let message = "no memory is left for large request headers";
                Answer::new(503, "header-memory-exhausted", Body::message(message)).closing()
            }
            Self::Loop => {
                let message = "Request has passed through this router before";
                Answer::new(508, "request_loop", Body::message(message))
            }
            Self::EmptyHost { host } => {
                Answer::new(400, "empty_host", Body::message(empty_host(host))).cached(SHORT)
            }
            Self::InvalidAppInstance => {
                let message = "Invalid X-CF-App-Instance Header";
                Answer::new(
                    400,
                    "invalid_cf_app_instance_header",
                    Body::message(message),
                )
                .cached(NEVER)
            }
            Self::InvalidProcessInstance => {
                let message = "Invalid X-CF-Process-Instance Header";
                Answer::new(
                    400,
                    "invalid_cf_process_instance_header",
                    Body::message(message),
                )
                .cached(NEVER)
            }
            Self::RouteServiceUnsupported => {
                let message = "Support for route services is disabled.";
                Answer::new(502, "route_service_unsupported", Body::message(message))
            }
            Self::ClientGone => Answer::new(499, "", Body::Fixed("499 Request Cancelled\n")),
            Self::Panicked => {
                Answer::new(502, "unknown_failure", Body::message("Bad Gateway")).closing()
            }
            Self::Endpoint(fault) => {
                let text = "502 Bad Gateway: Registered endpoint failed to handle the request.\n";
                let error = format!("endpoint_failure ({fault})");
                Answer::new(502, error, Body::Fixed(text))
            }
            Self::UnknownRoute { .. }
            | Self::UnknownInstance { .. }
            | Self::NoEndpoints { .. }
            | Self::ConnectionLimit { .. } => self.about_route(),
        }
    }

    /// What the access log says of it: the `X-Cf-RouterError` of its answer, or where gorouter sends
    /// none a word of our own, with the reason.
    #[must_use]
    pub fn logged(&self) -> Cow<'static, str> {
        match self {
            Self::HeadTimeout => "client_timeout (request header)".into(),
            Self::BodyTimeout => "client_timeout (request body)".into(),
            Self::ClientGone => "client_gone".into(),
            _ => match (self.answer().router_error, self) {
                (Some(error), _) => error,
                (None, Self::Refused(refusal)) => {
                    format!("request_refused ({})", refusal.message()).into()
                }
                (None, _) => "unknown_failure".into(),
            },
        }
    }

    fn about_route(&self) -> Answer {
        match self {
            Self::UnknownInstance { index, guid, route } => {
                let message = format!(
                    "Requested instance ('{index}') with guid ('{guid}') does not exist for route \
                     ('{route}')"
                );
                Answer::new(400, "unknown_route", Body::message(message)).cached(NEVER)
            }
            Self::NoEndpoints { route } => {
                let message = format!("Requested route ('{route}') has no available endpoints.");
                Answer::new(503, "no_endpoints", Body::message(message)).cached(SHORT)
            }
            Self::ConnectionLimit { route } => {
                let message =
                    format!("Requested route ('{route}') has reached the connection limit.");
                Answer::new(503, "Connection Limit Reached", Body::message(message))
            }
            other => {
                let route = if let Self::UnknownRoute { route } = other {
                    route.as_str()
                } else {
                    ""
                };
                let message = format!("Requested route ('{route}') does not exist.");
                Answer::new(404, "unknown_route", Body::message(message)).cached(NEVER)
            }
        }
    }
}

impl Body {
    fn message(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Message(text.into())
    }
}

impl Answer {
    fn new(status: u16, router_error: impl Into<Cow<'static, str>>, body: Body) -> Self {
        let router_error = router_error.into();
        Self {
            status,
            router_error: (!router_error.is_empty()).then_some(router_error),
            body,
            cache_control: None,
            closes: false,
        }
    }

    fn cached(self, cache_control: &'static str) -> Self {
        Self {
            cache_control: Some(cache_control),
            ..self
        }
    }

    fn closing(self) -> Self {
        Self {
            closes: true,
            ..self
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
        508 => "Loop Detected",
        _ => "Unknown",
    }
}

/// gorouter's words, and what a person needs to know who asked by address.
fn empty_host(host: &str) -> String {
    let message = "Request had empty Host header";
    if host.is_empty() {
        message.to_owned()
    } else {
        format!("{message}: {host} is the client's own address, and no route has that name")
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
    fn who_asks_by_address_is_told_that_it_is_no_route() {
        let host = "127.0.0.1".into();
        let message = "Request had empty Host header: 127.0.0.1 is the client's own address, and no \
                       route has that name";
        check(
            &Failure::EmptyHost { host },
            400,
            Some("empty_host"),
            &Body::Message(message.into()),
        );
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
            &Failure::EmptyHost {
                host: String::new(),
            },
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
    fn answers_that_gorouter_does_not_give() {
        check(
            &Failure::Loop,
            508,
            Some("request_loop"),
            &Body::Message("Request has passed through this router before".into()),
        );
    }

    #[test]
    fn the_log_has_a_reason_where_the_answer_has_none() {
        let check = |failure: &Failure, logged: &str, sent: Option<&str>| {
            assert_eq!(failure.logged(), logged);
            assert_eq!(failure.answer().router_error.as_deref(), sent);
        };
        let refused = Failure::Refused;
        for (refusal, logged) in [
            (Refusal::LineEnd, "request_refused (malformed line end)"),
            (Refusal::Host, "request_refused (malformed Host header)"),
            (Refusal::Chunk, "request_refused (malformed chunk)"),
            (
                Refusal::TargetTooLong,
                "request_refused (request target too long)",
            ),
            (
                Refusal::Version,
                "request_refused (unsupported HTTP version)",
            ),
        ] {
            check(&refused(refusal), logged, None);
        }
        let too_large = "max-request-size-exceeded";
        check(&refused(Refusal::HeadTooLarge), too_large, Some(too_large));
        check(
            &Failure::HeadTimeout,
            "client_timeout (request header)",
            None,
        );
        check(&Failure::BodyTimeout, "client_timeout (request body)", None);
        check(&Failure::ClientGone, "client_gone", None);
        check(
            &Failure::Endpoint(EndpointFault::Closed),
            "endpoint_failure (EOF)",
            Some("endpoint_failure (EOF)"),
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
            Refusal::ConnectionOptions,
            Refusal::LengthAndCoding,
            Refusal::CodingInHttp10,
            Refusal::Host,
        ] {
            let answer = Failure::Refused(refusal).answer();
            assert!(answer.closes && answer.status >= 400, "{refusal:?}");
            assert_ne!(answer.reason(), "Unknown", "{refusal:?}");
        }
    }
}

//! How long an exchange may take, and each of its waits, and how much it may carry.

use std::time::Duration;

use component::tick::Tick;
use router_core::endpoint::RoutePolicy;
use router_core::http1::framing::BodyLength;
use router_core::http1::request::RequestHead;

use crate::config::settings::Settings;

/// The end of a wait that has none.
pub(super) const NEVER: Tick = Tick::from_millis(u64::MAX - 1);

/// The limits of one exchange: those of its route where it has its own, else the operator's.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExchangeLimits {
    /// When the whole exchange is to be over.
    pub(super) end: Tick,
    /// The time for connecting.
    pub(super) dial: Duration,
    /// Payload bytes of the request's body.
    pub(super) max_body: u64,
    first_byte: Option<Duration>,
    silence: Option<Duration>,
    upload_stall: Duration,
    write_stall: Duration,
}

impl ExchangeLimits {
    /// Works them out for a request that began at `began`.
    ///
    /// A route with a `first_byte` timeout of its own is not held to the limit on whole exchanges,
    /// and neither is a request for another protocol: it may be answered when the app has something
    /// to say (gorouter's rule). One with a body cannot have it.
    pub(super) fn new(
        settings: &Settings,
        policy: Option<&RoutePolicy>,
        head: &RequestHead,
        began: Tick,
    ) -> Self {
        let (client, backend) = (&settings.client, &settings.backend);
        let own = policy.copied().unwrap_or_default();
        let switches = head.upgrade && head.body == BodyLength::Empty;
        let operators_body = client.max_body.map(|most| most.0);
        let dial = if head.upgrade {
            settings.dial_upgrade
        } else {
            settings.dial
        };
        Self {
            end: match backend.endpoint_timeout {
                Some(limit) if !switches && own.first_byte.is_none() => began.plus(limit),
                _ => NEVER,
            },
            dial: own.connect.unwrap_or(dial),
            max_body: own.max_body.or(operators_body).unwrap_or(u64::MAX),
            first_byte: own.first_byte.or(backend.first_byte_timeout),
            silence: own.idle.or(backend.inactivity_timeout),
            upload_stall: client.read_stall,
            write_stall: client.write_stall,
        }
    }

    /// Those of an exchange whose route is not known yet: it is answered before it waits for anybody.
    pub(super) const fn unknown() -> Self {
        Self {
            end: NEVER,
            dial: Duration::ZERO,
            max_body: 0,
            first_byte: None,
            silence: None,
            upload_stall: Duration::ZERO,
            write_stall: Duration::ZERO,
        }
    }

    /// How long a dial that begins at `from` may take.
    pub(super) fn dial_deadline(&self, from: Tick) -> Tick {
        from.plus(self.dial).min(self.end)
    }

    /// How long a backend that has the request since `from` may take to respond.
    pub(super) fn response_deadline(&self, from: Tick) -> Tick {
        self.deadline(self.first_byte, from)
    }

    /// How long a client that was silent since `from` may go on to send nothing of its body.
    pub(super) fn upload_deadline(&self, from: Tick) -> Tick {
        from.plus(self.upload_stall).min(self.end)
    }

    /// How long the receiver of a head or body may take nothing of it since `from`.
    pub(super) fn write_deadline(&self, from: Tick) -> Tick {
        from.plus(self.write_stall).min(self.end)
    }

    /// How long the backend may be silent within its response since `from`.
    pub(super) fn silence_deadline(&self, from: Tick) -> Tick {
        self.deadline(self.silence, from)
    }

    fn deadline(&self, limit: Option<Duration>, from: Tick) -> Tick {
        limit.map_or(NEVER, |limit| from.plus(limit)).min(self.end)
    }
}

#[cfg(test)]
mod tests {
    use component::size::ByteSize;
    use router_core::http1::request::RequestParser;

    use super::*;
    use crate::config::Config;

    const BEGAN: Tick = Tick::from_millis(1_000);

    fn seconds(count: u64) -> Option<Duration> {
        Some(Duration::from_secs(count))
    }

    /// The limits of a request with these fields, by an operator who gives whole exchanges 60 s,
    /// first bytes 40 s, dials 5 s, those of upgrades 7 s, and bodies 100 bytes.
    fn limits(policy: Option<RoutePolicy>, fields: &str) -> ExchangeLimits {
        let mut config = Config::default();
        config.backend.endpoint_timeout = seconds(60);
        config.backend.first_byte_timeout = seconds(40);
        config.backend.dial_timeout = Duration::from_secs(5);
        config.backend.websocket_dial_timeout = Duration::from_secs(7);
        config.client.max_body = Some(ByteSize(100));
        let settings = Settings::new(&config, None, String::new());
        let text = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
        let mut parser = RequestParser::default();
        parser.begin(0);
        let parsed = parser.advance(text.as_bytes(), &settings.heads.requests);
        assert_eq!(parsed, Ok(true));
        ExchangeLimits::new(&settings, policy.as_ref(), parser.head(), BEGAN)
    }

    #[test]
    fn a_route_has_its_own_limits_and_else_the_operators() {
        let operators = limits(None, "");
        assert_eq!(operators.end, Tick::from_millis(61_000));
        assert_eq!(
            operators.response_deadline(BEGAN),
            Tick::from_millis(41_000)
        );
        assert_eq!(operators.dial_deadline(BEGAN), Tick::from_millis(6_000));
        assert_eq!(operators.max_body, 100);
        let own = RoutePolicy {
            connect: seconds(1),
            first_byte: seconds(90),
            idle: seconds(2),
            max_body: Some(7),
            max_conns: None,
        };
        let own = limits(Some(own), "");
        assert_eq!(own.dial_deadline(BEGAN), Tick::from_millis(2_000));
        assert_eq!(own.response_deadline(BEGAN), Tick::from_millis(91_000));
        assert_eq!(own.silence_deadline(BEGAN), Tick::from_millis(3_000));
        assert_eq!(own.max_body, 7);
    }

    #[test]
    fn no_wait_outlasts_the_exchange() {
        let late = Tick::from_millis(60_000);
        let limits = limits(None, "");
        for deadline in [
            limits.dial_deadline(late),
            limits.response_deadline(late),
            limits.upload_deadline(late),
            limits.write_deadline(late),
            limits.silence_deadline(late),
        ] {
            assert_eq!(deadline, limits.end);
        }
    }

    #[test]
    fn an_exchange_may_take_for_ever_when_its_route_or_its_protocol_says_when_it_begins() {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let with_body = format!("{upgrade}Content-Length: 3\r\n");
        let first_byte = RoutePolicy {
            first_byte: seconds(90),
            ..RoutePolicy::default()
        };
        let rows = [
            (None, "", false),
            (Some(first_byte), "", true),
            (None, upgrade, true),
            (None, &*with_body, false),
        ];
        for (policy, fields, endless) in rows {
            assert_eq!(limits(policy, fields).end == NEVER, endless, "{fields}");
        }
        assert_eq!(limits(None, upgrade).dial, Duration::from_secs(7));
    }
}

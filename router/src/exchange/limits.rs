//! How long an exchange may take, and each of its waits.

use component::tick::Tick;
use router_core::http1::framing::BodyLength;

use super::Exchange;

/// The end of a wait that has none.
pub(super) const NEVER: Tick = Tick::from_millis(u64::MAX - 1);

impl Exchange {
    /// When the whole exchange is to be over. A route with a `first_byte` timeout of its own is not
    /// held to the one for all, and neither is a request for another protocol: it may be answered
    /// when the app has something to say (gorouter's rule). One with a body cannot have it.
    pub(super) fn end(&self) -> Tick {
        let policy = self.story.policy;
        let switches = self.head().upgrade && self.head().body == BodyLength::Empty;
        let exempt = switches || policy.is_some_and(|own| own.first_byte.is_some());
        match self.settings.backend.request {
            Some(limit) if !exempt => self.story.began_tick().plus(limit),
            _ => NEVER,
        }
    }

    /// How long the head may take: from its first byte, or from the accept on when the connection
    /// has not served a request yet.
    pub(super) fn head_deadline(&self) -> Tick {
        let seat = &self.client.seat;
        let from = if seat.has_served() {
            self.story.began_tick()
        } else {
            seat.opened()
        };
        from.plus(self.settings.client.head)
    }

    /// How long a dial that begins at `from` may take.
    pub(super) fn dial_deadline(&self, from: Tick) -> Tick {
        from.plus(self.dial_limit()).min(self.end())
    }

    /// The time for connecting, as the route or the operator says.
    pub(super) fn dial_limit(&self) -> std::time::Duration {
        let settings = &self.settings.backend;
        let own = self.story.policy.and_then(|policy| policy.connect);
        own.unwrap_or(if self.head().upgrade {
            settings.dial_upgrade
        } else {
            settings.dial
        })
    }

    /// How long a backend that has the request since `from` may take to respond.
    pub(super) fn response_deadline(&self, from: Tick) -> Tick {
        let own = self.story.policy.and_then(|policy| policy.first_byte);
        let first_byte = own.or(self.settings.backend.first_byte);
        first_byte
            .map_or(NEVER, |limit| from.plus(limit))
            .min(self.end())
    }

    /// How long a client that was silent since `from` may go on to send nothing of its body.
    pub(super) fn upload_deadline(&self, from: Tick) -> Tick {
        from.plus(self.settings.client.upload_stall).min(self.end())
    }

    /// How long a client may take nothing of the response since `from`.
    pub(super) fn write_deadline(&self, from: Tick) -> Tick {
        from.plus(self.settings.client.stall).min(self.end())
    }

    /// How long the backend may be silent within its response since `from`.
    pub(super) fn silence_deadline(&self, from: Tick) -> Tick {
        let own = self.story.policy.and_then(|policy| policy.idle);
        let idle = own.or(self.settings.backend.inactivity);
        idle.map_or(NEVER, |idle| from.plus(idle)).min(self.end())
    }
}

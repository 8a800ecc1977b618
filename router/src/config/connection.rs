//! How a client's connection is probed, drained and ended.

use std::time::Duration;

use component::yaml::Keys;

/// What holds for a client's connection beside its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// How long it is drained when it ends before its client is done sending.
    pub linger: Linger,
    /// TCP keep-alive; `None`: no probes are sent.
    pub keep_alive: Option<KeepAlive>,
    /// Limits once it is upgraded.
    pub tunnel: TunnelTimes,
}

/// How long a connection that ends is drained: closing it with bytes unread would make the kernel
/// send a reset, which overtakes the response (RFC 9112 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    /// How long nothing may come.
    pub idle: Duration,
    /// How long it may last in all.
    pub total: Duration,
}

/// When the kernel asks whether a silent peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how long a silence.
    pub time: Duration,
    /// How often from then on.
    pub interval: Duration,
    /// After how many questions without an answer the connection is lost.
    pub probes: u32,
}

/// Limits on upgraded connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelTimes {
    /// How long nothing may move; `None`: for ever.
    pub idle: Option<Duration>,
    /// The same once one side has ended.
    pub half_closed: Duration,
}

const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            linger: Linger {
                idle: Duration::from_secs(5),
                total: Duration::from_secs(30),
            },
            keep_alive: Some(KeepAlive {
                time: Duration::from_secs(60),
                interval: PROBE_INTERVAL,
                probes: PROBES,
            }),
            tunnel: TunnelTimes {
                idle: None,
                half_closed: Duration::from_secs(30),
            },
        }
    }
}

impl ConnectionConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        self.linger_keys(keys);
        self.keep_alive_keys(keys);
        self.tunnel_keys(keys);
    }

    fn linger_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "client_linger_idle",
            "A connection that ends while its client still sends is read on, so that the client sees \
             the response: until nothing comes for so long.",
            &mut self.linger.idle,
        );
        keys.key(
            "client_linger_timeout",
            "The same in all.",
            &mut self.linger.total,
        );
    }

    fn keep_alive_keys(&mut self, keys: &mut Keys<'_>) {
        let mut all = self.keep_alive.unwrap_or(KeepAlive {
            time: Duration::ZERO,
            interval: PROBE_INTERVAL,
            probes: PROBES,
        });
        keys.key(
            "frontend_keep_alive_time",
            "After how long a silence the kernel begins to probe whether a client is still there: \
             one that vanished without a word would hold a tunnel for ever. 0s: never.",
            &mut all.time,
        );
        keys.key(
            "frontend_keep_alive_probe_interval",
            "The interval of these probes.",
            &mut all.interval,
        );
        keys.key(
            "frontend_keep_alive_probes",
            "How many probes without an answer end the connection.",
            &mut all.probes,
        );
        // The kernel's own bounds (tcp(7)).
        let seconds = 1..=32_767;
        if !all.time.is_zero() {
            for (name, value) in [
                ("frontend_keep_alive_time", all.time),
                ("frontend_keep_alive_probe_interval", all.interval),
            ] {
                if !seconds.contains(&value.as_secs()) {
                    keys.fault(name, "must be between 1s and 32767s");
                }
            }
            if !(1..=127).contains(&all.probes) {
                keys.fault("frontend_keep_alive_probes", "must be between 1 and 127");
            }
        }
        self.keep_alive = (!all.time.is_zero()).then_some(all);
    }

    fn tunnel_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "tunnel_idle_timeout",
            "How long nothing may move on an upgraded connection (a WebSocket) before it ends. 0s: \
             for ever.",
            &mut self.tunnel.idle,
        );
        keys.key(
            "tunnel_half_closed_timeout",
            "The same once one of its sides has ended.",
            &mut self.tunnel.half_closed,
        );
        if self.tunnel.half_closed.is_zero() {
            keys.fault("tunnel_half_closed_timeout", "must be more than 0s");
        }
    }
}

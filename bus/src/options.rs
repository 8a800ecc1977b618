//! How to reach the bus.

use std::fmt;
use std::time::Duration;

/// Where the servers are and how to behave towards them.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers of one cluster. One is used at a time, chosen at random among those that failed
    /// least; the others are what is left when it is lost. At least one.
    pub servers: Vec<Server>,
    /// Who we are, when the servers ask.
    pub login: Option<Login>,
    /// Encrypts and authenticates the connection; none: plaintext.
    pub tls: Option<Tls>,
    /// What the servers call this client in their own logs.
    pub name: String,
    /// A silent connection is asked for a sign of life this often. Two unanswered ones end it.
    pub ping_interval: Duration,
    /// The longest that one attempt to connect may take, TLS and login included.
    pub connect_timeout: Duration,
    /// The longest pause between two attempts to reach the same server. There is no last attempt.
    pub max_pause: Duration,
    /// Deliveries that one subscription holds for a reader that is late. One more is dropped and
    /// reported as [`Event::SlowConsumer`](crate::Event::SlowConsumer).
    pub subscription_capacity: usize,
    /// The bytes of such deliveries, 128 each for what is not payload. What would exceed them is
    /// dropped and reported likewise.
    pub subscription_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: vec![Server::default()],
            login: None,
            tls: None,
            name: String::new(),
            ping_interval: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            max_pause: Duration::from_secs(4),
            subscription_capacity: 131_072,
            subscription_bytes: 128 * 1024 * 1024,
        }
    }
}

/// One server of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port its clients use.
    pub port: u16,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 4222,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// A user and a password.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The user's password. Never shown by `Debug`.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// How to trust the servers and how to be trusted by them.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust, as PEM text; empty: those of this machine.
    pub authorities: String,
    /// What we show to a server that wants to know who we are.
    pub identity: Option<Identity>,
}

/// A certificate of our own.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those between it and its authority, as PEM text.
    pub chain: String,
    /// Its private key, as PEM text. Never shown by `Debug`.
    pub key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_server_is_bracketed() {
        let shown = |host: &str| {
            let host = host.to_owned();
            Server { host, port: 4222 }.to_string()
        };
        assert_eq!(shown("nats.internal"), "nats.internal:4222");
        assert_eq!(shown("fd00::1"), "[fd00::1]:4222");
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let login = Login {
            user: "program".to_owned(),
            password: "hunter2".to_owned(),
        };
        let identity = Identity {
            chain: String::new(),
            key: "hunter2".to_owned(),
        };
        assert!(!format!("{login:?} {identity:?}").contains("hunter2"));
    }
}

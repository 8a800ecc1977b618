//! What an operator chooses about the fields of requests.

use super::via::Via;
use crate::field::names::FieldNames;

/// What the operator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent key of the configuration"
)]
pub struct RequestRules {
    /// Drop every `X-` field of the client's, whoever it is.
    pub prevent_x_spoofing: bool,
    /// What clients say about where a request came from is passed on, whoever they are.
    pub believe_everyone: bool,
    /// `X-Forwarded-Proto` is always `https`.
    pub force_forwarded_proto_https: bool,
    /// `X-Forwarded-Proto` is always what the client spoke to us.
    pub sanitize_forwarded_proto: bool,
    /// What becomes of `X-Forwarded-Client-Cert`.
    pub client_cert: ClientCert,
    /// Names that `Connection` cannot strip.
    pub protected_from_connection: FieldNames,
    /// Keep the backend connection of a request that expects 100-continue.
    pub keep_alive_100_continue: bool,
    /// Send `Connection: close` with every request.
    pub close_backend_connections: bool,
    /// Drop fields whose names have an underscore: CGI cannot tell `X_A` from `X-A`.
    pub drop_underscores: bool,
    /// This router's entry in `Via`, if it makes one.
    pub via: Option<Via>,
}

/// What becomes of a client's `X-Forwarded-Client-Cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCert {
    /// As of what else it says about where a request came from.
    #[default]
    ByPeer,
    /// It passes, whoever sent it.
    Pass,
    /// It is dropped (no connection here can prove a certificate).
    Drop,
}

impl RequestRules {
    /// Whether the word of a peer about where a request came from goes on.
    pub(super) const fn believe(&self, trusted: bool) -> bool {
        trusted || self.believe_everyone
    }

    /// Whether a peer's own `X-Forwarded-Proto` and the like go on.
    pub(super) const fn believe_x(&self, trusted: bool) -> bool {
        self.believe(trusted) && !self.prevent_x_spoofing
    }

    /// Whether `X-Forwarded-Proto` is the router's own, whoever sent what.
    pub(super) const fn overrule_proto(&self) -> bool {
        self.force_forwarded_proto_https || self.sanitize_forwarded_proto
    }
}

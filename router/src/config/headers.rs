//! Header rules that an operator chooses.

use std::path::PathBuf;

use component::secret::Secret;
use component::yaml::{Item, Keys};
use router_core::headers::response::is_framing;
use router_core::http1::is_token;

/// What is set, kept and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderConfig {
    /// Where `X-Forwarded-Proto` comes from.
    pub forwarded_proto: ForwardedProto,
    /// What becomes of what clients outside `trusted_proxies` say about where a request came from.
    pub forwarded_from_untrusted: ForwardedFromUntrusted,
    /// What becomes of a client's `X-Forwarded-Client-Cert`.
    pub client_cert: ForwardedClientCert,
    /// Whom this router tells that it passed a message on.
    pub via: ViaConfig,
    /// What becomes of request headers whose names have an underscore.
    pub underscores: Underscores,
    /// Names that a client cannot have removed by naming them in `Connection`.
    pub hop_by_hop_filter: Vec<String>,
    /// Response headers that are added when the response has none of that name.
    pub add_to_response: Vec<HeaderRewrite>,
    /// Response headers that are removed.
    pub remove_from_response: Vec<HeaderRewrite>,
    /// `X-Vcap-Trace` with this value asks for the debug headers.
    pub trace_key: Option<Secret>,
    /// A page for errors that the router makes; Go template syntax.
    pub error_page: Option<PathBuf>,
}

/// Where `X-Forwarded-Proto` comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedProto {
    /// From a trusted client, else the listener's own.
    #[default]
    Keep,
    /// Always `https`.
    ForceHttps,
    /// Always the listener's own.
    Sanitize,
}

/// What becomes of what clients outside `trusted_proxies` say about where a request came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFromUntrusted {
    /// It is discarded.
    #[default]
    Discard,
    /// It is passed on and continued, as gorouter does.
    Pass,
}

/// Whom this router tells that it passed a message on (RFC 9110 §7.6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViaConfig {
    /// Backends, in each request. A request that comes back is refused.
    #[default]
    Backends,
    /// Nobody.
    Off,
}

/// What becomes of request headers whose names have an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They pass.
    #[default]
    Pass,
    /// They are dropped.
    Drop,
}

/// What becomes of a client's `X-Forwarded-Client-Cert`. No client certificate is asked for, so
/// the two stricter modes both delete it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedClientCert {
    /// As of the other forwarding fields.
    #[default]
    ByPeer,
    /// It passes.
    AlwaysForward,
    /// It passes with a client certificate only.
    Forward,
    /// It is replaced by the client certificate.
    SanitizeSet,
}

/// A header of the response that is added or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRewrite {
    /// Its name.
    pub name: String,
    /// Its value; not looked at when the header is removed.
    pub value: String,
}

impl Item for HeaderRewrite {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("name", "", &mut self.name);
        keys.key("value", "", &mut self.value);
        if !is_token(self.name.as_bytes()) {
            keys.fault("name", "is not a header name");
        }
        if self.value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            keys.fault("value", "must be one line");
        }
    }

    fn short(text: &str) -> Result<Self, String> {
        Ok(Self {
            name: text.to_owned(),
            value: String::new(),
        })
    }
}

impl HeaderConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Headers");
        self.forwarded_keys(keys);
        self.request_keys(keys);
        keys.key(
            "hop_by_hop_headers_to_filter",
            "Names that a client cannot have removed by naming them in its Connection header.",
            &mut self.hop_by_hop_filter,
        );
        keys.section("http_rewrite", REWRITE_DOC, |keys| {
            keys.section("responses", "Lists of {name, value}.", |keys| {
                keys.list(
                    "add_headers_if_not_present",
                    "Added to a response that has no header of that name.",
                    &mut self.add_to_response,
                );
                keys.list(
                    "remove_headers",
                    "Removed, before others are added; the value has no effect.",
                    &mut self.remove_from_response,
                );
                warn_of_framing(&self.add_to_response, "add_headers_if_not_present", keys);
                warn_of_framing(&self.remove_from_response, "remove_headers", keys);
            });
        });
        keys.key(
            "trace_key",
            "A request with X-Vcap-Trace of this value is answered with the router's and the \
             backend's address in debug headers.",
            &mut self.trace_key,
        );
        keys.key(
            "html_error_template_file",
            "A page for the router's own errors, in Go's template syntax with .Status, .StatusText, \
             .Message and .Header.",
            &mut self.error_page,
        );
    }

    fn request_keys(&mut self, keys: &mut Keys<'_>) {
        keys.choice(
            "via",
            "backends: each request names this router in Via, and one that comes back to it is \
             answered with 508. Some backends, nginx among them, do not compress for requests with \
             Via unless told to. off: no Via, and loops run until a limit ends them.",
            &mut self.via,
            &[("backends", ViaConfig::Backends), ("off", ViaConfig::Off)],
        );
        keys.choice(
            "headers_with_underscores",
            "drop: request headers whose names have an underscore are discarded, because CGI and WSGI \
             cannot tell X_A from X-A. pass: they go on like any other.",
            &mut self.underscores,
            &[("pass", Underscores::Pass), ("drop", Underscores::Drop)],
        );
    }

    fn forwarded_keys(&mut self, keys: &mut Keys<'_>) {
        let mut force = self.forwarded_proto == ForwardedProto::ForceHttps;
        let mut sanitize = self.forwarded_proto == ForwardedProto::Sanitize;
        keys.key(
            "force_forwarded_proto_https",
            "Set X-Forwarded-Proto to https, always.",
            &mut force,
        );
        keys.key(
            "sanitize_forwarded_proto",
            "Set X-Forwarded-Proto to the listener's protocol, whoever sent what.",
            &mut sanitize,
        );
        self.forwarded_proto = match (force, sanitize) {
            (true, _) => ForwardedProto::ForceHttps,
            (false, true) => ForwardedProto::Sanitize,
            (false, false) => ForwardedProto::Keep,
        };
        keys.choice(
            "forwarded_from_untrusted",
            "What clients outside trusted_proxies say about where a request came from: Forwarded, \
             X-Forwarded-*, X-Real-IP and X-Request-Start. discard: it goes no further. pass: it is \
             passed on and continued, as gorouter does.",
            &mut self.forwarded_from_untrusted,
            &[
                ("discard", ForwardedFromUntrusted::Discard),
                ("pass", ForwardedFromUntrusted::Pass),
            ],
        );
        keys.choice(
            "forwarded_client_cert",
            "What becomes of a client's X-Forwarded-Client-Cert. by_peer: trusted_proxies and \
             forwarded_from_untrusted decide. always_forward passes it, whoever sent it; forward and \
             sanitize_set delete it from requests that came without a client certificate, which are \
             all requests.",
            &mut self.client_cert,
            &[
                ("by_peer", ForwardedClientCert::ByPeer),
                ("always_forward", ForwardedClientCert::AlwaysForward),
                ("forward", ForwardedClientCert::Forward),
                ("sanitize_set", ForwardedClientCert::SanitizeSet),
            ],
        );
    }
}

const REWRITE_DOC: &str = "Changes to every response, the router's own answers included. Content-Length, \
    Transfer-Encoding, Connection and Upgrade say where a message ends, and are left alone.";

fn warn_of_framing(fields: &[HeaderRewrite], key: &'static str, keys: &mut Keys<'_>) {
    for field in fields.iter().filter(|field| is_framing(&field.name)) {
        let name = &field.name;
        keys.warn(
            key,
            format!("{name} says where a message ends, and is left alone"),
        );
    }
}

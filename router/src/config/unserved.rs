//! The keys of a gorouter.yml that this router does not read, each with a verdict.

use std::fmt::Write as _;

use component::yaml::{self, Content, Fault, Node, Place, Report};

/// What becomes of a key that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing is lost without it.
    Moot,
    /// A function is lost that somebody may miss: a warning.
    Missing,
    /// Going on would be less safe than what was asked for, or would serve nobody: no start.
    Refused,
    /// The same, but only beside `enable_ssl`, without which gorouter does not look at it.
    RefusedWithTls,
}

/// When a value asks for what its key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// Unless it is empty, false or zero.
    Set,
    /// When it is this word.
    Word(&'static str),
}

struct Row(&'static str, Verdict, Asks, &'static str);

use Asks::{Set, Word};
use Verdict::{Missing, Moot, Refused, RefusedWithTls};

const TLS: &str = "part of the TLS listener";
const BACKEND_TLS: &str = "there is no TLS to backends";
const ROUTE_SERVICES: &str = "part of route services";
const ENVELOPES: &str = "figures are at /metrics and /varz";
const GENERATED: &str = "left there by programs that write gorouter's own structures to a file";
const ROUTING_API: &str = "routes come from the bus and from files";

/// Every key of gorouter that is not read.
const ROWS: &[Row] = &[
    Row(
        "disable_http",
        Refused,
        Set,
        "no listener would be left, because there is no TLS listener",
    ),
    Row(
        "enable_ssl",
        Missing,
        Set,
        "there is no TLS listener; the plain ones are open",
    ),
    Row("ssl_port", Moot, Set, TLS),
    Row("tls_pem", Moot, Set, TLS),
    Row("cipher_suites", Moot, Set, TLS),
    Row("min_tls_version", Moot, Set, TLS),
    Row("max_tls_version", Moot, Set, TLS),
    Row(
        "client_cert_validation",
        RefusedWithTls,
        Word("require"),
        "client certificates cannot be required, because there is no TLS listener",
    ),
    Row("client_ca_certs", Moot, Set, TLS),
    Row("only_trust_client_ca_certs", Moot, Set, TLS),
    Row(
        "enable_verify_client_certificate_metadata",
        RefusedWithTls,
        Set,
        "client certificates cannot be checked, because there is no TLS listener",
    ),
    Row("verify_client_certificate_metadata", Moot, Set, TLS),
    Row(
        "domains",
        Refused,
        Set,
        "client certificates cannot be required by domain",
    ),
    Row("enable_http2", Missing, Set, "there is no HTTP/2"),
    Row("http_2_endpoint_timeout", Moot, Set, "there is no HTTP/2"),
    Row(
        "enable_http1_concurrent_read_write",
        Moot,
        Set,
        "both directions always flow at once",
    ),
    Row("ca_certs", Missing, Set, BACKEND_TLS),
    Row("skip_ssl_validation", Missing, Set, BACKEND_TLS),
    Row("tls_handshake_timeout", Moot, Set, BACKEND_TLS),
    Row("backends.cert_chain", Missing, Set, BACKEND_TLS),
    Row("backends.private_key", Moot, Set, BACKEND_TLS),
    Row(
        "route_services_secret",
        Missing,
        Set,
        "a request to a route that is bound to a route service is answered with 502",
    ),
    Row(
        "route_services_secret_decrypt_only",
        Moot,
        Set,
        ROUTE_SERVICES,
    ),
    Row("route_services_timeout", Moot, Set, ROUTE_SERVICES),
    Row("route_services_recommend_https", Moot, Set, ROUTE_SERVICES),
    Row("route_services_hairpinning", Moot, Set, ROUTE_SERVICES),
    Row(
        "route_services_hairpinning_allowlist",
        Moot,
        Set,
        ROUTE_SERVICES,
    ),
    Row(
        "route_services_internal_server_port",
        Moot,
        Set,
        ROUTE_SERVICES,
    ),
    Row("route_services", Moot, Set, ROUTE_SERVICES),
    Row(
        "sticky_session_cookie_names",
        Missing,
        Set,
        "there are no sticky sessions",
    ),
    Row(
        "sticky_sessions_for_auth_negotiate",
        Missing,
        Set,
        "there are no sticky sessions",
    ),
    Row("secure_cookies", Moot, Set, "the router sets no cookies"),
    Row(
        "tracing.enable_zipkin",
        Missing,
        Set,
        "trace headers pass as they are",
    ),
    Row(
        "tracing.enable_w3c",
        Missing,
        Set,
        "trace headers pass as they are",
    ),
    Row(
        "tracing.w3c_tenant_id",
        Moot,
        Set,
        "trace headers pass as they are",
    ),
    Row("routing_api.uri", Missing, Set, ROUTING_API),
    Row("routing_api.port", Moot, Set, ROUTING_API),
    Row("routing_api.auth_disabled", Moot, Set, ROUTING_API),
    Row("routing_api.ca_certs", Moot, Set, ROUTING_API),
    Row("routing_api.cert_chain", Moot, Set, ROUTING_API),
    Row("routing_api.private_key", Moot, Set, ROUTING_API),
    Row("oauth", Moot, Set, ROUTING_API),
    Row("token_fetcher_max_retries", Moot, Set, ROUTING_API),
    Row("token_fetcher_retry_interval", Moot, Set, ROUTING_API),
    Row(
        "token_fetcher_expiration_buffer_time",
        Moot,
        Set,
        ROUTING_API,
    ),
    Row(
        "status.enable_nontls_health_checks",
        Refused,
        Word("false"),
        "nobody would answer health checks, because there are none over TLS",
    ),
    Row(
        "status.tls",
        Missing,
        Set,
        "there are no health checks over TLS",
    ),
    Row(
        "prometheus.port",
        Missing,
        Set,
        "the figures are at /metrics of the admin listener, behind its credentials",
    ),
    Row("prometheus.enabled", Moot, Set, ENVELOPES),
    Row("prometheus.cert_path", Moot, Set, ENVELOPES),
    Row("prometheus.key_path", Moot, Set, ENVELOPES),
    Row("prometheus.ca_path", Moot, Set, ENVELOPES),
    Row(
        "prometheus.meters",
        Missing,
        Set,
        "the histograms have gorouter's own buckets",
    ),
    Row(
        "per_app_prometheus_http_metrics_reporting",
        Missing,
        Set,
        "no figures are kept by app",
    ),
    Row("per_request_metrics_reporting", Moot, Set, ENVELOPES),
    Row("enable_envelope_v1_metrics", Moot, Set, ENVELOPES),
    Row("send_http_start_stop_server_event", Moot, Set, ENVELOPES),
    Row("send_http_start_stop_client_event", Moot, Set, ENVELOPES),
    Row(
        "logging.loggregator_enabled",
        Missing,
        Set,
        "nothing is sent to a metron agent",
    ),
    Row(
        "logging.metron_address",
        Moot,
        Set,
        "nothing is sent to a metron agent",
    ),
    Row(
        "logging.syslog",
        Missing,
        Set,
        "the access log goes to a file or to standard output",
    ),
    Row("logging.syslog_addr", Moot, Set, "part of logging.syslog"),
    Row(
        "logging.syslog_network",
        Moot,
        Set,
        "part of logging.syslog",
    ),
    Row(
        "logging.syslog_truncate",
        Moot,
        Set,
        "part of logging.syslog",
    ),
    Row(
        "publish_active_apps_interval",
        Missing,
        Set,
        "active apps are not published",
    ),
    Row(
        "publish_start_message_interval",
        Moot,
        Set,
        "gorouter does not use it either",
    ),
    Row(
        "load_balancer_healthy_threshold",
        Moot,
        Set,
        "a matter of gorouter's start script",
    ),
    Row(
        "healthcheck_poll_interval",
        Moot,
        Set,
        "a matter of gorouter's health checker",
    ),
    Row(
        "healthcheck_timeout",
        Moot,
        Set,
        "a matter of gorouter's health checker",
    ),
    Row("go", Moot, Set, "a setting of the Go runtime"),
    Row("clientauthcertificate", Moot, Set, GENERATED),
    Row("backends.clientauthcertificate", Moot, Set, GENERATED),
    Row("capool", Moot, Set, GENERATED),
];

/// Gives the keys that nobody read and that are known their verdict; those that ask for something
/// are named together in one warning. The rest stay unknown.
pub(super) fn judge(root: &Node, report: &mut Report) {
    let mut missing = Vec::new();
    for Row(key, verdict, asks, because) in ROWS {
        let Some(node) = find(root, key).filter(|node| asks.met(node)) else {
            continue;
        };
        let tls = find(root, "enable_ssl").is_some_and(|node| Set.met(node));
        match verdict {
            Refused => report.fault(node.place, format!("{key}: {because}")),
            RefusedWithTls if tls => report.fault(node.place, format!("{key}: {because}")),
            Missing => missing.push((node.place, *key, *because)),
            RefusedWithTls | Moot => {}
        }
    }
    report
        .unknown
        .retain(|unknown| !ROWS.iter().any(|row| begins(row.0, &unknown.path)));
    warn_missing(missing, report);
}

fn warn_missing(mut missing: Vec<(Place, &str, &str)>, report: &mut Report) {
    missing.sort_unstable();
    let Some((place, ..)) = missing.first().copied() else {
        return;
    };
    let mut reason = String::from("not supported, ignored: ");
    for (index, (place, key, because)) in missing.iter().enumerate() {
        let comma = if index == 0 { "" } else { "; " };
        _ = write!(reason, "{comma}{key} (line {}: {because})", place.line);
    }
    report.warnings.push(Fault { place, reason });
}

/// Whether `key`, or a mapping that it stands in, has a verdict.
#[cfg(test)]
pub(super) fn judges(key: &str) -> bool {
    ROWS.iter().any(|row| begins(key, row.0))
}

/// The key of this table, at the root of a file, that is written much like `key`.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let keys = ROWS.iter().map(|row| row.0);
    yaml::nearest(key, keys.filter(|key| !key.contains('.')))
}

/// The table as comment lines for the example file.
pub(super) fn document(out: &mut String) {
    let groups: [(&str, &[Verdict]); 3] = [
        (
            "These keys of a gorouter.yml keep the router from starting when they ask for something:",
            &[Refused, RefusedWithTls],
        ),
        (
            "These are named in a warning when they ask for something:",
            &[Missing],
        ),
        ("These have no effect:", &[Moot]),
    ];
    for (heading, verdicts) in groups {
        _ = writeln!(out, "#\n# {heading}");
        for Row(key, verdict, asks, because) in ROWS {
            if verdicts.contains(verdict) {
                let word = match asks {
                    Set => String::new(),
                    Word(word) => format!(": {word}"),
                };
                let tls = if *verdict == RefusedWithTls {
                    " (with enable_ssl)"
                } else {
                    ""
                };
                _ = writeln!(out, "#   {key}{word}{tls}: {because}");
            }
        }
    }
}

impl Asks {
    fn met(self, node: &Node) -> bool {
        match (self, &node.content) {
            (_, Content::Null) => false,
            (Word(word), Content::Scalar(text)) => text.eq_ignore_ascii_case(word),
            (Word(_), _) => false,
            (Set, Content::Scalar(text)) => {
                let text = text.to_ascii_lowercase();
                !matches!(
                    text.as_str(),
                    "" | "false" | "no" | "off" | "0" | "0s" | "none"
                )
            }
            (Set, Content::List(items)) => !items.is_empty(),
            (Set, Content::Map(entries)) => entries.iter().any(|entry| self.met(&entry.value)),
        }
    }
}

/// The value at a dotted path.
fn find<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(root, |node, key| node.get(key))
}

/// Whether `path` is `key` or one of the mappings around it.
fn begins(key: &str, path: &str) -> bool {
    key.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

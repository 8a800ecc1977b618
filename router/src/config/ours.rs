//! Whose file it is: a gorouter.yml, or one that is written for this router.
//!
//! A gorouter.yml is full of keys that mean nothing here, and is taken as gorouter takes it. Where one
//! key of ours stands, somebody wrote for us, and what is not understood is a mistake.

use std::fmt::Write as _;

use component::yaml::{Content, Fault, Laxity, Line, Node, Output, Report, UnknownKey};

use super::unserved;

/// Every key of gorouter that is read. All other keys that are read are ours.
const GOROUTERS: &[&str] = &[
    "access_log.enable_streaming",
    "access_log.file",
    "backends.max_attempts",
    "backends.max_conns",
    "balancing_algorithm",
    "balancing_algorithm_az_preference",
    "debug_addr",
    "disable_keep_alives",
    "drain_timeout",
    "drain_wait",
    "droplet_stale_threshold",
    "empty_pool_response_code_503",
    "empty_pool_timeout",
    "enable_proxy",
    "endpoint_dial_timeout",
    "endpoint_keep_alive_probe_interval",
    "endpoint_timeout",
    "extra_headers_to_log",
    "force_forwarded_proto_https",
    "forwarded_client_cert",
    "frontend_idle_timeout",
    "go_max_procs",
    "healthcheck_user_agent",
    "hop_by_hop_headers_to_filter",
    "html_error_template_file",
    "http_1_endpoint_timeout",
    "http_rewrite.responses.add_headers_if_not_present",
    "http_rewrite.responses.remove_headers",
    "index",
    "isolation_segments",
    "keep_alive_100_continue_requests",
    "logging.disable_log_forwarded_for",
    "logging.disable_log_source_ip",
    "logging.extra_access_log_fields",
    "logging.format.timestamp",
    "logging.level",
    "logging.redact_query_params",
    "max_header_bytes",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_request_header_bytes",
    "max_request_headers",
    "max_response_header_bytes",
    "max_response_headers",
    "nats.ca_certs",
    "nats.cert_chain",
    "nats.hosts",
    "nats.pass",
    "nats.private_key",
    "nats.tls_enabled",
    "nats.user",
    "nats_client_ping_interval",
    "pid_file",
    "port",
    "prune_stale_droplets_interval",
    "read_header_timeout",
    "route_latency_metric_muzzle_duration",
    "routing_table_sharding_mode",
    "sanitize_forwarded_proto",
    "start_response_delay_interval",
    "status.enable_deprecated_varz_healthz_endpoints",
    "status.host",
    "status.pass",
    "status.port",
    "status.routes.port",
    "status.user",
    "suspend_pruning_if_nats_unavailable",
    "trace_key",
    "websocket_dial_timeout",
    "zone",
];

/// Whether the key at `path`, which is read, is one of gorouter's, lies within one, or holds some.
fn is_gorouters(path: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    GOROUTERS
        .iter()
        .any(|key| within(path, key) || within(key, path))
}

/// Whether `key` is one of gorouter's that is read.
#[cfg(test)]
pub(super) fn reads(key: &str) -> bool {
    GOROUTERS.contains(&key)
}

/// Whether the file says something that only this router understands. `lines` are all keys that are
/// read.
pub(super) fn is_ours(root: &Node, lines: &[Line]) -> bool {
    let mut found = false;
    walk(root, lines, "", &mut |path, node, _| {
        // Values of gorouter's keys that only this router knows.
        let ours = match path {
            "nats" => node.text().is_some(),
            "status.port" => node.text() == Some("off"),
            _ => false,
        };
        found |= ours || !is_gorouters(path);
    });
    found
}

/// Complains about lists of ours that are named and not given: to say nothing is not to say "none".
pub(super) fn refuse_empty_lists(root: &Node, lines: &[Line], report: &mut Report) {
    walk(root, lines, "", &mut |path, node, line| {
        let list = matches!(line.value, Output::List(_));
        if list && node.content == Content::Null && !is_gorouters(path) {
            let reason = format!("{path}: has no value; [] is the empty list");
            report.fault(node.place, reason);
        }
    });
}

/// Calls `see` with each key of the file that is read, its value, and what is known of it.
fn walk(node: &Node, lines: &[Line], within: &str, see: &mut impl FnMut(&str, &Node, &Line)) {
    let Content::Map(entries) = &node.content else {
        return;
    };
    for entry in entries {
        let Some(line) = lines.iter().find(|line| line.name == entry.key) else {
            continue;
        };
        let path = if within.is_empty() {
            entry.key.clone()
        } else {
            format!("{within}.{}", entry.key)
        };
        see(&path, &entry.value, line);
        if let Output::Map(lines) = &line.value {
            walk(&entry.value, lines, &path, see);
        }
    }
}

/// Judges what was noticed while a file was read. What is lax about keys of ours is a mistake in any
/// file; what is unknown, in a file of ours, and where it must be a key of ours that is misspelt.
pub(super) fn judge(ours: bool, report: &mut Report) {
    report.unknown.sort_by_key(|unknown| unknown.place);
    let misspelt = |unknown: &UnknownKey| {
        let meant = unknown.meant.unwrap_or_default();
        let (section, _) = unknown.path.rsplit_once('.').unwrap_or_default();
        let path = match section {
            "" => meant.to_owned(),
            section => format!("{section}.{meant}"),
        };
        !meant.is_empty() && !is_gorouters(&path)
    };
    if ours || report.unknown.iter().any(misspelt) {
        report.refuse_unknown(unserved::nearest);
    } else {
        warn_unknown(report);
    }
    for lax in std::mem::take(&mut report.lax) {
        let mistake = match lax.kind {
            Laxity::Duration => !is_gorouters(&lax.path),
            Laxity::Word => ours,
        };
        if mistake {
            report.faults.push(lax.fault);
        } else {
            report.warnings.push(lax.fault);
        }
    }
}

fn warn_unknown(report: &mut Report) {
    let Some(first) = report.unknown.first() else {
        return;
    };
    let mut reason = String::from("unknown, ignored: ");
    for (index, UnknownKey { path, place, .. }) in report.unknown.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        _ = write!(reason, "{comma}{path} (line {})", place.line);
    }
    let place = first.place;
    report.warnings.push(Fault { place, reason });
}

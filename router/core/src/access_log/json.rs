//! One JSON object a line. The names are those of gorouter's line; what is unknown is `null`.

use std::time::Duration;

use crate::decimal;
use crate::endpoint::Endpoint;

use super::{Entry, ExtraField, Format, number, redact, text};

pub(super) fn write(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    number::timestamp(entry.started_unix_nanos, out);
    out.push(b'"');
    request(format, entry, out);
    peers(format, entry, out);
    endpoint(entry, out);
    for field in &format.extra_fields {
        extra_field(*field, entry, out);
    }
    string("x_cf_routererror", entry.router_error.as_bytes(), out);
    if !entry.extra.is_empty() {
        out.extend_from_slice(b",\"headers\":{");
        for (at, (name, value)) in entry.extra.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            quoted(name.as_bytes(), out);
            out.push(b':');
            value_or_null(value, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
}

fn request(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    string("host", entry.host, out);
    string("method", entry.method, out);
    key("target", out);
    out.push(b'"');
    redact::target(
        format.redact_query,
        entry.method,
        entry.target,
        text::json_part,
        out,
    );
    out.push(b'"');
    string("protocol", entry.version.as_bytes(), out);
    key("status", out);
    match entry.status {
        Some(status) => decimal::unsigned(u64::from(status), out),
        None => out.extend_from_slice(b"null"),
    }
    key("request_bytes", out);
    decimal::unsigned(entry.request_bytes, out);
    key("response_bytes", out);
    decimal::unsigned(entry.response_bytes, out);
    string("referer", entry.referer, out);
    string("user_agent", entry.user_agent, out);
}

fn peers(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    key("peer", out);
    match entry.peer {
        Some(peer) if !format.hide_source_ip => quoted_with(|out| number::socket(peer, out), out),
        _ => out.extend_from_slice(b"null"),
    }
    key("client", out);
    match entry.client {
        Some(client) if !format.hide_source_ip && !format.hide_forwarded_for => {
            quoted_with(|out| number::ip(client, out), out);
        }
        _ => out.extend_from_slice(b"null"),
    }
    let chain = if format.hide_forwarded_for {
        b""
    } else {
        entry.x_forwarded_for
    };
    string("x_forwarded_for", chain, out);
    string("x_forwarded_proto", entry.x_forwarded_proto, out);
    string("vcap_request_id", entry.request_id.as_bytes(), out);
    key("response_time", out);
    number::seconds(entry.total, out);
    key("gorouter_time", out);
    number::seconds(entry.gorouter_time, out);
}

fn endpoint(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let backend = entry.endpoint.map_or("", Endpoint::address);
    string("endpoint", backend.as_bytes(), out);
    let (app, index, instance) = entry.identity();
    string("app_id", app.as_bytes(), out);
    string("app_index", index.as_bytes(), out);
    string("instance_id", instance.as_bytes(), out);
}

fn extra_field(field: ExtraField, entry: &Entry<'_>, out: &mut Vec<u8>) {
    key(field.name(), out);
    match field {
        ExtraField::BackendTime => seconds_or_null(entry.backend_time, out),
        ExtraField::DialTime => seconds_or_null(entry.dial_time, out),
        ExtraField::DnsTime => seconds_or_null(entry.dns_time, out),
        ExtraField::FailedAttempts => decimal::unsigned(u64::from(entry.failed_attempts), out),
        ExtraField::FailedAttemptsTime => seconds_or_null(entry.failed_time(), out),
        ExtraField::LocalAddress => match entry.local {
            Some(local) => quoted_with(|out| number::socket(local, out), out),
            None => out.extend_from_slice(b"null"),
        },
        ExtraField::TlsTime => out.extend_from_slice(b"null"),
    }
}

fn seconds_or_null(time: Option<Duration>, out: &mut Vec<u8>) {
    match time {
        Some(time) => number::seconds(time, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends `,"name":`. Names are constants of this file.
fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(name: &str, value: &[u8], out: &mut Vec<u8>) {
    key(name, out);
    value_or_null(value, out);
}

fn value_or_null(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        quoted(value, out);
    }
}

fn quoted(value: &[u8], out: &mut Vec<u8>) {
    quoted_with(|out| text::json_part(value, out), out);
}

fn quoted_with(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

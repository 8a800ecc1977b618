//! gorouter's line: its order, its quotes and its dashes.

use std::time::Duration;

use crate::decimal;
use crate::endpoint::Endpoint;

use super::{Entry, ExtraField, Format, number, redact, text};

/// More than the fixed part of a line, so that a fresh buffer grows once.
const USUAL: usize = 640;

pub(super) fn write(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.reserve(USUAL);
    request(format, entry, out);
    peers(format, entry, out);
    forwarded(format, entry, out);
    out.extend_from_slice(b"\" response_time:");
    number::seconds(entry.total, out);
    out.extend_from_slice(b" gorouter_time:");
    number::seconds(entry.gorouter_time, out);
    endpoint(entry, out);
    for field in &format.extra_fields {
        extra_field(*field, entry, out);
    }
    out.extend_from_slice(b"x_cf_routererror:\"");
    text::part_or_dash(entry.router_error.as_bytes(), out);
    for (name, value) in entry.extra {
        out.extend_from_slice(b"\" ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b":\"");
        text::part_or_dash(value, out);
    }
    out.extend_from_slice(b"\"\n");
}

fn request(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    text::bare_or_dash(entry.host, out);
    out.extend_from_slice(b" - [");
    number::timestamp(entry.started_unix_nanos, out);
    out.extend_from_slice(b"] \"");
    text::quoted_part(entry.method, out);
    out.push(b' ');
    redact::target(
        format.redact_query,
        entry.method,
        entry.target,
        text::quoted_part,
        out,
    );
    out.push(b' ');
    out.extend_from_slice(entry.version.as_bytes());
    out.extend_from_slice(b"\" ");
    match entry.status {
        Some(status) => decimal::unsigned(u64::from(status), out),
        None => out.extend_from_slice(b"\"-\""),
    }
    out.push(b' ');
    decimal::unsigned(entry.request_bytes, out);
    out.push(b' ');
    decimal::unsigned(entry.response_bytes, out);
}

/// From here on every value is quoted. Each piece closes the quotes of the one before it.
fn peers(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b" \"");
    text::part_or_dash(entry.referer, out);
    out.extend_from_slice(b"\" \"");
    text::part_or_dash(entry.user_agent, out);
    out.extend_from_slice(b"\" \"");
    match entry.peer {
        Some(peer) if !format.hide_source_ip => number::socket(peer, out),
        _ => out.push(b'-'),
    }
    out.extend_from_slice(b"\" \"");
    text::part_or_dash(entry.endpoint.map_or("", Endpoint::address).as_bytes(), out);
}

fn forwarded(format: &Format, entry: &Entry<'_>, out: &mut Vec<u8>) {
    let chain = if format.hide_forwarded_for {
        b""
    } else {
        entry.x_forwarded_for
    };
    out.extend_from_slice(b"\" x_forwarded_for:\"");
    text::part_or_dash(chain, out);
    out.extend_from_slice(b"\" x_forwarded_proto:\"");
    text::part_or_dash(entry.x_forwarded_proto, out);
    out.extend_from_slice(b"\" vcap_request_id:\"");
    // Ours, and nothing but hex digits and hyphens.
    let id = if entry.request_id.is_empty() {
        "-"
    } else {
        entry.request_id
    };
    out.extend_from_slice(id.as_bytes());
}

fn endpoint(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let (app, index, instance) = entry.identity();
    out.extend_from_slice(b" app_id:\"");
    text::part_or_dash(app.as_bytes(), out);
    out.extend_from_slice(b"\" app_index:\"");
    text::part_or_dash(index.as_bytes(), out);
    out.extend_from_slice(b"\" instance_id:\"");
    text::part_or_dash(instance.as_bytes(), out);
    out.extend_from_slice(b"\" ");
}

fn extra_field(field: ExtraField, entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(field.name().as_bytes());
    out.push(b':');
    match field {
        ExtraField::BackendTime => seconds_or_dash(entry.backend_time, out),
        ExtraField::DialTime => seconds_or_dash(entry.dial_time, out),
        ExtraField::DnsTime => seconds_or_dash(entry.dns_time, out),
        ExtraField::FailedAttempts => decimal::unsigned(u64::from(entry.failed_attempts), out),
        ExtraField::FailedAttemptsTime => seconds_or_dash(entry.failed_time(), out),
        ExtraField::LocalAddress => match entry.local {
            Some(local) => {
                out.push(b'"');
                number::socket(local, out);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"\"-\""),
        },
        ExtraField::TlsTime => out.extend_from_slice(b"\"-\""),
    }
    out.push(b' ');
}

fn seconds_or_dash(time: Option<Duration>, out: &mut Vec<u8>) {
    match time {
        Some(time) => number::seconds(time, out),
        None => out.extend_from_slice(b"\"-\""),
    }
}

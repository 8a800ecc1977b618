//! Rows: one entry, the line expected of it.

use std::time::Duration;

use super::*;
use crate::endpoint::{Description, EndpointId, Facts, Origin};
use component_core::tick::Tick;

fn endpoint() -> Endpoint {
    let facts = Facts::new(&Description {
        host: "10.0.0.9",
        port: 61_001,
        app: "app-guid",
        instance_id: "instance-guid",
        instance_index: "3",
        ..Description::default()
    });
    Endpoint::new(EndpointId(1), facts.unwrap(), Origin::Bus, Tick::default())
}

fn entry(endpoint: Option<&Endpoint>) -> Entry<'_> {
    Entry {
        host: b"app.example.com",
        method: b"GET",
        target: b"/a/b?secret=1",
        version: "HTTP/1.1",
        referer: b"http://other.example.com/",
        user_agent: b"curl/8.0",
        x_forwarded_for: b"192.0.2.1, 10.0.0.1",
        x_forwarded_proto: b"https",
        request_id: "5f0d5c1a-0000-4000-8000-000000000000",
        peer: "10.0.0.1:40000".parse().ok(),
        client: "192.0.2.1".parse().ok(),
        endpoint,
        started_unix_nanos: 1_700_000_000_123_456_789,
        status: Some(200),
        request_bytes: 12,
        response_bytes: 3_456,
        total: Duration::from_micros(12_345),
        gorouter_time: Duration::from_micros(345),
        backend_time: Some(Duration::from_micros(12_000)),
        dial_time: None,
        dns_time: None,
        failed_attempts: 0,
        failed_attempts_time: Duration::ZERO,
        router_error: "",
        local: "10.0.0.2:50000".parse().ok(),
        extra: &[],
    }
}

fn line(format: &Format, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    format.line(entry, &mut out);
    String::from_utf8(out).unwrap()
}

const USUAL: &str = concat!(
    r#"app.example.com - [2023-11-14T22:13:20.123456789Z] "GET /a/b?secret=1 HTTP/1.1" 200 12 3456 "#,
    r#""http://other.example.com/" "curl/8.0" "10.0.0.1:40000" "10.0.0.9:61001" "#,
    r#"x_forwarded_for:"192.0.2.1, 10.0.0.1" x_forwarded_proto:"https" "#,
    r#"vcap_request_id:"5f0d5c1a-0000-4000-8000-000000000000" "#,
    r#"response_time:0.012345 gorouter_time:0.000345 "#,
    r#"app_id:"app-guid" app_index:"3" instance_id:"instance-guid" x_cf_routererror:"-""#,
    "\n",
);

#[test]
fn the_line_in_full() {
    let endpoint = endpoint();
    assert_eq!(line(&Format::default(), &entry(Some(&endpoint))), USUAL);
}

#[test]
fn what_is_unknown_is_a_dash() {
    let unknown = Entry {
        host: b"",
        referer: b"",
        user_agent: b"",
        x_forwarded_for: b"",
        x_forwarded_proto: b"",
        request_id: "",
        peer: None,
        status: None,
        router_error: "unknown_route",
        ..entry(None)
    };
    let expected = concat!(
        r#"- - [2023-11-14T22:13:20.123456789Z] "GET /a/b?secret=1 HTTP/1.1" "-" 12 3456 "#,
        r#""-" "-" "-" "-" x_forwarded_for:"-" x_forwarded_proto:"-" vcap_request_id:"-" "#,
        r#"response_time:0.012345 gorouter_time:0.000345 "#,
        r#"app_id:"-" app_index:"-" instance_id:"-" x_cf_routererror:"unknown_route""#,
        "\n",
    );
    assert_eq!(line(&Format::default(), &unknown), expected);
}

#[test]
fn options_change_their_own_field_alone() {
    let endpoint = endpoint();
    let check = |format: Format, from: &str, to: &str| {
        let expected = USUAL.replace(from, to);
        assert_ne!(expected, USUAL, "{from}");
        assert_eq!(line(&format, &entry(Some(&endpoint))), expected);
    };
    let usual = Format::default();
    check(
        Format {
            redact_query: RedactQuery::All,
            ..usual.clone()
        },
        "/a/b?secret=1",
        "/a/b",
    );
    check(
        Format {
            hide_forwarded_for: true,
            ..usual.clone()
        },
        "192.0.2.1, 10.0.0.1",
        "-",
    );
    check(
        Format {
            hide_source_ip: true,
            ..usual.clone()
        },
        "10.0.0.1:40000",
        "-",
    );
    check(
        Format {
            extra_fields: ExtraField::ALL.to_vec(),
            ..usual
        },
        "x_cf_routererror",
        concat!(
            r#"backend_time:0.012000 dial_time:"-" dns_time:"-" failed_attempts:0 "#,
            r#"failed_attempts_time:"-" local_address:"10.0.0.2:50000" tls_time:"-" "#,
            "x_cf_routererror",
        ),
    );
}

#[test]
fn extra_headers_come_last() {
    let endpoint = endpoint();
    let extra: [(&str, &[u8]); 2] = [("x_b3_traceid", b"abc"), ("x_none", b"")];
    let entry = Entry {
        extra: &extra,
        ..entry(Some(&endpoint))
    };
    let expected = format!("{} x_b3_traceid:\"abc\" x_none:\"-\"\n", USUAL.trim_end());
    assert_eq!(line(&Format::default(), &entry), expected);
}

#[test]
fn names_of_extra_headers() {
    for (header, name) in [
        ("X-B3-TraceId", "x_b3_traceid"),
        ("b3", "b3"),
        ("odd name:\"\n", "odd_name___"),
    ] {
        assert_eq!(extra_header_name(header), name);
    }
}

/// The quoted parts of a line, unescaped quotes told from escaped ones.
fn quotes(line: &str) -> usize {
    let mut escaped = false;
    let quote = |c: char| {
        let found = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        found
    };
    line.chars().map(quote).filter(|found| *found).count()
}

#[test]
fn nobody_forges_a_line() {
    let endpoint = endpoint();
    let usual = quotes(USUAL);
    let hostile: [&[u8]; 5] = [
        b"x\" 200 0 0 \"-\" \"-\n",
        b"\r\nforged - [2023-11-14T22:13:20.123456789Z] \"GET / HTTP/1.1\" 200",
        b"ends in a backslash\\",
        b"\\\" \\\\\" \xff\x00\x1b[2J\x7f\xc2\x85\xe2\x80\xa8",
        b"\"",
    ];
    for value in hostile {
        let extra = [("x_extra", value)];
        let entry = Entry {
            host: value,
            method: value,
            target: value,
            referer: value,
            user_agent: value,
            x_forwarded_for: value,
            x_forwarded_proto: value,
            extra: &extra,
            ..entry(Some(&endpoint))
        };
        let text = line(&Format::default(), &entry);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(
            !text
                .trim_end_matches('\n')
                .contains(|c: char| c.is_control()),
            "{text}"
        );
        assert_eq!(quotes(&text), usual + 2, "{text}");
        assert_eq!(text.split(' ').nth(1), Some("-"), "{text}");
        let mut json = Vec::new();
        Format::default().json(&entry, &mut json);
        assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1);
        let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let expected = String::from_utf8_lossy(value);
        assert_eq!(parsed["user_agent"], *expected);
        assert_eq!(parsed["headers"]["x_extra"], *expected);
    }
}

#[test]
fn json_has_the_same_facts() {
    let endpoint = endpoint();
    let format = Format {
        extra_fields: ExtraField::ALL.to_vec(),
        ..Format::default()
    };
    let mut out = Vec::new();
    format.json(&entry(Some(&endpoint)), &mut out);
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let expected = serde_json::json!({
        "time": "2023-11-14T22:13:20.123456789Z",
        "host": "app.example.com", "method": "GET", "target": "/a/b?secret=1",
        "protocol": "HTTP/1.1", "status": 200, "request_bytes": 12, "response_bytes": 3456,
        "referer": "http://other.example.com/", "user_agent": "curl/8.0",
        "peer": "10.0.0.1:40000", "client": "192.0.2.1",
        "x_forwarded_for": "192.0.2.1, 10.0.0.1", "x_forwarded_proto": "https",
        "vcap_request_id": "5f0d5c1a-0000-4000-8000-000000000000",
        "response_time": 0.012345, "gorouter_time": 0.000345,
        "endpoint": "10.0.0.9:61001",
        "app_id": "app-guid", "app_index": "3", "instance_id": "instance-guid",
        "backend_time": 0.012, "dial_time": null, "dns_time": null, "failed_attempts": 0,
        "failed_attempts_time": null, "local_address": "10.0.0.2:50000", "tls_time": null,
        "x_cf_routererror": null,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_hidden_client_is_hidden_everywhere() {
    let endpoint = endpoint();
    let format = Format {
        hide_source_ip: true,
        hide_forwarded_for: true,
        ..Format::default()
    };
    for style in [Style::Line, Style::Json] {
        let mut out = Vec::new();
        Format {
            style,
            ..format.clone()
        }
        .write(&entry(Some(&endpoint)), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            !text.contains("192.0.2.1") && !text.contains("10.0.0.1:"),
            "{text}"
        );
    }
}

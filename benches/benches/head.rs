//! Heads on their way through: parsed, ruled on, and put together again.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use benches::traffic;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use router_core::edits::Edits;
use router_core::headers::request::{self, Arrival, Destination, RequestRules};
use router_core::headers::response::{self, Connection, Departure};
use router_core::headers::sender::Sender;
use router_core::http1::request::RequestParser;
use router_core::http1::response::ResponseParser;
use router_core::http1::{Limits, write};

/// What a browser sends through a load balancer.
const BROWSER: &[u8] = b"GET /assets/application-5f3c.js?v=7 HTTP/1.1\r\n\
Host: app-0004711.apps.example.com\r\n\
Connection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
Upgrade-Insecure-Requests: 1\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Sec-Fetch-Site: none\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Dest: document\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9\r\n\
Cookie: JSESSIONID=8f2c1f7a0d4f4a5b9c3d; __VCAP_ID__=0c6a1c1e-7d0a-4f5c-5b2e-91f2\r\n\
X-Forwarded-For: 203.0.113.7\r\n\
X-Forwarded-Proto: https\r\n\
\r\n";

const ID: &[u8] = b"5f0d5c1a-0000-4000-8000-000000000000";

fn head(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    for (name, text) in [
        ("request of curl", traffic::REQUEST),
        ("request of a browser", BROWSER),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut parser = RequestParser::default();
        let (mut edits, mut out) = (Edits::default(), Vec::new());
        let rules = RequestRules::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                forward_request(black_box(text), &mut parser, &rules, &mut edits, &mut out)
            });
        });
    }
    let text = traffic::RESPONSE_HEAD;
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut parser = ResponseParser::default();
    let (mut edits, mut out) = (Edits::default(), Vec::new());
    let rules = response::ResponseRules::default();
    group.bench_function("response", |bencher| {
        bencher
            .iter(|| forward_response(black_box(text), &mut parser, &rules, &mut edits, &mut out));
    });
    hostile(&mut group);
}

/// Heads that are made to cost as much as a head may: as many options of `Connection` as are taken, and
/// far more, each beside as many fields as there may be.
fn hostile(group: &mut BenchmarkGroup<'_, WallTime>) {
    for options in [63, 31_000] {
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: {}close\r\n{}\r\n",
            "a,".repeat(options),
            "b: 1\r\n".repeat(240)
        );
        let text = text.as_bytes();
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut parser = RequestParser::default();
        let (mut edits, mut out) = (Edits::default(), Vec::new());
        let rules = RequestRules::default();
        group.bench_function(format!("request with {options} options"), |bencher| {
            bencher.iter(|| {
                forward_request(black_box(text), &mut parser, &rules, &mut edits, &mut out)
            });
        });
    }
}

/// What a head of that many bytes may take.
const LIMITS: Limits = Limits {
    head_bytes: 128 << 10,
    fields: 256,
    target_bytes: 16 << 10,
};

/// The length of the head as it goes out; nothing when it is refused.
fn forward_request(
    text: &[u8],
    parser: &mut RequestParser,
    rules: &RequestRules,
    edits: &mut Edits,
    out: &mut Vec<u8>,
) -> Option<usize> {
    parser.begin(0);
    if parser.advance(text, &LIMITS) != Ok(true) {
        return None;
    }
    let head = parser.head();
    let peer = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    let arrival = Arrival {
        sender: Sender {
            peer,
            trusted: true,
            address: peer,
        },
        peer_text: "10.0.0.1",
        tls: false,
        version: head.version,
        unix_millis: 1_700_000_000_123,
        id: ID,
        body: head.body,
        length_needs_rewrite: head.length_needs_rewrite,
        says_length: head.method.says_length(),
        upgrade: head.upgrade,
        connection_names_fields: head.connection_names_fields,
        target_host: head.target_host(text),
    };
    let destination = Destination {
        app: "3f0d5c1a-0000-4000-8000-000000000001",
        instance: "4f0d5c1a-0000-4000-8000-000000000002",
        index: "0",
    };
    assert!(request::edit(
        head.fields(text),
        rules,
        &arrival,
        &destination,
        edits
    ));
    out.clear();
    write::request(out, text, head, edits);
    Some(out.len())
}

fn forward_response(
    text: &[u8],
    parser: &mut ResponseParser,
    rules: &response::ResponseRules,
    edits: &mut Edits,
    out: &mut Vec<u8>,
) -> usize {
    parser.begin(0, false);
    assert_eq!(parser.advance(text, &Limits::default()), Ok(true));
    let head = parser.head();
    let departure = Departure {
        rules,
        id: ID,
        date: "Sun, 06 Nov 1994 08:49:37 GMT",
        body: head.body,
        length: None,
        unframed: false,
        connection: Connection::Stays,
        upgrade_required: false,
        connection_names_fields: head.connection_names_fields,
        trace: None,
    };
    response::edit(head.fields(text), &departure, false, edits);
    out.clear();
    write::response(out, text, head, edits);
    out.len()
}

criterion_group!(benches, head);
criterion_main!(benches);

//! `GET /routes/explain?url=..&header=..`: where a request would go, and why.
//!
//! The question is turned into the bytes of a request and read by the parser of the data path, so
//! that the answer cannot differ from what a request with that URL and those headers would meet.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::router::{Chosen, Explain};
use router_core::explain::explain;
use router_core::field::FieldKind;
use router_core::http1::request::{Method, RequestParser};
use router_core::instance::asked;
use router_core::pool::Want;

use super::Admin;

/// Why a question has no answer, in words for who asked.
type Fault = &'static str;

pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Query(question): Query<Vec<(String, String)>>,
) -> Response {
    match request(&question).and_then(|request| answer(&admin, &request)) {
        Ok(answer) => Json(answer).into_response(),
        Err(fault) => (StatusCode::BAD_REQUEST, format!("{fault}\n")).into_response(),
    }
}

/// The bytes of the request that is asked about.
fn request(question: &[(String, String)]) -> Result<String, Fault> {
    let of = |wanted: &'static str| {
        question
            .iter()
            .filter(move |(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let url = of("url")
        .next()
        .ok_or("url= says which request to explain")?;
    let bare = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let bare = bare.unwrap_or(url);
    if bare
        .split('/')
        .next()
        .is_some_and(|first| first.ends_with(':'))
    {
        return Err("the URL must be http or https");
    }
    let bare = bare.split('#').next().unwrap_or_default();
    let authority = &bare[..bare.find(['/', '?']).unwrap_or(bare.len())];
    let mut request = format!("GET http://{bare} HTTP/1.1\r\nHost: {authority}\r\n");
    for header in of("header") {
        let (name, value) = header.split_once(':').ok_or("a header is Name: value")?;
        request.push_str(&format!("{name}: {}\r\n", value.trim()));
    }
    request.push_str("\r\n");
    Ok(request)
}

fn answer(admin: &Admin, request: &str) -> Result<Explain, Fault> {
    const MALFORMED: Fault = "the router would refuse such a request with 400";
    let buffer = request.as_bytes();
    let mut parser = RequestParser::default();
    parser.begin(0);
    let complete = parser
        .advance(buffer, &admin.options.data_path.load().heads.requests)
        .map_err(|_refusal| MALFORMED)?;
    let head = parser.head();
    if !complete || head.end != buffer.len() || head.method != Method::Get {
        return Err(MALFORMED);
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| MALFORMED);
    let host = text(head.authority.of(buffer))?;
    let path = text(head.path.of(buffer))?;
    let instance = asked(head.fields(buffer)).map_err(|_failure| MALFORMED)?;
    let settings = admin.options.data_path.load();
    let want = Want {
        tried: &[],
        instance,
        first_attempt: true,
        zone: settings.zone.as_deref(),
        max_conns: settings.backend.max_conns,
        ejection: settings.backend.ejection,
        now: admin.shared.clock.now(),
        entropy: fastrand::u64(..),
    };
    let table = admin.shared.routes.load();
    let mut answer = explain(&table, host, path, &want, admin.options.tls_threshold);
    let user_agent = head.fields(buffer).first(FieldKind::UserAgent);
    if settings.is_health_check(user_agent) {
        answer.chosen = Chosen {
            address: None,
            why: "the router answers it as a health check".to_owned(),
        };
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &[(&str, &str)], expected: Result<&str, Fault>) {
        let question: Vec<_> = question
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(
            request(&question).as_deref().map_err(|fault| *fault),
            expected
        );
    }

    #[test]
    fn questions_become_requests() {
        let app = "GET http://a.test/b?c HTTP/1.1\r\nHost: a.test\r\n\r\n";
        check(&[("url", "https://a.test/b?c#d")], Ok(app));
        check(&[("url", "a.test/b?c")], Ok(app));
        check(
            &[
                ("url", "a.test"),
                ("header", "X-CF-App-Instance: g:1"),
                ("other", "ignored"),
            ],
            Ok("GET http://a.test HTTP/1.1\r\nHost: a.test\r\nX-CF-App-Instance: g:1\r\n\r\n"),
        );
        check(
            &[("url", "a.test/?u=ftp://b")],
            Ok("GET http://a.test/?u=ftp://b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        );
        check(&[], Err("url= says which request to explain"));
        check(
            &[("url", "ftp://a.test")],
            Err("the URL must be http or https"),
        );
        check(
            &[("url", "a.test"), ("header", "no colon")],
            Err("a header is Name: value"),
        );
    }
}

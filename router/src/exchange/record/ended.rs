//! An exchange that has ended: counted, logged, and shown to those who watch.

use std::time::Duration;

use router_core::access_log::Entry;
use router_core::field::{FieldKind, Fields, Span};
use router_core::headers::request;
use router_core::http1::Version;

use crate::config::MOST_EXTRA_HEADERS;
use crate::exchange::Exchange;

impl Exchange {
    /// Counts the exchange, logs it, and shows it to those who watch.
    pub(in crate::exchange) fn finish_record(&mut self) {
        let (record, worker) = (&self.record, &self.worker);
        let total = worker.now().since(record.began);
        let gorouter_time = record.own_time(total);
        if !record.not_traffic {
            self.count(total, gorouter_time);
        }
        let mut log = worker.log.borrow_mut();
        let watched = worker.shared.watch.wanted() && !record.not_traffic;
        if !log.wanted() && !watched {
            return;
        }
        let names = &self.settings.extra_headers_to_log;
        let fields = self.request.fields();
        // Usually there are none, and nothing is made ready for them.
        let mut places;
        let mut extra = &[][..];
        if !names.is_empty() {
            places = [("", &[][..]); MOST_EXTRA_HEADERS];
            for (place, (name, shown)) in places.iter_mut().zip(names) {
                *place = (shown, fields.named(name).unwrap_or_default());
            }
            extra = &places[..names.len().min(MOST_EXTRA_HEADERS)];
        }
        let entry = self.entry(fields, total, gorouter_time, extra);
        log.write(&entry);
        if watched {
            worker.shared.watch.offer(&entry, &record.attempts);
        }
    }

    /// Counts the exchange.
    fn count(&self, total: Duration, gorouter_time: Duration) {
        let (record, worker) = (&self.record, &self.worker);
        let component = record
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.component());
        if let (Some(status), Some(_)) = (record.status, record.backend_time) {
            worker
                .metrics
                .response(status, component, total, gorouter_time);
        }
        let head = match record.glimpse {
            None => self.request.head().end,
            Some(_) => self.request.input.filled().len(),
        };
        worker.metrics.bytes_in(head as u64 + record.request_bytes);
        let sent = record.sent_heads.get() + record.response_bytes;
        worker.metrics.bytes_out(sent);
    }

    fn entry<'a>(
        &'a self,
        fields: Fields<'a>,
        total: Duration,
        gorouter_time: Duration,
        extra: &'a [(&'a str, &'a [u8])],
    ) -> Entry<'a> {
        let (record, head) = (&self.record, self.request.head());
        let text = |span: Span| span.of(self.request.input.filled());
        let (host, method, target, version) = match &record.glimpse {
            None => (head.authority, head.method_name, head.target, head.version),
            Some(seen) => {
                let version = seen.version.unwrap_or(Version::Http11);
                (seen.host, seen.method, seen.target, version)
            }
        };
        let field = |kind| fields.first(kind).unwrap_or_default();
        let rules = &self.settings.rules;
        let sent_on = &self.forwarded_for[..];
        Entry {
            host: text(host),
            method: text(method),
            target: text(target),
            version: version.as_str(),
            referer: field(FieldKind::Referer),
            user_agent: field(FieldKind::UserAgent),
            x_forwarded_for: if sent_on.is_empty() && self.sender.trusted {
                field(FieldKind::XForwardedFor)
            } else {
                sent_on
            },
            x_forwarded_proto: request::forwarded_proto(fields, rules, self.sender.trusted, false),
            request_id: record.id(),
            peer: self.client.peer(),
            client: self.sender.address,
            endpoint: record.endpoint.as_deref(),
            started_unix_nanos: record.began_unix_nanos,
            status: record.status,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            total,
            gorouter_time,
            backend_time: record.backend_time,
            dial_time: record.dial_time,
            dns_time: record.dns_time,
            failed_attempts: record.failed_attempts,
            failed_attempts_time: record.failed_attempts_time,
            router_error: if record.router_error.is_empty() {
                record.end.name()
            } else {
                &record.router_error
            },
            local: record.local,
            extra,
        }
    }
}

//! An exchange that has ended: counted, logged, and shown to those who watch.

use std::time::Duration;

use router_core::access_log::Record;
use router_core::field::{FieldKind, Fields, Span};
use router_core::headers::request;
use router_core::http1::Version;

use crate::config::MOST_EXTRA_HEADERS;
use crate::exchange::Exchange;

impl Exchange {
    /// Counts the exchange, logs it, and shows it to those who watch.
    pub(in crate::exchange) fn record(&mut self) {
        let (story, worker) = (&self.story, &self.worker);
        let total = worker.now().since(story.began);
        let gorouter_time = story.own_time(total);
        if !story.not_traffic {
            self.count(total, gorouter_time);
        }
        let mut log = worker.log.borrow_mut();
        let watched = worker.shared.watch.wanted() && !story.not_traffic;
        if !log.wanted() && !watched {
            return;
        }
        let names = &worker.settings().extra_headers_to_log;
        let fields = self.logged_fields();
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
        let record = self.tell(fields, total, gorouter_time, extra);
        log.write(&record);
        if watched {
            worker.shared.watch.offer(&record, &story.attempts);
        }
    }

    /// Counts the exchange.
    fn count(&self, total: Duration, gorouter_time: Duration) {
        let (story, worker) = (&self.story, &self.worker);
        let component = story
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.component());
        if let (Some(status), Some(_)) = (story.status, story.backend_time) {
            worker
                .metrics
                .response(status, component, total, gorouter_time);
        }
        let head = match story.glimpse {
            None => self.head().end,
            Some(_) => self.input.filled().len(),
        };
        worker.metrics.bytes_in(head as u64 + story.request_bytes);
        let sent = story.sent_heads.get() + story.response_bytes;
        worker.metrics.bytes_out(sent);
    }

    /// The fields, as far as they were read.
    fn logged_fields(&self) -> Fields<'_> {
        Fields::new(self.input.filled(), &self.head().fields)
    }

    fn tell<'a>(
        &'a self,
        fields: Fields<'a>,
        total: Duration,
        gorouter_time: Duration,
        extra: &'a [(&'a str, &'a [u8])],
    ) -> Record<'a> {
        let (story, head) = (&self.story, self.head());
        let text = |span: Span| span.of(self.input.filled());
        let (host, method, target, version) = match &story.glimpse {
            None => (head.authority, head.method_name, head.target, head.version),
            Some(seen) => {
                let version = seen.version.unwrap_or(Version::Http11);
                (seen.host, seen.method, seen.target, version)
            }
        };
        let field = |kind| fields.first(kind).unwrap_or_default();
        let rules = &self.settings.rules;
        let sent_on = &self.scratch.forwarded_for[..];
        Record {
            host: text(host),
            method: text(method),
            target: text(target),
            version: version.as_str(),
            referer: field(FieldKind::Referer),
            user_agent: field(FieldKind::UserAgent),
            x_forwarded_for: if sent_on.is_empty() && story.client.trusted {
                field(FieldKind::XForwardedFor)
            } else {
                sent_on
            },
            x_forwarded_proto: request::forwarded_proto(fields, rules, story.client.trusted, false),
            request_id: story.id(),
            peer: self.client.peer(),
            client: story.client.address,
            endpoint: story.endpoint.as_deref(),
            started_unix_nanos: story.began_unix_nanos,
            status: story.status,
            request_bytes: story.request_bytes,
            response_bytes: story.response_bytes,
            total,
            gorouter_time,
            backend_time: story.backend_time,
            dial_time: story.dial_time,
            dns_time: story.dns_time,
            failed_attempts: story.failed_attempts,
            failed_attempts_time: story.failed_attempts_time,
            router_error: if story.router_error.is_empty() {
                story.end.name()
            } else {
                &story.router_error
            },
            local: story.local,
            extra,
        }
    }
}

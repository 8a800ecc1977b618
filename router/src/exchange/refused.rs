//! What is told of a request that went nowhere, because it was too large or is none.

use std::sync::Arc;

use router_core::access_log::Glimpse;
use router_core::endpoint::Endpoint;
use router_core::failure::Failure;
use router_core::field::Span;
use router_core::http1::Refusal;
use router_core::pool::Want;

use super::Exchange;

impl Exchange {
    /// Makes out what can be of a head that was refused or broke off, for the log.
    pub(super) fn make_out(&mut self) {
        self.story.client = self.origin(self.fields());
        self.story.glimpse = Some(Box::new(Glimpse::of(self.input.filled())));
    }

    /// Whose request it would have been, had it not been too large: its app is told, as gorouter does.
    pub(super) fn attribute(&mut self, failure: &Failure) {
        let too_large = matches!(
            failure,
            Failure::Refused(Refusal::HeadTooLarge) | Failure::BodyTooLarge
        );
        if too_large && self.story.endpoint.is_none() {
            self.story.endpoint = self.likely_endpoint();
        }
    }

    /// The endpoint that would be next for this request.
    fn likely_endpoint(&self) -> Option<Arc<Endpoint>> {
        let bytes = self.input.filled();
        let text = |span: Span| std::str::from_utf8(span.of(bytes)).ok();
        let (host, path) = match &self.story.glimpse {
            Some(glimpse) => (text(glimpse.host)?, text(glimpse.path)?),
            None => self.looked_up(),
        };
        let settings = &self.settings;
        let want = Want {
            tried: &[],
            instance: None,
            first_attempt: true,
            zone: settings.zone.as_deref(),
            max_conns: settings.backend.max_conns,
            ejection: settings.backend.ejection,
            now: self.story.began_tick(),
            entropy: self.worker.entropy(),
        };
        let table = self.worker.shared.routes.load();
        let pool = table.lookup(host, path)?;
        pool.next(&want).ok().map(Arc::clone)
    }
}

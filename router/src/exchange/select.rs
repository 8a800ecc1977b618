//! The route of a request and the endpoint that serves it.

use std::sync::Arc;

use router_core::endpoint::{Endpoint, InFlight};
use router_core::failure::{EndpointFault, Failure};
use router_core::instance::{self, Asked};
use router_core::pool::{NoEndpoint, Want};

use super::Exchange;

/// Lookups between two that are timed.
const TIMED: u64 = 64;

impl Exchange {
    /// Looks the route up in the table of this moment and chooses an endpoint. The table is let go
    /// of before anything is waited for.
    pub(super) fn select(&mut self) -> Result<(Arc<Endpoint>, InFlight), Failure> {
        let entropy = self.worker.entropy();
        let table = self.worker.shared.routes.load();
        let (host, path) = self.looked_up();
        let timed = entropy.is_multiple_of(TIMED);
        let began = timed.then(|| self.worker.clock.read());
        let found = table.lookup(host, path);
        if let Some(began) = began {
            let took = self.worker.clock.read().since(began).as_nanos();
            self.worker
                .metrics
                .lookup_time(u64::try_from(took).unwrap_or(u64::MAX));
        }
        let Some(pool) = found else {
            return Err(Failure::UnknownRoute {
                route: self.route_text(),
            });
        };
        if pool
            .options()
            .is_some_and(|options| !options.route_service_url.is_empty())
        {
            return Err(Failure::RouteServiceUnsupported);
        }
        let asked = instance::asked(self.fields())?;
        let settings = &self.settings;
        let want = Want {
            tried: &self.scratch.tried,
            instance: asked,
            first_attempt: self.scratch.tried.is_empty(),
            zone: settings.zone.as_deref(),
            max_conns: settings.backend.max_conns,
            ejection: settings.backend.ejection,
            now: self.story.began_tick(),
            entropy,
        };
        let picked = pool
            .pick(&want)
            .map(|(endpoint, taken)| (Arc::clone(endpoint), taken));
        let (endpoint, in_flight) = picked.map_err(|none| self.none(none, asked))?;
        let policy = pool.policy().copied();
        drop(table);
        self.story.policy = policy;
        Ok((endpoint, in_flight))
    }

    /// What the route allows a body to be, by the table of this moment.
    pub(super) fn body_limit(&self) -> Option<u64> {
        let table = self.worker.shared.routes.load();
        let (host, path) = self.looked_up();
        let policy = table
            .lookup(host, path)
            .and_then(|pool| pool.policy().copied());
        policy
            .and_then(|policy| policy.max_body)
            .or(self.settings.client.max_body)
    }

    pub(super) fn looked_up(&self) -> (&str, &str) {
        let head = self.head();
        let text = |span: router_core::field::Span| {
            // Both were checked to be ASCII when they were parsed.
            std::str::from_utf8(span.of(self.input.filled())).unwrap_or_default()
        };
        (text(head.authority), text(head.path))
    }

    fn none(&self, none: NoEndpoint, asked: Option<Asked<'_>>) -> Failure {
        let route = self.route_text();
        match none {
            NoEndpoint::Empty if self.settings.empty_pool_is_503 => Failure::NoEndpoints { route },
            NoEndpoint::Empty => Failure::UnknownRoute { route },
            NoEndpoint::Overloaded => Failure::ConnectionLimit { route },
            NoEndpoint::AllTried => Failure::Endpoint(EndpointFault::NoneAvailable),
            NoEndpoint::NoSuchInstance => {
                let (guid, index) = match asked {
                    Some(Asked::App { guid, index }) => (guid, index),
                    Some(Asked::Process { guid, index }) => (guid, index.unwrap_or_default()),
                    None => ("", ""),
                };
                Failure::UnknownInstance {
                    index: index.into(),
                    guid: guid.into(),
                    route,
                }
            }
        }
    }

    /// The host as it stands in messages: without its port.
    fn route_text(&self) -> String {
        let (host, _) = self.looked_up();
        router_core::host::bare(host).to_owned()
    }
}

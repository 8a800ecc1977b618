//! The route of a request and the endpoint that serves it.

use std::sync::Arc;

use component::tick::Tick;
use router_core::endpoint::{Endpoint, EndpointId, InFlight};
use router_core::failure::{EndpointFault, Failure};
use router_core::instance::{self, Asked};
use router_core::pool::{NoEndpoint, Pool, Want};
use router_core::table::RouteTable;

use super::limits::ExchangeLimits;
use super::request::Request;
use crate::config::settings::Settings;
use crate::worker::Worker;

/// One lookup in so many is timed.
const ONE_TIMED_IN: u64 = 64;

/// An endpoint for one attempt.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) endpoint: Arc<Endpoint>,
    /// Counts the exchange at the endpoint.
    pub(super) in_flight: InFlight,
    /// What the route allows the exchange.
    pub(super) limits: ExchangeLimits,
}

/// Looks the route up in the table of this moment and chooses an endpoint that was not `tried`. The
/// table is let go of before anything is waited for.
///
/// # Errors
/// There is no such route or no endpoint for the request, or the route does not take it.
pub(super) fn select(
    worker: &Worker,
    settings: &Settings,
    request: &Request,
    tried: &[EndpointId],
    began: Tick,
) -> Result<Selected, Failure> {
    let entropy = worker.entropy();
    let table = worker.shared.routes.load();
    let found = lookup(
        worker,
        &table,
        request,
        entropy.is_multiple_of(ONE_TIMED_IN),
    );
    let policy = found.and_then(|pool| pool.policy());
    let limits = ExchangeLimits::new(settings, policy, request.head(), began);
    if request
        .body_length()
        .is_some_and(|length| length > limits.max_body)
    {
        return Err(Failure::BodyTooLarge);
    }
    let asked = instance::asked(request.fields())?;
    let Some(pool) = found else {
        return Err(Failure::UnknownRoute {
            route: request.host().to_owned(),
        });
    };
    if pool
        .options()
        .is_some_and(|options| !options.route_service_url.is_empty())
    {
        return Err(Failure::RouteServiceUnsupported);
    }
    let want = Want {
        tried,
        instance: asked,
        first_attempt: tried.is_empty(),
        ..want(settings, began, entropy)
    };
    match pool.pick(&want) {
        Ok((endpoint, in_flight)) => Ok(Selected {
            endpoint: Arc::clone(endpoint),
            in_flight,
            limits,
        }),
        Err(none) => Err(failure(none, asked, settings, request.host())),
    }
}

/// The endpoint that would be next for a request of `host` and `path`.
pub(super) fn likely_endpoint(
    worker: &Worker,
    settings: &Settings,
    (host, path): (&str, &str),
    now: Tick,
) -> Option<Arc<Endpoint>> {
    let table = worker.shared.routes.load();
    let pool = table.lookup(host, path)?;
    let next = pool.next(&want(settings, now, worker.entropy()));
    next.ok().map(Arc::clone)
}

/// What every request wants of a pool at its first attempt.
fn want(settings: &Settings, now: Tick, entropy: u64) -> Want<'_> {
    Want {
        tried: &[],
        instance: None,
        first_attempt: true,
        zone: settings.zone.as_deref(),
        max_conns: settings.backend.max_conns,
        ejection: settings.backend.ejection,
        now,
        entropy,
    }
}

fn lookup<'a>(
    worker: &Worker,
    table: &'a RouteTable,
    request: &Request,
    timed: bool,
) -> Option<&'a Arc<Pool>> {
    let (host, path) = (request.authority(), request.path());
    if !timed {
        return table.lookup(host, path);
    }
    let began = worker.clock.read();
    let found = table.lookup(host, path);
    let took = worker.clock.read().since(began).as_nanos();
    let took = u64::try_from(took).unwrap_or(u64::MAX);
    worker.metrics.lookup_time(took);
    found
}

fn failure(none: NoEndpoint, asked: Option<Asked<'_>>, settings: &Settings, host: &str) -> Failure {
    let route = host.to_owned();
    match none {
        NoEndpoint::Empty if settings.empty_pool_is_503 => Failure::NoEndpoints { route },
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

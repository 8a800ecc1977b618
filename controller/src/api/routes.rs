//! Routes, and the apps that serve them.

mod destinations;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use controller_core::fault::Fault;
use controller_core::permission::{Action, Place};
use controller_core::query::{ListQuery, ListRules};
use controller_core::route::{RESERVED_HOSTS, host_problem, path_problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::destinations::DestinationResource;
use super::Shared;
use super::answer::{Answer, Refusal, created, ok};
use super::body::Body;
use super::call::{Call, place};
use super::links::Links;
use super::resource::{Head, Metadata, ResourceLinks, ToOne};
use crate::clock::now;
use crate::storage::{DestinationRow, DomainRow, RouteRow, SpaceRow, Storage};

/// What is answered of routes.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/routes", get(list).post(create))
        .route("/v3/routes/{guid}", get(show).patch(update).delete(delete))
        .route("/v3/apps/{guid}/routes", get(of_app))
        .route("/v3/domains/{guid}/route_reservations", get(reservations))
        .merge(destinations::routes())
}

/// A route.
#[derive(Debug, Serialize)]
struct RouteResource {
    #[serde(flatten)]
    head: Head,
    protocol: &'static str,
    host: String,
    path: String,
    port: Option<u16>,
    url: String,
    destinations: Vec<DestinationResource>,
    options: Map<String, Value>,
    relationships: RouteRelations,
    metadata: Metadata,
    links: ResourceLinks,
}

#[derive(Debug, Serialize)]
struct RouteRelations {
    space: ToOne,
    domain: ToOne,
}

impl RouteResource {
    fn new(row: &RouteRow, destinations: &[DestinationRow], links: &Links) -> Self {
        let path = format!("/v3/routes/{}", row.guid);
        let ours = destinations.iter().filter(|to| to.route_guid == row.guid);
        Self {
            head: Head::new(&row.guid, row.created_at, row.updated_at),
            protocol: "http",
            host: row.host.clone(),
            path: row.path.clone(),
            port: None,
            url: row.url(),
            destinations: ours.map(DestinationResource::new).collect(),
            options: serde_json::from_str(&row.options).unwrap_or_default(),
            relationships: RouteRelations {
                space: ToOne::new(Some(&row.space_guid)),
                domain: ToOne::new(Some(&row.domain_guid)),
            },
            metadata: Metadata::stored(&row.metadata),
            links: ResourceLinks::of(links, &path)
                .with("destinations", links.to(&format!("{path}/destinations")))
                .with("space", links.to(&format!("/v3/spaces/{}", row.space_guid)))
                .with(
                    "domain",
                    links.to(&format!("/v3/domains/{}", row.domain_guid)),
                ),
        }
    }
}

/// What a route shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RouteRequest {
    host: Option<String>,
    path: Option<String>,
    port: Option<u16>,
    options: Map<String, Value>,
    relationships: GivenRouteRelations,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenRouteRelations {
    space: ToOne,
    domain: ToOne,
}

async fn list(call: Call) -> Answer {
    let query = call.asked(&RouteRow::LISTING, &[])?;
    page(&call, &query).await
}

async fn of_app(call: Call, Path(app): Path<String>) -> Answer {
    let mut query = call.asked(&RouteRow::LISTING, &[])?;
    query.restrict("app_guids", vec![app]);
    page(&call, &query).await
}

async fn page(call: &Call, query: &ListQuery) -> Answer {
    let scope = call.scope(Action::ReadSpace);
    let storage = &call.api.storage;
    let (rows, total): (Vec<RouteRow>, u64) =
        storage.list(&RouteRow::LISTING, query, &scope).await?;
    let guids = rows.iter().map(|row| row.guid.as_str());
    let destinations = storage.destinations(guids).await?;
    let resources = rows
        .iter()
        .map(|row| RouteResource::new(row, &destinations, &call.links))
        .collect();
    call.page(query, total, resources)
}

async fn show(call: Call, Path(guid): Path<String>) -> Answer {
    let row = route(&call, &guid, Action::ReadSpace).await?;
    answer(&call, &row).await
}

async fn answer(call: &Call, row: &RouteRow) -> Answer {
    let destinations = call.api.storage.destinations([row.guid.as_str()]).await?;
    ok(RouteResource::new(row, &destinations, &call.links))
}

async fn create(call: Call, Body(asked): Body<RouteRequest>) -> Answer {
    let space = asked.relationships.space.required("space")?;
    let space = call.space(space, Action::ReadSpace).await;
    let space = space.map_err(|refusal| refusal.named_in_body("space"))?;
    call.check(Action::WriteRoute, place(&space), "Space")?;
    let domain = asked.relationships.domain.required("domain")?;
    let domain = super::domains::domain(&call, domain).await;
    let domain = domain.map_err(|refusal| refusal.named_in_body("domain"))?;
    if asked.port.is_some() {
        return Err(
            Fault::unprocessable("Ports are not supported for domains of protocol 'http'").into(),
        );
    }
    let row = new_route(
        &space,
        &domain,
        &asked.host.unwrap_or_default(),
        &asked.path.unwrap_or_default(),
        &call.api.config.domain,
    )?;
    let row = changed(row, &asked.options, asked.metadata)?;
    let mut change = call.api.storage.change().await?;
    Storage::save_route(&mut change, &row)
        .await
        .map_err(|error| error.or_taken(Fault::RouteTaken(row.url())))?;
    Storage::commit(change).await?;
    created(RouteResource::new(&row, &[], &call.links))
}

/// A route that is not stored yet. Hosts of the platform itself are not given away.
///
/// # Errors
/// Host or path cannot be had on that domain.
pub(super) fn new_route(
    space: &SpaceRow,
    domain: &DomainRow,
    host: &str,
    path: &str,
    platform: &str,
) -> Result<RouteRow, Fault> {
    let host = host.to_lowercase();
    let is_shared = domain.organization_guid.is_none();
    let problem = host_problem(&host)
        .or_else(|| path_problem(path))
        .or_else(|| {
            let is_reserved = domain.name.eq_ignore_ascii_case(platform)
                && RESERVED_HOSTS.contains(&host.as_str());
            if is_reserved {
                Some(format!("Host '{host}' is reserved for the platform"))
            } else if is_shared && host.is_empty() {
                Some("Missing host. Routes in shared domains must have a host defined.".to_owned())
            } else {
                None
            }
        });
    if let Some(problem) = problem {
        return Err(Fault::unprocessable(problem));
    }
    if is_shared && host == "*" {
        return Err(Fault::NotAuthorized);
    }
    let is_foreign = domain
        .organization_guid
        .as_ref()
        .is_some_and(|owner| *owner != space.organization_guid);
    if is_foreign {
        let detail = format!("Invalid domain. Domain '{}' is not available.", domain.name);
        return Err(Fault::unprocessable(detail));
    }
    Ok(RouteRow {
        guid: Uuid::new_v4().to_string(),
        space_guid: space.guid.clone(),
        organization_guid: space.organization_guid.clone(),
        domain_guid: domain.guid.clone(),
        domain_name: domain.name.clone(),
        host,
        path: path.to_owned(),
        options: "{}".to_owned(),
        metadata: "{}".to_owned(),
        created_at: now(),
        updated_at: None,
    })
}

async fn update(call: Call, Path(guid): Path<String>, Body(asked): Body<RouteRequest>) -> Answer {
    let row = route(&call, &guid, Action::WriteRoute).await?;
    let mut row = changed(row, &asked.options, asked.metadata)?;
    row.updated_at = Some(now());
    let mut change = call.api.storage.change().await?;
    Storage::save_route(&mut change, &row).await?;
    Storage::commit(change).await?;
    answer(&call, &row).await
}

/// The route with other options and notes; null takes one away.
fn changed(
    mut row: RouteRow,
    options: &Map<String, Value>,
    notes: Metadata,
) -> Result<RouteRow, Fault> {
    const BALANCING: [&str; 3] = ["round-robin", "least-connection", "hash"];
    let mut all: Map<String, Value> = serde_json::from_str(&row.options).unwrap_or_default();
    for (name, value) in options {
        let is_good = match name.as_str() {
            "loadbalancing" => value
                .as_str()
                .is_none_or(|value| BALANCING.contains(&value)),
            "hash_header" | "hash_balance" => true,
            _ => return Err(Fault::unprocessable(format!("Unknown option '{name}'"))),
        };
        match value {
            Value::Null => drop(all.remove(name)),
            Value::String(_) if is_good => drop(all.insert(name.clone(), value.clone())),
            _ => {
                let detail = format!("Options {name} has a value that is not possible");
                return Err(Fault::unprocessable(detail));
            }
        }
    }
    row.options = Value::Object(all).to_string();
    let mut metadata = Metadata::stored(&row.metadata);
    metadata.merge(notes)?;
    row.metadata = metadata.column();
    Ok(row)
}

async fn delete(call: Call, Path(guid): Path<String>) -> Answer {
    let row = route(&call, &guid, Action::WriteRoute).await?;
    let destinations = call.api.storage.destinations([row.guid.as_str()]).await?;
    let answer = call.delete("routes", &row.guid, "route.delete").await?;
    for to in destinations {
        call.api.dispatch.rerouted(&to.app_guid);
    }
    Ok(answer)
}

/// Whether a route of that host and path is there already, in whosever space.
async fn reservations(call: Call, Path(domain): Path<String>) -> Answer {
    #[derive(Serialize)]
    struct Reservation {
        matching_route: bool,
    }
    const RESERVATION: ListRules<'static> = ListRules {
        filters: &["host", "path", "port"],
        orders: &[],
        includes: &[],
    };
    let domain = super::domains::domain(&call, &domain).await?;
    let query = call.asked_by(&RESERVATION)?;
    let text = |name| query.values(name).and_then(<[String]>::first).cloned();
    let (host, path) = (text("host").unwrap_or_default(), text("path"));
    let found = call
        .api
        .storage
        .route_at(
            &domain.guid,
            &host.to_lowercase(),
            &path.unwrap_or_default(),
        )
        .await?;
    ok(Reservation {
        matching_route: found.is_some(),
    })
}

/// The route of that guid, if the caller may do `action` in its space.
async fn route(call: &Call, guid: &str, action: Action) -> Result<RouteRow, Refusal> {
    let found: Option<RouteRow> = call.api.storage.find(&RouteRow::LISTING, guid).await?;
    let row = found.ok_or(Fault::NotFound("Route"))?;
    let place = Place::Space {
        organization: &row.organization_guid,
        space: &row.space_guid,
    };
    call.check(action, place, "Route")?;
    Ok(row)
}

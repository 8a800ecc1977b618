//! What clients ask for on their way and what there is none of: lists that are empty, switches that are
//! off. What would change them is refused in the words of the API.

use axum::Router;
use axum::extract::Path;
use axum::routing::{any, get};
use controller_core::fault::Fault;
use controller_core::query::ListRules;
use serde::Serialize;
use serde_json::Value;

use super::Shared;
use super::answer::{Answer, Refusal, ok};
use super::call::Call;

/// Lists of which there is nothing, and what they are of.
const LISTS: &[(&str, &str)] = &[
    ("deployments", "Deployments are"),
    ("isolation_segments", "Isolation segments are"),
    ("organization_quotas", "Organization quotas are"),
    ("security_groups", "Security groups are"),
    ("service_brokers", "Service brokers are"),
    ("service_credential_bindings", "Service bindings are"),
    ("service_instances", "Service instances are"),
    ("service_offerings", "Service offerings are"),
    ("service_plans", "Service plans are"),
    ("service_route_bindings", "Route services are"),
    ("space_quotas", "Space quotas are"),
    ("tasks", "Tasks are"),
];

/// The switches of the platform, and whether they are on.
const FLAGS: &[(&str, bool)] = &[
    ("app_bits_upload", true),
    ("app_scaling", true),
    ("diego_cnb", false),
    ("diego_docker", false),
    ("env_var_visibility", true),
    ("hide_marketplace_from_unauthenticated_users", false),
    ("private_domain_creation", true),
    ("resource_matching", false),
    ("route_creation", true),
    ("route_sharing", false),
    ("service_instance_creation", false),
    ("service_instance_sharing", false),
    ("set_roles_by_username", true),
    ("space_developer_env_var_visibility", true),
    ("space_scoped_private_broker_creation", false),
    ("task_creation", false),
    ("unset_roles_by_username", true),
    ("user_org_creation", false),
];

/// What is answered of all this.
pub(super) fn routes() -> Router<Shared> {
    let mut routes = Router::new()
        .route("/v3/feature_flags", get(flags))
        .route("/v3/feature_flags/{name}", get(flag))
        .route(
            "/v3/spaces/{guid}/running_security_groups",
            get(async |call: Call| list(&call)),
        )
        .route(
            "/v3/spaces/{guid}/staging_security_groups",
            get(async |call: Call| list(&call)),
        );
    for (name, things) in LISTS {
        let refused = async move |_call: Call| -> Answer { Err(Refusal(Fault::Unserved(things))) };
        let all = get(async |call: Call| list(&call)).fallback(refused);
        routes = routes
            .route(&format!("/v3/{name}"), all)
            .route(&format!("/v3/{name}/{{*one}}"), any(missing));
    }
    routes
}

/// An empty list, whatever it is filtered by.
fn list(call: &Call) -> Answer {
    call.page(&Default::default(), 0, Vec::<Value>::new())
}

async fn missing(_call: Call) -> Answer {
    Err(Refusal(Fault::NotFound("Resource")))
}

/// A switch of the platform.
#[derive(Debug, Serialize)]
struct FlagResource {
    name: &'static str,
    enabled: bool,
    updated_at: Option<()>,
    custom_error_message: Option<()>,
}

impl FlagResource {
    fn new((name, enabled): (&'static str, bool)) -> Self {
        Self {
            name,
            enabled,
            updated_at: None,
            custom_error_message: None,
        }
    }
}

async fn flags(call: Call) -> Answer {
    let query = call.asked_by(&ListRules::default())?;
    let all = FLAGS.iter().copied().map(FlagResource::new).collect();
    call.page_of(&query, all)
}

async fn flag(_call: Call, Path(name): Path<String>) -> Answer {
    let known = FLAGS.iter().find(|(known, _)| *known == name);
    match known {
        Some(flag) => ok(FlagResource::new(*flag)),
        None => Err(Refusal(Fault::NotFound("Feature flag"))),
    }
}

//! Stacks and buildpacks: what the operator's configuration says that there is.

use axum::Router;
use axum::routing::get;
use controller_core::query::ListRules;
use serde::Serialize;

use super::Shared;
use super::answer::Answer;
use super::call::Call;
use super::resource::{Head, Metadata, ResourceLinks};

const RULES: ListRules<'static> = ListRules {
    filters: &["names", "stacks", "lifecycle", "label_selector"],
    orders: &["position", "name"],
    includes: &[],
};

/// What is answered of stacks and buildpacks.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v3/stacks", get(stacks))
        .route("/v3/buildpacks", get(buildpacks))
}

/// A stack: what an app runs on.
#[derive(Debug, Serialize)]
struct StackResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    description: &'static str,
    default: bool,
    build_rootfs_image: String,
    run_rootfs_image: String,
    metadata: Metadata,
    links: ResourceLinks,
}

/// A buildpack: what makes a droplet of a package.
#[derive(Debug, Serialize)]
struct BuildpackResource {
    #[serde(flatten)]
    head: Head,
    name: String,
    stack: String,
    state: &'static str,
    lifecycle: &'static str,
    filename: Option<String>,
    position: usize,
    enabled: bool,
    locked: bool,
    metadata: Metadata,
    links: ResourceLinks,
}

async fn stacks(call: Call) -> Answer {
    let query = call.asked_by(&RULES)?;
    let name = &call.api.config.apps.stack;
    let is_asked = query
        .values("names")
        .is_none_or(|names| names.contains(name));
    let stack = StackResource {
        head: Head::new(name, 0, None),
        name: name.clone(),
        description: "The system that apps run on",
        default: true,
        build_rootfs_image: name.clone(),
        run_rootfs_image: name.clone(),
        metadata: Metadata::default(),
        links: ResourceLinks::of(&call.links, &format!("/v3/stacks/{name}")),
    };
    let all: Vec<_> = is_asked.then_some(stack).into_iter().collect();
    call.page_of(&query, all)
}

async fn buildpacks(call: Call) -> Answer {
    let query = call.asked_by(&RULES)?;
    let apps = &call.api.config.apps;
    let all: Vec<_> = (1..)
        .zip(&apps.buildpacks)
        .filter(|(_, name)| {
            query
                .values("names")
                .is_none_or(|names| names.contains(name))
        })
        .map(|(position, name)| BuildpackResource {
            head: Head::new(name, 0, None),
            name: name.clone(),
            stack: apps.stack.clone(),
            state: "READY",
            lifecycle: "buildpack",
            filename: None,
            position,
            enabled: true,
            locked: true,
            metadata: Metadata::default(),
            links: ResourceLinks::of(&call.links, &format!("/v3/buildpacks/{name}")),
        })
        .collect();
    call.page_of(&query, all)
}

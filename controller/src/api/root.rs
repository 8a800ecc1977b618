//! Where everything is.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::get;
use serde::Serialize;

use super::Shared;
use super::answer::{Answer, ok};
use super::links::Links;

/// The version of the API whose duties are met.
pub(crate) const API_VERSION: &str = "3.195.0";

/// What is answered to those who look around.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(root))
        .route("/v3", get(v3))
        .route("/v3/info", get(info))
        .route("/v2/info", get(v2_info))
}

#[derive(Debug, Serialize)]
struct Root {
    links: BTreeMap<&'static str, Option<RootLink>>,
}

#[derive(Debug, Serialize)]
struct RootLink {
    href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Version>,
}

#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
}

/// What is not there, such as a way to log in to instances, has no link.
async fn root(links: Links) -> Answer {
    let link = |href: String| Some(RootLink { href, meta: None });
    let base = links.base();
    let v3 = RootLink {
        href: links.to("/v3"),
        meta: Some(Version {
            version: API_VERSION,
        }),
    };
    let all = [
        ("self", link(base.to_owned())),
        ("cloud_controller_v2", None),
        ("cloud_controller_v3", Some(v3)),
        ("login", link(base.to_owned())),
        ("uaa", link(base.to_owned())),
        ("log_cache", link(base.to_owned())),
        ("logging", None),
        ("network_policy_v1", None),
        ("app_ssh", None),
    ];
    ok(Root { links: all.into() })
}

async fn v3(links: Links) -> Answer {
    let kinds = [
        "apps",
        "builds",
        "domains",
        "droplets",
        "organizations",
        "packages",
        "processes",
        "roles",
        "routes",
        "spaces",
        "stacks",
        "users",
    ];
    let link = |path: String| {
        Some(RootLink {
            href: links.to(&path),
            meta: None,
        })
    };
    let kinds = kinds.map(|kind| (kind, link(format!("/v3/{kind}"))));
    let all = kinds.into_iter().chain([("self", link("/v3".to_owned()))]);
    ok(Root {
        links: all.collect(),
    })
}

#[derive(Debug, Serialize)]
struct Info {
    build: &'static str,
    cli_version: CliVersion,
    custom: BTreeMap<(), ()>,
    description: &'static str,
    name: &'static str,
    version: u32,
}

#[derive(Debug, Default, Serialize)]
struct CliVersion {
    minimum: &'static str,
    recommended: &'static str,
}

async fn info() -> Answer {
    ok(Info {
        build: component::program::VERSION,
        cli_version: CliVersion::default(),
        custom: BTreeMap::new(),
        description: "Switchyard",
        name: "switchyard",
        version: 0,
    })
}

/// What tools that look for version 2 read.
#[derive(Debug, Serialize)]
struct V2Info {
    name: &'static str,
    build: &'static str,
    version: u32,
    description: &'static str,
    authorization_endpoint: String,
    token_endpoint: String,
    api_version: &'static str,
}

async fn v2_info(links: Links) -> Answer {
    ok(V2Info {
        name: "switchyard",
        build: component::program::VERSION,
        version: 0,
        description: "Switchyard",
        authorization_endpoint: links.base().to_owned(),
        token_endpoint: links.base().to_owned(),
        api_version: "2.200.0",
    })
}

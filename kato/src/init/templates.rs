//! The text of each file: a template, and what stands in place of its `@NAMES@`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::Layout;

/// Each file: its name, the name of the user that reads it, and its template.
pub(super) const FILES: [(&str, &str, &str); 6] = [
    ("nats.conf", "NATS_USER", include_str!("nats.conf")),
    ("router.yml", "ROUTER_USER", include_str!("router.yml")),
    (
        "controller.yml",
        "CONTROLLER_USER",
        include_str!("controller.yml"),
    ),
    (
        "health-manager.yml",
        "HEALTH_MANAGER_USER",
        include_str!("health-manager.yml"),
    ),
    ("dea.yml", "", include_str!("dea.yml")),
    ("kato.yml", "", include_str!("kato.yml")),
];

/// Files of package clients and of certificates that staging sees where the node has them.
const CLIENT_FILES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pip.conf",
    "/etc/npmrc",
];

/// Variables of package clients that staging has where whoever sets the node up has them.
const CLIENT_VARIABLES: &str = "PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_CERT \
     NPM_CONFIG_REGISTRY npm_config_registry NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE SSL_CERT_FILE \
     http_proxy https_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY";

/// Returns what stands in place of the names that `layout` gives.
pub(super) fn values(layout: &Layout) -> BTreeMap<String, String> {
    let path = |path: &Path| path.display().to_string();
    let reached = if layout.listen.is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        layout.listen
    };
    let router = |ip| SocketAddr::new(ip, layout.port).to_string();
    let values = [
        ("STATE", path(&layout.directory)),
        ("PROGRAMS", path(&layout.programs)),
        ("ENGINE", path(&layout.engine)),
        ("BUILDPACKS", path(&layout.buildpacks)),
        ("IMAGE", layout.image.clone()),
        ("DOMAIN", layout.domain.clone()),
        ("ROUTER", router(layout.listen)),
        ("ROUTER_REACHED", router(reached)),
        ("PORT", layout.port.to_string()),
        ("ADMIN_PORT", layout.admin_port.to_string()),
        ("NATS_PORT", layout.nats_port.to_string()),
        ("API_PORT", layout.api_port.to_string()),
        (
            "API_ADMIN_PORT",
            layout.api_port.saturating_add(1).to_string(),
        ),
        ("HEALTH_PORT", layout.health_port.to_string()),
        ("DEA_PORT", layout.dea_port.to_string()),
        ("FILES", client_files()),
        ("ENVIRONMENT", client_variables()),
    ];
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Returns the template with all its names replaced.
pub(super) fn fill(template: &str, values: &BTreeMap<String, String>) -> String {
    let replace =
        |text: String, (name, value): (&String, &String)| text.replace(&format!("@{name}@"), value);
    values.iter().fold(template.to_owned(), replace)
}

/// A mapping of YAML, written as JSON.
fn client_files() -> String {
    let there = CLIENT_FILES.iter().filter(|file| Path::new(file).exists());
    let files: BTreeMap<_, _> = there.map(|file| (file, file)).collect();
    serde_json::json!(files).to_string()
}

/// A list of YAML, written as JSON. Nothing in it is a variable.
fn client_variables() -> String {
    let set = CLIENT_VARIABLES.split(' ').filter_map(|name| {
        let value = std::env::var(name).ok()?;
        Some(format!("{name}={value}").replace("${", "$${"))
    });
    serde_json::json!(set.collect::<Vec<_>>()).to_string()
}

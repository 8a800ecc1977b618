//! The text of each file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::secrets::Secrets;
use super::{Layout, SystemUsers};

/// Files of package clients and of certificates that staging sees where the node has them.
const CLIENT_FILES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pip.conf",
    "/etc/npmrc",
];

/// Variables of package clients that staging has where whoever sets the node up has them.
const CLIENT_VARIABLES: [&str; 14] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// A text as a quoted scalar of YAML, in which nothing is a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// The `nats` section of a program.
fn bus(layout: &Layout, user: &str, password: &str) -> String {
    let port = layout.nats_port;
    format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}], user: {user}, pass: {}}}\n",
        quoted(password)
    )
}

pub(super) fn nats(layout: &Layout, secrets: &Secrets) -> String {
    let user =
        |name: &str, password: &str| format!("    {{user: {name}, password: \"{password}\"}}\n");
    let users = user("router", &secrets.nats_router)
        + &user("controller", &secrets.nats_controller)
        + &user("dea", &secrets.nats_dea);
    format!(
        "# The message bus.\nlisten: \"127.0.0.1:{}\"\nauthorization {{\n  users: [\n{users}  ]\n}}\n",
        layout.nats_port
    )
}

pub(super) fn router(layout: &Layout, secrets: &Secrets) -> String {
    let listen = SocketAddr::new(layout.listen, layout.port);
    let snapshot = path(&layout.directory.join("router/routes.snapshot"));
    format!(
        "# The router of this node. Every key: router --print-example.\n\
         listeners: [{{address: \"{listen}\"}}]\n\
         status: {{port: off, routes: {{port: {}}}}}\n\
         {}snapshot_file: {snapshot}\n",
        layout.admin_port,
        bus(layout, "router", &secrets.nats_router),
    )
}

pub(super) fn controller(layout: &Layout, secrets: &Secrets) -> String {
    let domain = &layout.domain;
    let url = match layout.port {
        80 => format!("http://api.{domain}"),
        port => format!("http://api.{domain}:{port}"),
    };
    format!(
        "# The controller of this node. Every key: controller --print-example.\n\
         listen: \"127.0.0.1:{}\"\n\
         admin: \"127.0.0.1:{}\"\n\
         domain: {}\n\
         url: {}\n\
         {}\
         data: {}\n\
         encryption_keys: [{{id: first, key: {}}}]\n\
         staging: {{user: staging, password: {}}}\n\
         bootstrap: {{user: admin, password: {}, organization: dev, space: dev}}\n",
        layout.api_port,
        controller_admin(layout),
        quoted(domain),
        quoted(&url),
        bus(layout, "controller", &secrets.nats_controller),
        path(&layout.directory.join("controller")),
        quoted(&secrets.encryption),
        quoted(&secrets.staging),
        quoted(&secrets.administrator),
    )
}

pub(super) fn dea(layout: &Layout, secrets: &Secrets) -> String {
    let directory = &layout.directory;
    let files = CLIENT_FILES.iter().filter(|file| Path::new(file).exists());
    let files: Vec<_> = files
        .map(|f| format!("{}: {}", quoted(f), quoted(f)))
        .collect();
    let set = CLIENT_VARIABLES.iter().filter_map(|name| {
        let value = std::env::var(name).ok()?;
        Some(quoted(&format!("{name}={value}")))
    });
    let variables: Vec<_> = set.collect();
    format!(
        "# The DEA of this node. Every key: dea --print-example.\n\
         base_dir: {}\n\
         admin: {{address: \"127.0.0.1:{}\"}}\n\
         {}\
         engine: {{socket: {}, disks: {}}}\n\
         stacks: {{bookworm: {}}}\n\
         staging:\n  directory: {}\n  files: {{{}}}\n  environment: [{}]\n",
        path(&directory.join("dea")),
        layout.dea_port,
        bus(layout, "dea", &secrets.nats_dea),
        path(&engine_socket(layout)),
        path(&directory.join("disks")),
        quoted(&layout.image),
        path(&layout.buildpacks),
        files.join(", "),
        variables.join(", "),
    )
}

const fn controller_admin(layout: &Layout) -> u16 {
    layout.api_port.saturating_add(1)
}

fn engine_socket(layout: &Layout) -> PathBuf {
    layout.directory.join("run/engine/docker.sock")
}

pub(super) fn kato(layout: &Layout, users: &SystemUsers) -> String {
    let listen = if layout.listen.is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        layout.listen
    };
    let values = [
        ("@STATE@", layout.directory.display().to_string()),
        ("@ENGINE@", layout.engine.display().to_string()),
        ("@PROGRAMS@", layout.programs.display().to_string()),
        ("@NATS_USER@", users.nats.clone()),
        ("@ROUTER_USER@", users.router.clone()),
        ("@CONTROLLER_USER@", users.controller.clone()),
        ("@NATS_PORT@", layout.nats_port.to_string()),
        ("@ROUTER@", SocketAddr::new(listen, layout.port).to_string()),
        ("@CONTROLLER_ADMIN@", controller_admin(layout).to_string()),
        ("@DEA_PORT@", layout.dea_port.to_string()),
    ];
    let text = include_str!("kato.yml").to_owned();
    values
        .iter()
        .fold(text, |text, (name, value)| text.replace(name, value))
}

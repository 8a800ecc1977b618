//! The configuration of the controller, key by key.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bus::Bus;
use component::admin::Credentials;
use component::bus_config::{BusConfig, BusKey};
use component::config_file::{ConfigFile, Depth};
use component::error_chain::error_chain;
use component::secret::Secret;
use component::yaml::{Item, Keys};

use crate::api::links::Addresses;

/// Messages that wait on the bus.
pub(crate) const DELIVERIES: usize = 16_384;

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API, the token server and Log Cache listen.
    pub listen: SocketAddr,
    /// The domain of the platform; apps are under it unless another is asked for.
    pub domain: String,
    /// The URL that clients are told who came by an address that is not ours; empty: `http://api.DOMAIN`.
    pub url: String,
    /// Where its health and figures are.
    pub admin: SocketAddr,
    /// Who may see the figures; None: callers from this machine.
    pub admin_user: Option<Credentials>,
    /// The message bus.
    pub bus: Option<BusConfig>,
    /// Where the database and the blobs are.
    pub data: PathBuf,
    /// What secrets are encrypted with; the first one encrypts.
    pub encryption_keys: Vec<EncryptionKey>,
    /// Who fetches and brings packages and droplets: the DEAs.
    pub staging: Credentials,
    /// Times of tokens.
    pub tokens: TokenTimes,
    /// What is made at the first start.
    pub bootstrap: Bootstrap,
    /// What apps have unless they ask for something else.
    pub apps: AppLimits,
}

/// A key that secrets are encrypted with.
#[derive(Clone, Debug, Default)]
pub struct EncryptionKey {
    /// Its name, which is kept with each secret.
    pub id: String,
    /// Any text that cannot be guessed.
    pub key: Secret,
}

/// How long tokens are good for.
#[derive(Clone, Copy, Debug)]
pub struct TokenTimes {
    /// An access token.
    pub access: Duration,
    /// A refresh token.
    pub refresh: Duration,
    /// How long a key signs access tokens.
    pub signing_key: Duration,
}

/// What is made at the first start.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The administrator.
    pub user: String,
    /// The administrator's password.
    pub password: Secret,
    /// An organization.
    pub organization: String,
    /// A space in it.
    pub space: String,
}

/// What apps have.
#[derive(Clone, Debug)]
pub struct AppLimits {
    /// The stack that they run on.
    pub stack: String,
    /// The buildpacks that there are, in the order in which they are tried.
    pub buildpacks: Vec<String>,
    /// Memory in MiB unless an app asks for something else.
    pub memory: u64,
    /// Disk in MiB unless an app asks for something else.
    pub disk: u64,
    /// Disk in MiB that an app may ask for.
    pub most_disk: u64,
    /// Memory in MiB that staging has at least.
    pub staging_memory: u64,
    /// Disk in MiB that staging has at least.
    pub staging_disk: u64,
    /// How long staging may take.
    pub staging_timeout: Duration,
    /// Bytes of an uploaded package.
    pub package: component::size::ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 9022).into(),
            domain: "apps.localhost".to_owned(),
            url: String::new(),
            admin: (Ipv4Addr::LOCALHOST, 9023).into(),
            admin_user: None,
            bus: Some(BusConfig::default()),
            data: "/var/lib/switchyard/controller".into(),
            encryption_keys: Vec::new(),
            staging: Credentials {
                user: "staging".to_owned(),
                password: Secret::default(),
            },
            tokens: TokenTimes {
                access: Duration::from_secs(600),
                refresh: Duration::from_secs(30 * 86_400),
                signing_key: Duration::from_secs(30 * 86_400),
            },
            bootstrap: Bootstrap {
                user: "admin".to_owned(),
                password: Secret::default(),
                organization: "dev".to_owned(),
                space: "dev".to_owned(),
            },
            apps: AppLimits::default(),
        }
    }
}

impl Default for AppLimits {
    fn default() -> Self {
        Self {
            stack: "bookworm".to_owned(),
            buildpacks: ["staticfile", "python", "nodejs", "binary"]
                .map(|name| format!("{name}_buildpack"))
                .to_vec(),
            memory: 256,
            disk: 1024,
            most_disk: 2048,
            staging_memory: 1024,
            staging_disk: 2048,
            staging_timeout: Duration::from_secs(900),
            package: component::size::ByteSize(1 << 30),
        }
    }
}

impl Item for EncryptionKey {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key("id", "", &mut self.id);
        keys.key("key", "", &mut self.key);
    }
}

impl Config {
    /// The addresses by which clients reach us.
    pub(crate) fn addresses(&self) -> Addresses {
        let names = ["api", "login", "uaa", "log-cache"];
        let names = names.map(|name| format!("{name}.{}", self.domain));
        let port = self.listen.port();
        let direct = [
            self.listen.to_string(),
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
        ];
        let hosts = names.into_iter().chain(direct).collect();
        Addresses::new(hosts, &self.external_url())
    }

    /// The URL that clients are told who came by an address that is not ours.
    fn external_url(&self) -> String {
        if self.url.is_empty() {
            format!("http://api.{}", self.domain)
        } else {
            self.url.clone()
        }
    }

    fn admin_user(&mut self, keys: &mut Keys<'_>) {
        let user = &mut self.admin_user;
        let mut known = user.clone().unwrap_or(Credentials {
            user: String::new(),
            password: Secret::default(),
        });
        keys.section(
            "admin_user",
            "Who may see the figures. Without a user: callers from this machine.",
            |keys: &mut Keys<'_>| {
                keys.key("user", "", &mut known.user);
                keys.key("password", "", &mut known.password);
            },
        );
        *user = (!known.user.is_empty()).then_some(known);
    }

    fn users(&mut self, keys: &mut Keys<'_>) {
        keys.title("Users");
        let staging = &mut self.staging;
        keys.section(
            "staging",
            "Who fetches and brings packages and droplets: the DEAs. Without a password nobody does.",
            |keys: &mut Keys<'_>| {
                keys.key("user", "", &mut staging.user);
                keys.key("password", "", &mut staging.password);
            },
        );
        let tokens = &mut self.tokens;
        keys.section(
            "tokens",
            "How long tokens are good for.",
            |keys: &mut Keys<'_>| {
                keys.key(
                    "access",
                    "An access token; more than 60s.",
                    &mut tokens.access,
                );
                keys.key("refresh", "A refresh token.", &mut tokens.refresh);
                keys.key(
                    "signing_key",
                    "How long a key signs access tokens; then it is replaced. An hour at least.",
                    &mut tokens.signing_key,
                );
            },
        );
        if self.tokens.access <= Duration::from_secs(60) {
            keys.fault("tokens", "an access token must be good for more than 60s");
        }
        if self.tokens.signing_key < Duration::from_secs(3_600) {
            keys.fault("tokens", "a signing key must be used for an hour at least");
        }
    }

    fn first_start(&mut self, keys: &mut Keys<'_>) {
        let bootstrap = &mut self.bootstrap;
        keys.section(
            "bootstrap",
            "What is made at the first start.",
            |keys: &mut Keys<'_>| {
                keys.key("user", "The administrator.", &mut bootstrap.user);
                keys.key(
                    "password",
                    "The administrator's password.",
                    &mut bootstrap.password,
                );
                keys.key(
                    "organization",
                    "An organization.",
                    &mut bootstrap.organization,
                );
                keys.key("space", "A space in it.", &mut bootstrap.space);
            },
        );
    }

    fn what_apps_have(&mut self, keys: &mut Keys<'_>) {
        let apps = &mut self.apps;
        keys.section("apps", "What apps have.", |keys: &mut Keys<'_>| {
            keys.key("stack", "The stack that they run on.", &mut apps.stack);
            keys.key(
                "buildpacks",
                "The buildpacks that there are, in the order in which they are tried.",
                &mut apps.buildpacks,
            );
            keys.key(
                "memory",
                "Memory in MiB unless an app asks for something else.",
                &mut apps.memory,
            );
            keys.key(
                "disk",
                "Disk in MiB unless an app asks for something else.",
                &mut apps.disk,
            );
            keys.key(
                "most_disk",
                "Disk in MiB that an app may ask for.",
                &mut apps.most_disk,
            );
            keys.key(
                "staging_memory",
                "Memory in MiB that staging has at least.",
                &mut apps.staging_memory,
            );
            keys.key(
                "staging_disk",
                "Disk in MiB that staging has at least.",
                &mut apps.staging_disk,
            );
            keys.key(
                "staging_timeout",
                "How long staging may take.",
                &mut apps.staging_timeout,
            );
            keys.key(
                "package",
                "Bytes of an uploaded package.",
                &mut apps.package,
            );
        });
    }
}

impl ConfigFile for Config {
    const EXAMPLE_HEAD: &'static str =
        "# The configuration of the controller: every key with its default.\n";

    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Addresses");
        keys.key(
            "listen",
            "Where the API, the token server and Log Cache listen.",
            &mut self.listen,
        );
        keys.key(
            "domain",
            "The domain of the platform; apps are under it unless another is asked for.",
            &mut self.domain,
        );
        keys.key(
            "url",
            "The URL that clients are told who came by an address that is not ours. Empty: http://api.DOMAIN.",
            &mut self.url,
        );
        keys.key(
            "admin",
            "Where its health and figures are.",
            &mut self.admin,
        );
        self.admin_user(keys);
        keys.key(
            "nats",
            "The message bus; off: none.",
            &mut BusKey(&mut self.bus),
        );
        keys.title("State");
        keys.key(
            "data",
            "Where the database and the blobs are.",
            &mut self.data,
        );
        keys.list(
            "encryption_keys",
            "What secrets are encrypted with: id and key of each. The first one encrypts.",
            &mut self.encryption_keys,
        );
        if keys.reading() && self.encryption_keys.iter().any(|key| key.key.is_empty()) {
            keys.fault("encryption_keys", "each needs an id and a key");
        }
        self.users(keys);
        self.first_start(keys);
        keys.title("Apps");
        self.what_apps_have(keys);
    }

    fn examine(&self, file: &str, _depth: Depth, faults: &mut Vec<String>) -> String {
        let options = self
            .bus
            .as_ref()
            .map(|bus| bus.options("controller", DELIVERIES));
        if let Some(Err(error)) = options.map(|options| Bus::check(&options)) {
            faults.push(format!("{file}: {}", error_chain(&error)));
        }
        if self.encryption_keys.is_empty() {
            faults.push(format!(
                "{file}: encryption_keys: there must be at least one"
            ));
        }
        format!("the API of {} at {}", self.domain, self.listen)
    }
}

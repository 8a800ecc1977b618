//! Routes as a deployment has them: one instance each, registered with seven GUIDs for tags.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use component::tick::Tick;
use protocol::bus::{Message as _, Register};
use router_core::own_listeners::OwnListeners;
use router_core::registration::{Registration, RegistrationRules, Sharding, Withdrawal};
use router_core::registry::{Command, Registry, RegistryConfig};
use uuid::Uuid;

/// When everything here happens.
pub const NOW: Tick = Tick::from_millis(1);

/// The host of a route.
#[must_use]
pub fn host(number: usize) -> String {
    format!("app-{number:07}.apps.example.com")
}

/// The message that registers instance `instance` of a route, about 500 bytes.
#[must_use]
pub fn message(number: usize, instance: usize) -> Vec<u8> {
    let guid = |kind: u64| {
        let number = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(number, kind).to_string()
    };
    let tags = [
        "process_id",
        "process_instance_id",
        "app_id",
        "space_id",
        "organization_id",
        "instance_id",
        "source_id",
    ];
    let octet = |shift: usize| number >> shift & 255;
    Register {
        uris: vec![host(number)],
        host: format!("10.{}.{}.{}", octet(16), octet(8), octet(0)),
        port: 61_001,
        app: guid(100),
        private_instance_id: guid(101 + instance as u64),
        private_instance_index: instance.to_string(),
        tags: (0..)
            .zip(tags)
            .map(|(kind, tag)| (tag, guid(kind)))
            .collect(),
        ..Register::default()
    }
    .encode()
}

/// The rules of a router with default settings.
#[must_use]
pub fn rules() -> RegistrationRules {
    RegistrationRules {
        max_threshold: Duration::from_secs(120),
        sharding: Sharding::All,
        http2: true,
        own: OwnListeners::default(),
    }
}

/// The claim that a message makes.
///
/// # Errors
/// The message makes none.
pub fn claim(message: &[u8], rules: &RegistrationRules) -> Result<Registration> {
    let accepted = Registration::from_message(&Register::decode(message)?, rules)?;
    accepted.claims.into_iter().next().context("no claim")
}

/// The end of that claim.
///
/// # Errors
/// The message makes none.
pub fn withdrawal(message: &[u8], rules: &RegistrationRules) -> Result<Withdrawal> {
    let accepted = Withdrawal::from_message(&Register::decode(message)?, rules)?;
    accepted.claims.into_iter().next().context("no claim")
}

/// A registry with `routes` routes of one instance each.
///
/// # Errors
/// Some of them were not accepted.
pub fn registry(routes: usize) -> Result<Registry> {
    let mut registry = Registry::new(RegistryConfig::default());
    let rules = rules();
    for number in 0..routes {
        let claim = claim(&message(number, 0), &rules)?;
        registry.apply(Command::Register(claim), NOW);
    }
    if registry.table().len() != routes {
        bail!("{} of {routes} routes", registry.table().len());
    }
    Ok(registry)
}

//! Everything that routes come from, put together: files, the last run, the bus.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use router_core::endpoint::Origin;
use router_core::own_listeners::OwnListeners;
use router_core::registry::{Command, Registry, RegistryConfig};

use crate::config::{Config, StaticRoute, leads_back, lookup_keys};
use crate::io::clock::Clock;
use crate::routes::registrar::{Orders, Outlets, Registrar, RegistrarError, RegistrarSettings};
use crate::routes::snapshot_file::{self, SnapshotFile};
use crate::routes::static_routes::{self, RoutesFile, Taken};
use component::periodic::Periodic;

/// What keeps the route table up to date. Dropping it stops its threads: files are followed no
/// more, then the bus is left, and the snapshot is written last.
#[derive(Debug)]
pub struct RouteSources {
    /// Where no endpoint may be.
    own: OwnListeners,
    /// The routes that the routes file may not have.
    taken: Taken,
    _routes_file: Option<Periodic>,
    registrar: Registrar,
    _snapshot: Option<Periodic>,
}

/// Why the table cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RouteSourcesError {
    /// The registrar cannot start.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// A route of the configuration cannot be one.
    #[error("routes: {0}")]
    StaticRoute(String),
    /// The operating system gave no thread.
    #[error("a thread cannot be started")]
    Thread(#[from] io::Error),
}

impl RouteSources {
    /// Publishes what is known at once: the operator's routes and those of the last run. Then
    /// follows the files and, as `settings` say, the bus.
    ///
    /// # Errors
    /// [`RouteSourcesError`]. That a file or the bus is not there is not an error.
    pub fn start(
        config: &Config,
        settings: RegistrarSettings,
        outlets: &Outlets,
        clock: &Clock,
    ) -> Result<Self, RouteSourcesError> {
        let mut registry = Registry::new(registry_config(config));
        let ours = static_routes::registrations(&config.routes, Origin::Static);
        let own = &settings.rules.own;
        let ours = ours.map_err(RouteSourcesError::StaticRoute)?;
        if let Some(back) = leads_back(&config.routes, own) {
            return Err(RouteSourcesError::StaticRoute(back));
        }
        let mut replace = |origin, registrations| {
            let command = Command::ReplaceStatic {
                origin,
                registrations,
            };
            registry.apply(command, clock.now());
        };
        replace(Origin::Static, ours);
        let taken = Taken::new(ArcSwap::from_pointee(lookup_keys(&config.routes).collect()));
        let follow = |file| RoutesFile::new(file, Arc::clone(&taken)).with_own(own.clone());
        let mut routes_file = config.routes_file.clone().map(follow);
        if let Some(routes) = routes_file.as_mut().and_then(RoutesFile::changed) {
            replace(Origin::RoutesFile, routes);
        }
        // Without a bus nobody would ever confirm or renew what the last run knew.
        let snapshot = config.snapshot.file.clone();
        let snapshot = snapshot.filter(|_| config.bus.is_some());
        if let Some(file) = &snapshot {
            let max_age = config.snapshot.max_age;
            let restored = snapshot_file::restore(file, max_age, own, &mut registry, clock.now());
            // With a partial snapshot the router stays unhealthy: missing routes would answer 404.
            if restored.whole && restored.endpoints > 0 {
                outlets.health.snapshot_loaded();
            }
        }
        let own = own.clone();
        let held = registry.table().generation();
        let clock = clock.clone();
        let now = Arc::new(move || clock.now());
        let registrar = Registrar::start(settings, registry, outlets.clone(), now)?;
        let keep = |file| {
            let max_age = config.snapshot.max_age;
            let snapshot = SnapshotFile::new(file, max_age, held, outlets);
            snapshot.keep(config.snapshot.interval)
        };
        let follow = |file: RoutesFile| file.follow(registrar.orders());
        Ok(Self {
            own,
            taken,
            _routes_file: routes_file.map(follow).transpose()?,
            _snapshot: snapshot.map(keep).transpose()?,
            registrar,
        })
    }

    /// Has these routes in the place of the configuration's.
    ///
    /// # Errors
    /// [`RouteSourcesError::StaticRoute`]; then nothing changes.
    pub fn replace(&self, routes: &[StaticRoute]) -> Result<(), RouteSourcesError> {
        let claims = static_routes::registrations(routes, Origin::Static);
        let claims = claims.map_err(RouteSourcesError::StaticRoute)?;
        if let Some(back) = leads_back(routes, &self.own) {
            return Err(RouteSourcesError::StaticRoute(back));
        }
        self.taken.store(Arc::new(lookup_keys(routes).collect()));
        self.registrar.orders().replace(Origin::Static, claims);
        Ok(())
    }

    /// A handle to give the registrar orders with.
    pub fn orders(&self) -> Orders {
        self.registrar.orders()
    }
}

fn registry_config(config: &Config) -> RegistryConfig {
    let rules = &config.registry;
    RegistryConfig {
        balance: config.backend.balance,
        suspend_pruning: rules.suspend_pruning,
        empty_pool_timeout: if rules.empty_pool_503 {
            rules.empty_pool_timeout
        } else {
            Duration::ZERO
        },
        tls_threshold: None,
        seed: fastrand::u64(..),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use arc_swap::ArcSwap;
    use bus::{Bus, Options, Server};
    use protocol::bus::{Greet, ROUTER_GREET, ROUTER_REGISTER, Register, Start};
    use tests_kit::eventually::{eventually, eventually_async};
    use tests_kit::{NatsProgram, NatsServer, PATIENCE, TempDir};

    use super::*;
    use crate::config::{BusConfig, BusServer, StaticBackend, StaticRoute};
    use crate::observe::health::{Health, HealthState};
    use crate::observe::metrics::Metrics;

    fn outlets(config: &Config) -> Outlets {
        Outlets {
            routes: Arc::new(ArcSwap::default()),
            metrics: Metrics::new(1),
            health: Arc::new(Health::new(config.bus.is_some())),
            changes: Arc::default(),
        }
    }

    fn has(outlets: &Outlets, host: &str) -> bool {
        outlets.routes.load().lookup(host, "/").is_some()
    }

    fn start(config: &Config, outlets: &Outlets) -> RouteSources {
        let settings = RegistrarSettings::new(config);
        RouteSources::start(config, settings, outlets, &Clock::start()).unwrap()
    }

    #[test]
    fn the_operators_routes_are_there_at_once_and_follow_the_file() {
        let directory = TempDir::new();
        let file = directory.file("routes.yml", "- {uris: [b.test], backends: ['x:1']}");
        let config = Config {
            bus: None,
            routes: vec![StaticRoute {
                uris: vec!["a.test".to_owned()],
                backends: vec![StaticBackend {
                    address: "10.0.0.1:80".to_owned(),
                    weight: 1,
                }],
                ..StaticRoute::default()
            }],
            routes_file: Some(file.clone()),
            ..Config::default()
        };
        let outlets = outlets(&config);
        let sources = start(&config, &outlets);
        assert!(has(&outlets, "a.test") && has(&outlets, "b.test"));
        fs::write(file, "- {uris: [c.test], backends: ['x:1']}").unwrap();
        assert!(eventually(PATIENCE, || has(&outlets, "c.test")));
        assert!(has(&outlets, "a.test") && !has(&outlets, "b.test"));
        drop(sources);
    }

    #[tokio::test]
    async fn the_routes_of_the_last_run_are_there_at_once_without_a_bus() {
        for program in NatsProgram::all_for("snapshot") {
            let directory = TempDir::new();
            let mut server = NatsServer::start(&program);
            let mut config = Config {
                bus: Some(BusConfig {
                    servers: vec![BusServer {
                        host: "127.0.0.1".to_owned(),
                        port: server.port(),
                    }],
                    ..BusConfig::default()
                }),
                ..Config::default()
            };
            config.snapshot.file = Some(directory.path().join("routes.snapshot"));

            let first = outlets(&config);
            let sources = start(&config, &first);
            register(&server).await;
            assert!(eventually_async(PATIENCE, || has(&first, "a.test")).await);
            drop(sources);

            server.kill();
            let second = outlets(&config);
            let sources = start(&config, &second);
            assert!(has(&second, "a.test"));
            assert_eq!(second.health.state(), HealthState::Healthy);
            drop(sources);
        }
    }

    /// Registers `a.test` once the router listens, which it does when it answers.
    async fn register(server: &NatsServer) {
        let servers = vec![Server {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
        }];
        let options = Options {
            servers,
            ..Options::default()
        };
        let bus = Bus::connect(&options).unwrap();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let greeted = bus.request::<Greet, Start>(&ROUTER_GREET, &Greet, PATIENCE);
            if greeted.await.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let claim = Register {
            uris: vec!["a.test".to_owned()],
            host: "10.0.0.9".to_owned(),
            port: 80,
            ..Register::default()
        };
        bus.publish(&ROUTER_REGISTER, &claim).await.unwrap();
        bus.flush().await.unwrap();
    }
}

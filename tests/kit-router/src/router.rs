//! A router in this process, on port 0.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use component::config_file;
use component::telemetry::{Level, LogLevel};
use router::config::Config;
use router::io::clock::Clock;
use router::process::server::{Router, Running};
use router::routes::Routes;
use tokio::sync::oneshot;

use tests_kit::{Backend, Client};

/// What a router under test is made from.
#[derive(Clone, Debug, Default)]
pub struct RouterBuilder {
    keys: String,
    routes: String,
}

/// A router in this process, stopped when dropped. Its own runtime waits for it on a thread of
/// its own, so that tests with and without a runtime can use it.
#[derive(Debug)]
pub struct TestRouter {
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    routes: Routes,
    clock: Clock,
    order: Option<oneshot::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What is under way when a router is stopped may take so long.
const STOPPING: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Order {
    Stop,
    Drain,
}

impl RouterBuilder {
    /// Adds configuration: whole lines of YAML at the top level.
    #[must_use]
    pub fn yaml(mut self, keys: &str) -> Self {
        self.keys.push_str(keys.trim_end());
        self.keys.push('\n');
        self
    }

    /// Adds a route to these backends.
    #[must_use]
    pub fn route(self, uri: &str, backends: &[SocketAddr]) -> Self {
        self.route_with(uri, backends, "limits: {}")
    }

    /// Adds a route with one more line of its own, such as `limits: {max_conns: 1}`.
    #[must_use]
    pub fn route_with(mut self, uri: &str, backends: &[SocketAddr], option: &str) -> Self {
        let backends: Vec<String> = backends
            .iter()
            .map(|backend| format!("{{address: \"{backend}\"}}"))
            .collect();
        let backends = backends.join(", ");
        writeln!(
            self.routes,
            "  - uris: [\"{uri}\"]\n    backends: [{backends}]\n    {option}"
        )
        .expect("a string takes what is written to it");
        self
    }

    /// The configuration file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = self.keys.clone();
        for (key, line) in [
            ("listeners:", "listeners: [{address: \"127.0.0.1:0\"}]"),
            ("workers:", "workers: 2"),
            ("status:", "status: {port: off, routes: {port: 0}}"),
            ("logging:", "logging: {level: error}"),
        ] {
            if !yaml.contains(key) {
                yaml = format!("{line}\n{yaml}");
            }
        }
        format!(
            "{yaml}routes:\n{}",
            if self.routes.is_empty() {
                "  []\n"
            } else {
                &self.routes
            }
        )
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the configuration has a fault or the router does not start.
    #[must_use]
    pub fn start(&self) -> TestRouter {
        let yaml = self.to_yaml();
        let loaded = config_file::parse::<Config>(&"router.yml", &yaml);
        TestRouter::from_config(loaded.expect("a configuration without a fault").config)
    }
}

impl TestRouter {
    /// A router to be described.
    #[must_use]
    pub fn builder() -> RouterBuilder {
        RouterBuilder::default()
    }

    /// A router with one route, `a.test`, to one backend.
    #[must_use]
    pub fn to(backend: &Backend) -> Self {
        Self::builder()
            .route("a.test", &[backend.address()])
            .start()
    }

    /// A router with that configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn from_config(config: Config) -> Self {
        let (order, ordered) = oneshot::channel();
        let (started, start) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let level = LogLevel::detached(Level::Error);
                let running = Router::start(config, level)
                    .await
                    .expect("the router starts");
                let routes = Routes::clone(&running.shared().routes);
                let clock = running.shared().clock.clone();
                started
                    .send((addresses(&running), running.admin_address(), routes, clock))
                    .ok();
                if let Ok(Order::Drain) = ordered.await {
                    running.drain().await;
                }
                running.stop(STOPPING).await;
            });
        });
        let Ok((addresses, admin, routes, clock)) = start.recv_timeout(tests_kit::PATIENCE) else {
            std::panic::panic_any("the router did not start".to_owned());
        };
        Self {
            addresses,
            admin,
            routes,
            clock,
            order: Some(order),
            thread: Some(thread),
        }
    }

    /// Where its first listener is.
    ///
    /// # Panics
    /// When it has none on TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("a TCP listener")
    }

    /// Where its admin listener is.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("an admin listener")
    }

    /// The table that its requests read.
    #[must_use]
    pub fn routes(&self) -> Routes {
        Routes::clone(&self.routes)
    }

    /// The clock that its dates come from.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A new connection to it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Begins a graceful stop and does not wait for its end.
    pub fn begin_stop(&mut self) {
        self.order(Order::Stop);
    }

    /// Begins a drain and does not wait for its end.
    pub fn begin_drain(&mut self) {
        self.order(Order::Drain);
    }

    /// Whether it has stopped.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn order(&mut self, order: Order) {
        if let Some(sender) = self.order.take() {
            sender.send(order).ok();
        }
    }
}

impl Drop for TestRouter {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(
                joined.is_ok() || std::thread::panicking(),
                "the router panicked"
            );
        }
    }
}

fn addresses(running: &Running) -> Vec<SocketAddr> {
    running
        .addresses()
        .iter()
        .filter_map(|address| address.tcp())
        .collect()
}

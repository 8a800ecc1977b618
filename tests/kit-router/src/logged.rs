//! A router in this process, and what it writes to its access log.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use crate::{RouterBuilder, TestRouter};
use tests_kit::{Client, PATIENCE, TempDir, eventually};

/// A router that logs JSON.
#[derive(Debug)]
pub struct Logged {
    directory: TempDir,
    router: TestRouter,
}

impl Logged {
    /// With one route, `a.test`, to one backend.
    #[must_use]
    pub fn to(backend: SocketAddr) -> Self {
        Self::with(TestRouter::builder().route("a.test", &[backend]))
    }

    /// With that configuration.
    #[must_use]
    pub fn with(builder: RouterBuilder) -> Self {
        let directory = TempDir::new();
        let file = directory.path().join("access.log");
        let log = format!("access_log: {{file: '{}', format: json}}", file.display());
        Self {
            router: builder.yaml(&log).start(),
            directory,
        }
    }

    /// A new connection to it.
    #[must_use]
    pub fn client(&self) -> Client {
        self.router.client()
    }

    /// The lines so far.
    ///
    /// # Panics
    /// When there is no log.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let file = self.directory.path().join("access.log");
        let text = fs::read_to_string(file).expect("the log is there from the start");
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The line of the only request so far.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    pub fn line(&self) -> Value {
        assert!(eventually(PATIENCE, || !self.lines().is_empty()));
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// What `/varz` shows.
    ///
    /// # Panics
    /// When that is not JSON.
    #[must_use]
    pub fn varz(&self) -> Value {
        let answer = Client::connect(self.router.admin()).get("localhost", "/varz");
        serde_json::from_str(&answer.text()).expect("JSON")
    }
}

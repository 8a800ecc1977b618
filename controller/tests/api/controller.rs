//! A controller in a process of its own, with a database of its own and no bus.

use std::future::Future;

use cf_driver::session::Session;
use tests_kit::{Process, Program};

pub(crate) const PASSWORD: &str = "pa55 & word";
const KEYS: &str = "{id: one, key: a key that nobody knows}";

/// A running controller.
pub(crate) struct Controller {
    pub(crate) program: Program,
    pub(crate) process: Process,
}

impl Controller {
    pub(crate) fn start() -> Self {
        let program = Program::new(env!("CARGO_BIN_EXE_controller"));
        let process = spawn(&program, KEYS);
        Self { program, process }
    }

    /// Ends it as a crash would, and starts it again with the same database.
    pub(crate) fn crash_and_restart(&mut self) {
        self.restart_with(KEYS);
    }

    /// Ends it, and starts it again with these keys for what is encrypted.
    pub(crate) fn restart_with(&mut self, keys: &str) {
        self.process.kill();
        self.process = spawn(&self.program, keys);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.process.address())
    }

    /// An access token of the administrator.
    pub(crate) async fn token(&self) -> String {
        let asked = reqwest::Client::new()
            .post(format!("{}/oauth/token", self.url()))
            .basic_auth("cf", Some(""))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=password&username=admin&password=pa55%20%26%20word");
        let answer = asked.send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A session of the administrator.
    pub(crate) async fn session(&self) -> Session {
        let mut session = Session::api(&self.url()).await.unwrap();
        session.log_in("admin", PASSWORD).await.unwrap();
        session
    }
}

/// The configuration with these keys for what is encrypted.
pub(crate) fn yaml(keys: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nnats: off\ndata: data\ndomain: apps.test\n\
         encryption_keys: [{keys}]\n\
         bootstrap:\n  user: admin\n  password: \"{PASSWORD}\"\n  organization: first\n  space: dev\n"
    )
}

fn spawn(program: &Program, keys: &str) -> Process {
    let process = program.spawn("controller.yml", &yaml(keys), &[]);
    process.until_logged("listening");
    process
}

/// Runs a test's future.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

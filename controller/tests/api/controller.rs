//! A controller in a process of its own, with a database of its own and no bus.

use std::future::Future;

use cf_driver::session::Session;
use tests_kit::{Process, Program};

pub(crate) const PASSWORD: &str = "pa55 & word";

/// A running controller.
pub(crate) struct Controller {
    pub(crate) program: Program,
    pub(crate) process: Process,
}

impl Controller {
    pub(crate) fn start() -> Self {
        let program = Program::new(env!("CARGO_BIN_EXE_controller"));
        let process = spawn(&program);
        Self { program, process }
    }

    /// Ends it as a crash would, and starts it again with the same database.
    pub(crate) fn crash_and_restart(&mut self) {
        self.process.kill();
        self.process = spawn(&self.program);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.process.address())
    }

    /// A session of the administrator.
    pub(crate) async fn session(&self) -> Session {
        let mut session = Session::api(&self.url()).await.unwrap();
        session.log_in("admin", PASSWORD).await.unwrap();
        session
    }
}

fn spawn(program: &Program) -> Process {
    let yaml = format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nnats: off\ndata: data\ndomain: apps.test\n\
         encryption_keys:\n  - id: one\n    key: a key that nobody knows\n\
         bootstrap:\n  user: admin\n  password: \"{PASSWORD}\"\n  organization: first\n  space: dev\n"
    );
    let process = program.spawn("controller.yml", &yaml, &[]);
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

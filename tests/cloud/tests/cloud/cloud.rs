//! The whole cloud for a test: nats-server, a router, a controller, a DEA and a container engine, each in
//! a process of its own, all on free ports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cf_driver::commands::Target;
use cf_driver::session::Session;
use tests_kit::{Client, Engine, NatsProgram, NatsServer, Process, Program, eventually};
use tests_kit_router::RouterProgram;

pub(crate) const DOMAIN: &str = "apps.test";
const PASSWORD: &str = "a password";
/// How long the slowest step may take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running cloud.
pub(crate) struct Cloud {
    pub(crate) session: Session,
    pub(crate) target: Target,
    pub(crate) router: Process,
    pub(crate) controller: Process,
    pub(crate) dea: Process,
    pub(crate) health_manager: Process,
    pub(crate) nats: NatsServer,
    controller_program: Program,
    dea_program: Program,
    _router_program: RouterProgram,
    _health_manager_program: Program,
    // The last to end: containers need it.
    pub(crate) engine: Engine,
}

impl Cloud {
    /// Starts everything; none where no engine or no bus can be had, which was said.
    pub(crate) async fn start() -> Option<Self> {
        let bus = NatsProgram::all_for("the cloud").into_iter().next()?;
        let engine = Engine::start("the cloud")?;
        let stack = engine.stack();
        let nats = NatsServer::start(&bus);
        let router_program = RouterProgram::new(env!("CARGO_BIN_EXE_router-in-test"));
        let controller_program = Program::new(env!("CARGO_BIN_EXE_controller-in-test"));
        let dea_program = Program::new(env!("CARGO_BIN_EXE_dea-in-test"));
        let router = spawn_router(&router_program, &nats);
        let controller = spawn_controller(&controller_program, &nats);
        let dea = spawn_dea(&dea_program, &nats, &engine, &stack);
        let health_manager_program = Program::new(env!("CARGO_BIN_EXE_health-manager-in-test"));
        let health_manager = spawn_health_manager(&health_manager_program, &nats);
        let url = format!("http://{}", controller.address());
        let mut session = Session::api(&url).await.unwrap();
        session.log_in("admin", PASSWORD).await.unwrap();
        let target = session.target("acme", "dev").await.unwrap();
        Some(Self {
            session,
            target,
            router,
            controller,
            dea,
            health_manager,
            nats,
            controller_program,
            dea_program,
            _router_program: router_program,
            _health_manager_program: health_manager_program,
            engine,
        })
    }

    /// The guid of the space.
    pub(crate) fn space(&self) -> String {
        self.target.space.guid.clone()
    }

    /// The status and body that the router answers for a host of the domain.
    pub(crate) fn get(&self, host: &str, path: &str) -> (u16, String) {
        let host = format!("{host}.{DOMAIN}");
        let response = Client::connect(self.router.address()).get(&host, path);
        (response.status(), response.text())
    }

    /// Waits until the router answers 200 for a host of the domain, and returns the body.
    pub(crate) fn until_served(&self, host: &str) -> String {
        let mut last = (0, String::new());
        let is_served = eventually(LONG, || {
            last = self.get(host, "/");
            last.0 == 200
        });
        assert!(is_served, "{host}: {last:?}\n{}", self.logs());
        last.1
    }

    /// Ends the DEA as a crash would, and starts it again.
    pub(crate) fn crash_dea(&mut self) {
        self.dea.kill();
        let stack = self.engine.stack();
        self.dea = spawn_dea(&self.dea_program, &self.nats, &self.engine, &stack);
    }

    /// Ends the controller as a crash would, and starts it again, where it listens on the same port.
    pub(crate) async fn crash_controller(&mut self) {
        self.controller.kill();
        self.controller = spawn_controller(&self.controller_program, &self.nats);
        let url = format!("http://{}", self.controller.address());
        self.session = Session::api(&url).await.unwrap();
        self.session.log_in("admin", PASSWORD).await.unwrap();
    }

    /// What all programs have logged.
    pub(crate) fn logs(&self) -> String {
        let all = [
            &self.router,
            &self.controller,
            &self.dea,
            &self.health_manager,
        ];
        all.map(Process::log).join("\n---\n")
    }
}

/// A sample app of the repository.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../dea/samples")
        .join(name)
}

fn bus(nats: &NatsServer) -> String {
    format!("nats: {{hosts: ['127.0.0.1:{}']}}\n", nats.port())
}

fn spawn_router(program: &RouterProgram, nats: &NatsServer) -> Process {
    program.start(&format!("{}start_response_delay_interval: 0s\n", bus(nats)))
}

fn spawn_controller(program: &Program, nats: &NatsServer) -> Process {
    let yaml = format!(
        "{}listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ndata: data\ndomain: {DOMAIN}\n\
         encryption_keys: [{{id: one, key: nobody knows}}]\n\
         staging: {{user: staging, password: secret}}\n\
         bootstrap: {{user: admin, password: {PASSWORD}, organization: acme, space: dev}}\n",
        bus(nats)
    );
    let process = program.spawn("controller.yml", &yaml, &[]);
    process.until_logged("listening");
    process
}

fn spawn_health_manager(program: &Program, nats: &NatsServer) -> Process {
    let yaml = format!("{}admin: 127.0.0.1:0\n", bus(nats));
    let process = program.spawn("health-manager.yml", &yaml, &[]);
    process.until_logged("admin-listening");
    process
}

fn spawn_dea(program: &Program, nats: &NatsServer, engine: &Engine, stack: &str) -> Process {
    let yaml = format!(
        "{}id: 0-test\nbase_dir: state\nadmin: {{address: '127.0.0.1:0'}}\n\
         stacks: {{bookworm: '{stack}'}}\n\
         capacity: {{memory: 6GiB, memory_percent: 100, disk: 20GiB, disk_percent: 100}}\n\
         engine: {{socket: '{}', bridge: {}, disks: '{}'}}\n\
         staging: {{directory: '{}'}}\n",
        bus(nats),
        engine.socket().display(),
        engine.bridge(),
        engine.disks().display(),
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../dea/buildpacks")
            .display(),
    );
    let process = program.spawn("dea.yml", &yaml, &[]);
    process.until_logged("admin-listening");
    process
}

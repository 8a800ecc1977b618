//! What is around a DEA: an engine, a bus, and who has the droplets.

use std::time::Duration;

use bus::{Bus, Options, Server, Subscription};
use component::tasks::Tasks;
use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::bus::dea::{
    DEA_HEARTBEAT, DEA_ID_START, DEA_START, DEA_STOP, DROPLET_EXITED, Exited, FindInstances,
    FoundInstance, Heartbeat, Hello, InstanceState, Limits, StartInstance, StopInstances,
};
use protocol::bus::output::{LOGS, OutputLine};
use protocol::bus::{Message, ROUTER_PATTERN, RouterEvent};
use sha2::{Digest as _, Sha256};
use tests_kit::{Engine, NatsProgram, NatsServer, PATIENCE, Process, Program};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::image::{self, IMAGE};

/// How long anything may take that the engine has a part in.
pub(crate) const LONG: Duration = PATIENCE.saturating_mul(6);

/// The DEA's id.
pub(crate) const ID: &str = "0-test";

/// The file that the app serves.
pub(crate) const PAGE: &str = "hello from the droplet";

/// A DEA and what is around it.
#[derive(Debug)]
pub(crate) struct Cloud {
    /// The engine.
    pub(crate) engine: Engine,
    /// A place on the bus.
    pub(crate) bus: Bus,
    /// Heartbeats, from the beginning.
    pub(crate) heartbeats: Subscription<Heartbeat>,
    exits: Subscription<Exited>,
    /// What the routers are told, from the beginning.
    pub(crate) claims: Subscription,
    /// What the app writes, from the beginning.
    pub(crate) lines: Subscription<OutputLine>,
    /// The DEA.
    pub(crate) dea: Process,
    exited: Vec<Exited>,
    hellos: Subscription<Hello>,
    program: Program,
    nats: NatsServer,
    droplet_uri: String,
    sha256: String,
    _tasks: Tasks,
}

impl Cloud {
    /// Starts all of it. None, with a word about it, where an engine or a bus is missing.
    pub(crate) async fn start() -> Option<Self> {
        let nats = NatsProgram::all_for("instances in containers").pop()?;
        let engine = Engine::start("instances in containers")?;
        if !image::import(&engine) {
            return None;
        }
        let nats = NatsServer::start(&nats);
        let options = Options {
            servers: vec![Server {
                host: "127.0.0.1".to_owned(),
                port: nats.port(),
            }],
            ..Options::default()
        };
        let bus = Bus::connect(&options).unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_dea"));
        let mut tasks = Tasks::new();
        let droplet = droplet();
        let sha256 = Sha256::digest(&droplet);
        let sha256 = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let droplet_uri = serve(&mut tasks, droplet).await;
        let (heartbeats, exits) = (
            bus.subscribe(&DEA_HEARTBEAT).await.unwrap(),
            bus.subscribe(&DROPLET_EXITED).await.unwrap(),
        );
        let claims = bus.subscribe_pattern(ROUTER_PATTERN).await.unwrap();
        let lines = bus.subscribe(&LOGS.subject("app").unwrap()).await.unwrap();
        let hellos = bus.subscribe(&DEA_START).await.unwrap();
        connected(&bus).await;
        let dea = spawn(&program, &engine, &nats);
        let mut cloud = Self {
            engine,
            bus,
            heartbeats,
            exits,
            claims,
            lines,
            dea,
            exited: Vec::new(),
            hellos,
            program,
            nats,
            droplet_uri,
            sha256,
            _tasks: tasks,
        };
        cloud.is_ready().await;
        Some(cloud)
    }

    /// Kills the DEA, without a warning, and starts it again.
    pub(crate) async fn restart_dea(&mut self) {
        self.dea.kill();
        self.dea = spawn(&self.program, &self.engine, &self.nats);
        self.is_ready().await;
    }

    /// What the DEA has on disk of its instances.
    pub(crate) fn snapshot(&self) -> String {
        std::fs::read_to_string(self.program.path("state/instances.json")).unwrap_or_default()
    }

    /// Waits until the DEA has started and listens.
    async fn is_ready(&mut self) {
        next(&mut self.hellos, |_| true).await;
    }

    /// Starts an instance of `process` by `command`, as `change` wants it.
    pub(crate) async fn order(
        &self,
        process: &str,
        command: &str,
        change: impl FnOnce(&mut StartInstance),
    ) {
        let mut order = StartInstance {
            droplet: process.to_owned(),
            app_id: "app".to_owned(),
            process_type: "web".to_owned(),
            name: "sample".to_owned(),
            version: "v1".to_owned(),
            stack: "bookworm".to_owned(),
            uris: vec![format!("{process}.example.com")],
            sha256: self.sha256.clone(),
            executable_uri: self.droplet_uri.clone(),
            start_command: Some(command.to_owned()),
            limits: Limits {
                mem: 64,
                disk: 64,
                fds: 256,
            },
            ..StartInstance::default()
        };
        change(&mut order);
        let start = DEA_ID_START.subject(ID).unwrap();
        self.bus.publish(&start, &order).await.unwrap();
        // The test may hold up this thread from now on.
        self.bus.flush().await.unwrap();
    }

    /// Stops the instances of `process`.
    pub(crate) async fn stop(&self, process: &str) {
        let stop = StopInstances {
            droplet: process.to_owned(),
            ..StopInstances::default()
        };
        self.bus.publish(&DEA_STOP, &stop).await.unwrap();
        self.bus.flush().await.unwrap();
    }

    /// Ends the server of the bus and starts it again.
    pub(crate) async fn restart_bus(&mut self) {
        self.nats.restart();
        connected(&self.bus).await;
    }

    /// Waits for a heartbeat in which the instance of `process` is in `state`, and returns its id.
    pub(crate) async fn until(&mut self, process: &str, state: InstanceState) -> String {
        let find = |beat: &Heartbeat| {
            let mut all = beat.droplets.iter();
            all.find(|one| one.droplet == process && one.state == state)
                .map(|one| one.instance.clone())
        };
        let beat = next(&mut self.heartbeats, |beat| find(beat).is_some()).await;
        find(&beat).unwrap()
    }

    /// Waits for the end of the instance of `process`, which may have been heard already.
    pub(crate) async fn exit_of(&mut self, process: &str) -> Exited {
        loop {
            if let Some(at) = self.exited.iter().position(|one| one.droplet == process) {
                return self.exited.remove(at);
            }
            let exited = next(&mut self.exits, |_| true).await;
            self.exited.push(exited);
        }
    }

    /// Waits for a line of the app that `is_it` knows.
    pub(crate) async fn line(&mut self, is_it: impl Fn(&OutputLine) -> bool) -> OutputLine {
        next(&mut self.lines, is_it).await
    }

    /// What the routers hear next of `uri`: `+` or `-` and the address.
    pub(crate) async fn claim(&mut self, uri: &str) -> String {
        let heard = async {
            loop {
                let event = self.claims.next().await.unwrap();
                let (sign, claim) = match RouterEvent::decode(event.subject(), event.payload()) {
                    Ok(RouterEvent::Register(claim)) => ('+', claim),
                    Ok(RouterEvent::Unregister(claim)) => ('-', claim),
                    _ => continue,
                };
                if claim.uris.iter().any(|known| known == uri) {
                    return format!("{sign}{}:{}", claim.host, claim.port);
                }
            }
        };
        timeout(LONG, heard).await.unwrap()
    }

    /// Waits until the first instance of `process` was looked at for what it uses.
    pub(crate) async fn until_used(&self, process: &str) {
        let looked_at = async {
            while self.find(process).await.remove(0).stats.unwrap().usage.mem == 0 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LONG, looked_at).await.expect("it uses some memory");
    }

    /// Asks for the instances of `process`, with what they use.
    pub(crate) async fn find(&self, process: &str) -> Vec<FoundInstance> {
        let find = FindInstances {
            droplet: process.to_owned(),
            include_stats: true,
            ..FindInstances::default()
        };
        let subject = &protocol::bus::dea::DEA_FIND_DROPLET;
        let found = self.bus.gather(subject, &find, 1, LONG).await.unwrap();
        let found = found.iter().map(|answer| answer.decode().unwrap());
        found.collect()
    }
}

/// Waits for a message that `is_it` knows.
pub(crate) async fn next<M: Message>(heard: &mut Subscription<M>, is_it: impl Fn(&M) -> bool) -> M {
    let wait = async {
        loop {
            let message = heard.next().await.unwrap().decode().unwrap();
            if is_it(&message) {
                return message;
            }
        }
    };
    timeout(LONG, wait).await.expect("it is heard in time")
}

/// Waits until a server of the bus has heard all that was said.
async fn connected(bus: &Bus) {
    let flushed = async {
        while bus.flush().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, flushed).await.unwrap();
}

fn spawn(program: &Program, engine: &Engine, nats: &NatsServer) -> Process {
    let yaml = format!(
        "id: {ID}\n\
         base_dir: state\n\
         admin: {{address: '127.0.0.1:0'}}\n\
         nats: {{hosts: ['127.0.0.1:{port}']}}\n\
         stacks: {{bookworm: '{IMAGE}'}}\n\
         capacity: {{memory: 1GiB, memory_percent: 100, disk: 1GiB, disk_percent: 100}}\n\
         times: {{heartbeat: 200ms, advertise: 200ms, routers: 100ms, grace: 2s, health: 5s, orphans: 1s}}\n\
         engine: {{socket: '{socket}', bridge: {bridge}, disks: '{disks}'}}\n",
        port = nats.port(),
        socket = engine.socket().display(),
        bridge = engine.bridge(),
        disks = engine.disks().display(),
    );
    program.spawn("dea.yml", &yaml, &[])
}

/// A droplet with a page and a start command.
fn droplet() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |name: &str, content: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_uid(2_000);
        header.set_gid(2_000);
        header.set_mode(if content.is_some() { 0o644 } else { 0o755 });
        let content = content.unwrap_or_else(|| {
            header.set_entry_type(tar::EntryType::Directory);
            ""
        });
        header.set_size(content.len() as u64);
        header.set_path(name).unwrap();
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    };
    for directory in ["./app", "./logs", "./tmp", "./app/.profile.d"] {
        add(directory, None);
    }
    add("./app/index.html", Some(PAGE));
    add(
        "./app/.profile.d/buildpack.sh",
        Some("export PROFILE=read\n"),
    );
    let info = "process_types:\n  worker: echo from the droplet; sleep 1000\n";
    add("./staging_info.yml", Some(info));
    archive.into_inner().unwrap().finish().unwrap()
}

async fn serve(tasks: &mut Tasks, droplet: Vec<u8>) -> String {
    let app = axum::Router::new().fallback(async move || droplet.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn("droplets", async move {
        axum::serve(listener, app).await.unwrap();
    });
    format!("http://user:password@{address}/droplet")
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.dea.log());
        }
    }
}

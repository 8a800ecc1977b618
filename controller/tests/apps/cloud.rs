//! A controller, a bus, and perhaps a DEA.

use std::fs;
use std::future::Future;

use cf_driver::session::Session;
use component::tasks::Tasks;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tests_kit::{NatsProgram, NatsServer, Process, Program, SmallDisk, TempDir};

use crate::fake_dea::{FakeDea, Staging};

pub(crate) const PASSWORD: &str = "pa55word";

/// What a test works with.
pub(crate) struct Cloud {
    pub(crate) nats: NatsServer,
    pub(crate) tasks: Tasks,
    pub(crate) process: Process,
    pub(crate) session: Session,
    /// The guid of the space.
    pub(crate) space: String,
    pub(crate) org: String,
    /// The directory that is pushed.
    pub(crate) files: TempDir,
    /// Where the controller has its data, if that is a disk of its own.
    pub(crate) disk: Option<SmallDisk>,
    program: Program,
    listen: String,
}

impl Cloud {
    async fn start(nats: &NatsProgram, program: Program, disk: Option<SmallDisk>) -> Self {
        let nats = NatsServer::start(nats);
        let process = spawn(&program, nats.port(), "127.0.0.1:0");
        let listen = process.address().to_string();
        let session = log_in(&listen).await;
        let files = TempDir::new();
        drop(files.file("run", "#!/bin/sh\nexec true\n"));
        let mut cloud = Self {
            nats,
            tasks: Tasks::new(),
            process,
            session,
            space: String::new(),
            org: String::new(),
            files,
            disk,
            program,
            listen,
        };
        let target = cloud.session.target("first", "dev").await.unwrap();
        cloud.space = target.space.guid;
        cloud.org = target.org.guid;
        cloud
    }

    /// A DEA that joins.
    pub(crate) async fn dea(&mut self, staging: Staging) -> FakeDea {
        let port = self.nats.port();
        FakeDea::join(&mut self.tasks, "dea-1", port, staging).await
    }

    /// A session of another user, with that role in the organization or in the space.
    pub(crate) async fn user(&mut self, name: &str, role: Option<&str>) -> Session {
        // There is no other way yet to make a user who can log in.
        let file = self.program.path("data/controller.db");
        let options = SqliteConnectOptions::new().filename(file);
        let mut database = options.connect().await.unwrap();
        let copied = sqlx::query(
            "INSERT INTO users (guid, name, origin, password_hash, created_at)
            SELECT $1, $1, origin, password_hash, 1 FROM users WHERE name = 'admin'",
        );
        copied.bind(name).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        if let Some(role) = role {
            self.give(name, "organization_user").await;
            if role != "organization_user" {
                self.give(name, role).await;
            }
        }
        let mut session = Session::api(&format!("http://{}", self.listen))
            .await
            .unwrap();
        session.log_in(name, PASSWORD).await.unwrap();
        session
    }

    /// Gives a user a role.
    async fn give(&mut self, user: &str, role: &str) {
        let (kind, place) = match role.split_once('_') {
            Some(("organization", _)) => ("organization", &self.org),
            _ => ("space", &self.space),
        };
        let body = json!({"type": role, "relationships": {
            "user": {"data": {"guid": user}},
            kind: {"data": {"guid": place}},
        }});
        let given = self
            .session
            .change::<Value>(Method::POST, "/v3/roles", &body);
        given.await.unwrap();
    }

    /// An access token of the administrator.
    pub(crate) async fn token(&self) -> String {
        let url = format!("http://{}/oauth/token", self.listen);
        let asked = reqwest::Client::new()
            .post(url)
            .header("Authorization", "Basic Y2Y6")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!(
                "grant_type=password&username=admin&password={PASSWORD}"
            ));
        let answer = asked.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Ends the controller as a crash would, and starts it again with the same database and address.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.process.kill();
        self.process = spawn(&self.program, self.nats.port(), &self.listen);
        self.session = log_in(&self.listen).await;
    }
}

async fn log_in(listen: &str) -> Session {
    let mut session = Session::api(&format!("http://{listen}")).await.unwrap();
    session.log_in("admin", PASSWORD).await.unwrap();
    session
}

fn spawn(program: &Program, nats: u16, listen: &str) -> Process {
    let yaml = format!(
        "listen: {listen}\nadmin: 127.0.0.1:0\ndata: data\ndomain: apps.test\n\
         nats: {{hosts: [{{hostname: 127.0.0.1, port: {nats}}}]}}\n\
         staging: {{user: staging, password: \"p/w\"}}\n\
         encryption_keys: [{{id: one, key: a key that nobody knows}}]\n\
         bootstrap: {{user: admin, password: {PASSWORD}, organization: first, space: dev}}\n"
    );
    let process = program.spawn("controller.yml", &yaml, &[]);
    process.until_logged("listening");
    process
}

/// Runs a test with a cloud of its own, if there is a nats-server.
pub(crate) fn with_cloud<F: Future<Output = ()>>(what: &str, test: impl Fn(Cloud) -> F) {
    let program = Program::new(env!("CARGO_BIN_EXE_controller"));
    run(what, program, None, test);
}

/// As [`with_cloud`], the controller's disk having so many MiB, if one can be had.
pub(crate) fn with_small_disk<F: Future<Output = ()>>(
    what: &str,
    mib: u32,
    test: impl Fn(Cloud) -> F,
) {
    let program = Program::new(env!("CARGO_BIN_EXE_controller"));
    if let Some(disk) = SmallDisk::mount(&program.path("data"), mib, what) {
        run(what, program, Some(disk), test);
    }
}

fn run<F: Future<Output = ()>>(
    what: &str,
    program: Program,
    disk: Option<SmallDisk>,
    test: impl Fn(Cloud) -> F,
) {
    let Some(nats) = NatsProgram::all_for(what).pop() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let cloud = Cloud::start(&nats, program, disk).await;
        test(cloud).await;
    });
}

/// The bytes of a small zip.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let file = TempDir::new();
    let path = file.file("a.zip", "");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    fs::read(path).unwrap()
}

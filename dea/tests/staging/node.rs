//! A stager and what is around it: an engine, a bus, and who has the packages.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Options, Server, Subscription};
use dea::config::Config;
use dea::fence::{Fence, FenceOptions};
use dea::output::{Outputs, Writer};
use dea::staging::{Stager, StagingOptions};
use protocol::bus::dea::Limits;
use protocol::bus::output::{LOGS, OutputLine, Stream};
use protocol::bus::staging::{StagingFault, StagingReply, StagingRequest};
use tests_kit::{Engine, NatsProgram, NatsServer, PATIENCE, TempDir};
use tokio::time::timeout;

use crate::depot::Depot;

/// How long anything may take that loads packages.
pub(crate) const LONG: Duration = PATIENCE.saturating_mul(18);
/// Where the system keeps the certificates that it believes.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Buildpacks of the tests' own: name, and what `supply`, `compile` and `release` do.
const BUILDPACKS: [(&str, &str, &str, &str); 8] = [
    ("fails", "", "echo no; exit 3", QUIET),
    ("mute", "", "true", "exit 1"),
    ("vague", "", "true", "echo 'default_process_types: 7'"),
    (
        "greedy",
        "",
        "exec perl -e '$x = \"x\" x (1 << 28); sleep 1'",
        QUIET,
    ),
    (
        "fat",
        "",
        "dd if=/dev/zero of=/home/vcap/app/fat bs=1M count=100 2>&1",
        QUIET,
    ),
    ("hangs", "", "echo hanging; sleep 1000", QUIET),
    (
        "first",
        "mkdir -p $3/$4/bin; printf '#!/bin/sh\\necho supplied $WORD\\n' >$3/$4/bin/tool; chmod +x $3/$4/bin/tool",
        "exit 1",
        "exit 1",
    ),
    (
        "second",
        "",
        "tool",
        "echo 'default_process_types: {web: \"tool \\\"quoted\\\": yes\"}'",
    ),
];
/// What a buildpack says that knows no start command.
const QUIET: &str = "echo '{}'";

/// A stager and what is around it.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) image: String,
    pub(crate) fence: Fence,
    pub(crate) stager: Stager,
    pub(crate) depot: Depot,
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) lines: Subscription<OutputLine>,
    _nats: NatsServer,
    _directory: TempDir,
}

impl Node {
    /// Starts all of it. None, with a word about it, where an engine or a bus is missing.
    pub(crate) async fn start() -> Option<Self> {
        let nats = NatsProgram::all_for("staging in containers").pop()?;
        let engine = Engine::start("staging in containers")?;
        let nats = NatsServer::start(&nats);
        let options = Options {
            servers: vec![Server {
                host: "127.0.0.1".to_owned(),
                port: nats.port(),
            }],
            ..Options::default()
        };
        let bus = Bus::connect(&options).unwrap();
        let lines = bus.subscribe(&LOGS.subject("app").unwrap()).await.unwrap();
        while bus.flush().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let outputs = Outputs::new(bus, "10.0.0.1".to_owned(), Config::default().output);
        let fence = FenceOptions {
            socket: engine.socket(),
            bridge: engine.bridge().to_owned(),
            disks: engine.disks(),
            ..FenceOptions::default()
        };
        let fence = Fence::connect(&fence).await.unwrap();
        let image = engine.stack();
        let directory = TempDir::new();
        let stager = Stager::new(
            fence.clone(),
            reqwest::Client::new(),
            BTreeMap::from([("bookworm".to_owned(), image.clone())]),
            staging_options(directory.path().join("buildpacks")),
            directory.path().join("staging"),
        );
        Some(Self {
            engine,
            image,
            fence,
            stager,
            depot: Depot::start().await,
            outputs: outputs.into(),
            lines,
            _nats: nats,
            _directory: directory,
        })
    }

    /// A request to stage the package `name`, with room enough.
    pub(crate) fn request(&self, name: &str) -> StagingRequest {
        StagingRequest {
            app_id: "app".to_owned(),
            task_id: format!("build-{name}"),
            stack: "bookworm".to_owned(),
            limits: Limits {
                mem: 512,
                disk: 1_024,
                fds: 1_024,
            },
            download_uri: self.depot.uri(&format!("packages/{name}")),
            upload_uri: self.depot.uri(&format!("droplets/{name}")),
            buildpack_cache_download_uri: self.depot.uri(&format!("cache/{name}")),
            buildpack_cache_upload_uri: self.depot.uri(&format!("cache/{name}")),
            ..StagingRequest::default()
        }
    }

    /// Stages, and returns what is answered and what was said.
    pub(crate) async fn stage(&mut self, request: StagingRequest) -> (StagingReply, Vec<String>) {
        let writer = Writer::of_staging(&self.outputs, &request);
        let reply = timeout(LONG, self.stager.run(&request, &writer))
            .await
            .unwrap();
        writer.write(Stream::Stdout, "the end".to_owned()).await;
        let mut lines = Vec::new();
        loop {
            let line = timeout(LONG, self.lines.next()).await.unwrap().unwrap();
            let text = line.decode().unwrap().text;
            if text == "the end" {
                return (reply, lines);
            }
            lines.push(text);
        }
    }

    /// Stages with little memory and disk, which has to fail, and returns what was said.
    pub(crate) async fn fails(
        &mut self,
        name: &str,
        buildpacks: &[&str],
        kind: StagingFault,
        text: &str,
    ) -> Vec<String> {
        let mut request = self.request(name);
        request.buildpacks = buildpacks.iter().map(|name| (*name).to_owned()).collect();
        request.limits.mem = 64;
        request.limits.disk = 64;
        let (reply, lines) = self.stage(request).await;
        let error = reply
            .error_info
            .unwrap_or_else(|| panic!("{name} {buildpacks:?}: {lines:?}"));
        assert!(
            error.kind == kind && error.message.contains(text),
            "{name} {buildpacks:?}: {error:?} {lines:?}"
        );
        assert!(lines.contains(&error.message), "{lines:?}");
        assert_eq!(self.depot.get(&format!("droplets/{name}")), None);
        lines
    }
}

/// Options with the buildpacks of the repository, those below, and this machine's settings of package
/// clients.
fn staging_options(directory: PathBuf) -> StagingOptions {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("buildpacks");
    for buildpack in fs::read_dir(ours).unwrap() {
        let bin = buildpack.unwrap().path().join("bin");
        let name = bin.parent().and_then(Path::file_name).unwrap();
        for script in fs::read_dir(&bin).unwrap() {
            let script = script.unwrap();
            let to = directory.join(name).join("bin");
            fs::create_dir_all(&to).unwrap();
            fs::copy(script.path(), to.join(script.file_name())).unwrap();
        }
    }
    for (name, supply, compile, release) in BUILDPACKS {
        let bin = directory.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for (file, text) in [
            ("supply", supply),
            ("compile", compile),
            ("release", release),
        ] {
            if !text.is_empty() {
                script(&bin.join(file), text);
            }
        }
    }
    let mut options = StagingOptions {
        directory,
        ..StagingOptions::default()
    };
    for file in [CERTIFICATES, "/etc/pip.conf"] {
        if PathBuf::from(file).is_file() {
            options.files.insert(file.to_owned(), file.to_owned());
        }
    }
    for name in ["PIP_CERT", "NODE_EXTRA_CA_CERTS"] {
        options.environment.push(format!("{name}={CERTIFICATES}"));
    }
    for name in ["PIP_INDEX_URL", "npm_config_registry"] {
        if let Ok(value) = std::env::var(name) {
            options.environment.push(format!("{name}={value}"));
        }
    }
    options
}

fn script(file: &Path, text: &str) {
    fs::write(file, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

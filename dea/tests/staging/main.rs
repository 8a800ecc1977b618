//! Staging on a real engine: samples become droplets that run, and what must not succeed fails in the right
//! words. Skipped with the reason where no engine can run.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

mod depot;
mod node;

use dea::fence::{ContainerSpec, Kind};
use dea::output::Writer;
use dea::staging::TASK_LABEL;
use depot::{package, sample};
use node::{LONG, Node};
use protocol::bus::staging::{StagingFault, StagingStage};
use sha2::{Digest as _, Sha256};
use tests_kit::{Client, PATIENCE, eventually};
use tokio::time::timeout;

/// The port of an instance.
const PORT: u16 = 8_080;
#[tokio::test]
async fn apps_become_droplets() {
    let Some(mut node) = Node::start().await else {
        return;
    };
    a_sample_runs(
        &mut node,
        "static",
        "Staticfile",
        "Hello from a static page",
    )
    .await;
    a_sample_runs(
        &mut node,
        "binary",
        "Binary",
        "Hello from a program of its own",
    )
    .await;
    if is_reachable("pypi.org:443") {
        a_sample_runs(
            &mut node,
            "python",
            "Python",
            "Hello from Python, instance 0",
        )
        .await;
        wheels_are_kept(&mut node).await;
    } else {
        eprintln!("SKIPPED: staging of the python sample: its packages are out of reach");
    }
    if is_reachable("registry.npmjs.org:443") {
        a_sample_runs(&mut node, "nodejs", "Node.js", "Hello from Node.js, up for").await;
    } else {
        eprintln!("SKIPPED: staging of the nodejs sample: its packages are out of reach");
    }
    what_is_no_app_is_refused(&mut node).await;
    buildpacks_fail_in_the_right_words(&mut node).await;
    buildpacks_work_together(&mut node).await;
    what_hangs_is_ended(&mut node).await;
    what_is_stopped_leaves_nothing(&mut node).await;
    assert!(node.engine.containers().is_empty());
}

/// Stages the sample, and runs what comes of it.
async fn a_sample_runs(node: &mut Node, name: &str, detected: &str, page: &str) {
    node.depot.put(&format!("packages/{name}"), sample(name));
    let (reply, lines) = node.stage(node.request(name)).await;
    assert_eq!(reply.error_info, None, "{lines:?}");
    assert_eq!(reply.stage, StagingStage::Done);
    assert_eq!(reply.detected_buildpack.as_deref(), Some(detected));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("-----> Uploading droplet (")),
        "{lines:?}"
    );
    let droplet = node.depot.get(&format!("droplets/{name}")).unwrap();
    let digest = Sha256::digest(&droplet);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(reply.droplet_sha256, Some(digest));

    let env = [
        "HOME=/home/vcap/app",
        "TMPDIR=/home/vcap/tmp",
        "CF_INSTANCE_INDEX=0",
    ];
    let mut env: Vec<String> = env.map(str::to_owned).into();
    env.push(format!("PORT={PORT}"));
    let spec = ContainerSpec {
        name: format!("switchyard-run-{name}"),
        kind: Kind::Running,
        image: node.image.clone(),
        command: dea_core::environment::command(&reply.process_types["web"]),
        env,
        memory_mib: 128,
        disk_mib: 256,
        cpu_shares: 16,
        pids: 64,
        nofile: 1_024,
        ..ContainerSpec::default()
    };
    let container = node.fence.create(&spec).await.unwrap();
    let archive = std::io::Cursor::new(droplet);
    let unpacked = node.fence.unpack(&container, "/home/vcap", archive);
    unpacked.await.unwrap();
    let address = (node.fence.start(&container).await.unwrap(), PORT).into();
    let answers = || std::net::TcpStream::connect_timeout(&address, PATIENCE).is_ok();
    let is_up = eventually(3 * PATIENCE, answers);
    let log = node.engine.docker(&["logs", &spec.name]);
    assert!(is_up, "{log:?}");
    let mut client = Client::connect(address);
    let response = client.get("app.example.com", "/");
    assert!(response.text().contains(page), "{response:?}");
    node.fence.remove(&container).await.unwrap();
}

async fn wheels_are_kept(node: &mut Node) {
    let (reply, lines) = node.stage(node.request("python")).await;
    assert_eq!(reply.error_info, None, "{lines:?}");
    let said = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(said("-----> Downloaded app buildpack cache ("), "{lines:?}");
    assert!(said("Using the wheels of the last time"), "{lines:?}");
}

async fn what_is_no_app_is_refused(node: &mut Node) {
    let readme: &[(&str, &[u8], u32)] = &[("README", b"nothing to run", 0o644)];
    node.depot.put("packages/readme", package(readme));
    node.fails(
        "readme",
        &[],
        StagingFault::NoAppDetectedError,
        "by any available buildpack",
    )
    .await;
    node.fails(
        "absent",
        &[],
        StagingFault::StagingError,
        "The package is not there",
    )
    .await;
    node.depot.put("packages/garbage", b"garbage".to_vec());
    node.fails(
        "garbage",
        &[],
        StagingFault::StagingError,
        "not a zip archive",
    )
    .await;
    let slip: &[(&str, &[u8], u32)] = &[("../../etc/passwd", b"root", 0o644)];
    node.depot.put("packages/slip", package(slip));
    node.fails(
        "slip",
        &[],
        StagingFault::StagingError,
        "a path that is not allowed",
    )
    .await;
    let zeros = vec![0; (64 << 20) + 1];
    node.depot
        .put("packages/zeros", package(&[("zeros", &zeros, 0o644)]));
    node.fails(
        "zeros",
        &[],
        StagingFault::StagingError,
        "more than the 64 MiB of disk",
    )
    .await;
}

async fn buildpacks_fail_in_the_right_words(node: &mut Node) {
    for (buildpack, kind, text) in [
        (
            "ruby_buildpack",
            StagingFault::StagingError,
            "no buildpack \"ruby_buildpack\"",
        ),
        ("../test", StagingFault::StagingError, "no buildpack"),
        (
            "fails",
            StagingFault::BuildpackCompileFailed,
            "compile phase",
        ),
        (
            "mute",
            StagingFault::BuildpackReleaseFailed,
            "release phase",
        ),
        (
            "vague",
            StagingFault::BuildpackReleaseFailed,
            "default_process_types",
        ),
        (
            "greedy",
            StagingFault::StagingError,
            "more than 64 MiB of memory",
        ),
        ("fat", StagingFault::BuildpackCompileFailed, "compile phase"),
    ] {
        let lines = node.fails("readme", &[buildpack], kind, text).await;
        if buildpack == "fat" {
            let is_full = lines.iter().any(|line| line.contains("No space left"));
            assert!(is_full, "{lines:?}");
        }
    }
}

async fn buildpacks_work_together(node: &mut Node) {
    let mut request = node.request("readme");
    request.buildpacks = vec!["first".to_owned(), "second".to_owned()];
    request.environment = vec!["WORD=of the app".to_owned()];
    let (reply, lines) = node.stage(request).await;
    assert_eq!(reply.error_info, None, "{lines:?}");
    assert!(
        lines.contains(&"supplied of the app".to_owned()),
        "{lines:?}"
    );
    assert_eq!(reply.buildpack_key.as_deref(), Some("second"));
    assert_eq!(reply.process_types["web"], "tool \"quoted\": yes");
}

async fn what_hangs_is_ended(node: &mut Node) {
    let mut request = node.request("readme");
    request.buildpacks = vec!["hangs".to_owned()];
    request.timeout = 3;
    let (reply, _) = node.stage(request).await;
    let error = reply.error_info.unwrap();
    assert_eq!(error.kind, StagingFault::StagingTimeExpired);
    assert_eq!(error.message, "Staging took more than 3 seconds");
    assert!(node.engine.containers().is_empty());
}

async fn what_is_stopped_leaves_nothing(node: &mut Node) {
    let mut request = node.request("readme");
    request.buildpacks = vec!["hangs".to_owned()];
    let writer = Writer::of_staging(&node.outputs, &request);
    let hangs = async {
        loop {
            let line = node.lines.next().await.unwrap().decode().unwrap();
            if line.text == "hanging" {
                return;
            }
        }
    };
    tokio::select! {
        reply = node.stager.run(&request, &writer) => panic!("{reply:?}"),
        hanging = timeout(LONG, hangs) => hanging.unwrap(),
    }
    let owned = node.fence.list().await.unwrap();
    assert_eq!(owned[0].labels[TASK_LABEL], request.task_id);
    node.stager.clear(&request.task_id).await;
    assert!(node.engine.containers().is_empty());
}

/// Whether connections to `address` can be made.
fn is_reachable(address: &str) -> bool {
    use std::net::{TcpStream, ToSocketAddrs as _};
    let found = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next());
    found.is_some_and(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}

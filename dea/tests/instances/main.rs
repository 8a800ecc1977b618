//! Instances in real containers, ordered over a real bus.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

mod cloud;
mod image;

use std::net::SocketAddr;

use protocol::bus::dea::{
    DEA_UPDATE, ExitReason, HealthCheck, InstanceState, Limits, StartInstance, UpdateProcess,
};
use protocol::bus::output::{DEA_FIND_LOGS, FindLines, OutputLine, RecentLines};
use protocol::bus::staging::{
    STAGING_ID_START, STAGING_STOP, StagingFault, StagingReply, StagingRequest, StagingStage,
    StopStaging,
};
use tests_kit::Client;

use cloud::{Cloud, LONG, PAGE};

/// Serves the droplet's page, and writes numbers until it is asked to end.
const SERVER: &str = "httpd -f -p $PORT -h /home/vcap/app & trap 'echo bye; exit 7' TERM; \
                      n=0; while true; do n=$((n + 1)); echo $PROFILE $n; sleep 0.05; done";

/// The label of what a DEA makes, which is what it may remove.
const OUR_LABEL: &str = "switchyard.kind=running";

#[tokio::test]
async fn instances_live_in_containers_and_outlive_their_agent() {
    let Some(mut cloud) = Cloud::start().await else {
        return;
    };
    what_cannot_run_has_crashed(&mut cloud).await;
    one_serves_and_is_told_of(&mut cloud).await;
    it_outlives_a_killed_agent(&mut cloud).await;
    it_is_stopped_gracefully(&mut cloud).await;
    strangers_are_removed(&mut cloud).await;
}

#[tokio::test]
async fn a_node_survives_its_bus_and_its_apps_and_is_emptied() {
    let Some(mut cloud) = Cloud::start().await else {
        return;
    };
    what_eats_its_memory_is_ended(&mut cloud).await;
    what_is_stopped_at_once_leaves_nothing(&mut cloud).await;
    nonsense_is_passed_over(&cloud).await;
    builds_are_answered_twice(&cloud).await;
    the_same_order_starts_one_instance(&mut cloud).await;
    an_agent_may_come_and_go(&mut cloud).await;
    a_bus_that_was_away_gets_all_lines(&mut cloud).await;
    an_engine_may_crash(&mut cloud).await;
    a_node_is_emptied(&mut cloud).await;
}

async fn what_eats_its_memory_is_ended(cloud: &mut Cloud) {
    let eater = "exec /bin/sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done'";
    let process = |order: &mut StartInstance| order.health_check = HealthCheck::Process;
    cloud.order("eater", eater, process).await;
    let exited = cloud.exit_of("eater").await;
    assert_eq!(exited.exit_description, "out of memory", "{exited:?}");
    assert_eq!(exited.exit_status, 137);
}

async fn what_is_stopped_at_once_leaves_nothing(cloud: &mut Cloud) {
    cloud.order("brief", SERVER, |_| {}).await;
    cloud.stop("brief").await;
    assert_eq!(cloud.exit_of("brief").await.reason, ExitReason::Stopped);
    assert!(tests_kit::eventually(LONG, || cloud
        .engine
        .containers()
        .is_empty()));
}

async fn the_same_order_starts_one_instance(cloud: &mut Cloud) {
    for _ in 0..2 {
        cloud.order("web", SERVER, |_| {}).await;
    }
    cloud.until("web", InstanceState::Running).await;
    assert_eq!(cloud.engine.containers().len(), 1);
}

async fn nonsense_is_passed_over(cloud: &Cloud) {
    for subject in [
        "dea.0-test.start",
        "dea.stop",
        "dea.update",
        "dea.find.droplet",
        "dea.status",
    ] {
        for payload in ["", "nonsense", "[]", "{\"droplet\":7}"] {
            cloud.bus.publish_raw(subject, payload).await.unwrap();
        }
    }
}

async fn builds_are_answered_twice(cloud: &Cloud) {
    // Whoever has the package accepts the connection and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let package = format!("http://u:p@{}/package", silent.local_addr().unwrap());
    let request = |build: &str, mem: u64| StagingRequest {
        app_id: "app".to_owned(),
        task_id: build.to_owned(),
        stack: "bookworm".to_owned(),
        download_uri: package.clone(),
        limits: Limits {
            mem,
            disk: 64,
            fds: 0,
        },
        ..StagingRequest::default()
    };
    let subject = STAGING_ID_START.subject(cloud::ID).unwrap();
    let large = request("large", 9_999);
    let reply: StagingReply = cloud.bus.request(&subject, &large, LONG).await.unwrap();
    assert_eq!(reply.stage, StagingStage::Done);
    let kind = reply.error_info.unwrap().kind;
    assert_eq!(kind, StagingFault::InsufficientResources);

    let small = request("small", 64);
    let stop = StopStaging {
        app_id: "app".to_owned(),
        task_id: None,
    };
    let stopping = async {
        // It is under way when it asks for its package.
        let _connection = silent.accept().await.unwrap();
        cloud.bus.publish(&STAGING_STOP, &stop).await.unwrap();
        std::future::pending::<()>().await;
    };
    let replies = tokio::select! {
        replies = cloud.bus.gather::<_, StagingReply>(&subject, &small, 2, LONG) => replies.unwrap(),
        () = stopping => unreachable!(),
    };
    let replies: Vec<_> = replies
        .iter()
        .map(|reply| reply.decode().unwrap())
        .collect();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].stage, StagingStage::SetUp);
    assert_eq!(replies[1].stage, StagingStage::Done);
    assert!(replies[1].error_info.is_some(), "{replies:?}");
    assert!(tests_kit::eventually(LONG, || {
        cloud
            .dea
            .ask("/metrics")
            .contains("dea_memory_reserved_mib 0")
    }));
}

/// One that is killed while it launches an instance launches it again; one that is asked to end leaves it
/// alone.
async fn an_agent_may_come_and_go(cloud: &mut Cloud) {
    cloud.order("other", SERVER, |order| order.index = 1).await;
    // An order that is lost before it is on disk is the health manager's to repeat.
    assert!(tests_kit::eventually(LONG, || cloud
        .snapshot()
        .contains("\"other\"")));
    cloud.restart_dea().await;
    cloud.until("other", InstanceState::Running).await;
    // The engine may have made one for the agent that was killed.
    let engine = &cloud.engine;
    assert!(tests_kit::eventually(LONG, || engine.containers().len() == 2));
    let containers = cloud.engine.containers();
    cloud.dea.signal(rustix::process::Signal::TERM);
    let status = cloud.dea.ended(LONG).expect("it ends");
    assert!(status.success(), "{status}");
    cloud.restart_dea().await;
    cloud.until("other", InstanceState::Running).await;
    assert_eq!(cloud.engine.containers(), containers);
    cloud.stop("other").await;
    cloud.exit_of("other").await;
}

async fn a_bus_that_was_away_gets_all_lines(cloud: &mut Cloud) {
    let last = numbers(cloud, 1, 0).await;
    cloud.restart_bus().await;
    // What the old server had and had not passed on is its own loss.
    let lost = numbers(cloud, 40, last).await - last - 40;
    assert!(lost <= 5, "{lost} lines lost");
    let engine = &cloud.engine;
    let is_one = || engine.containers().len() == 1;
    assert!(
        tests_kit::eventually(LONG, is_one),
        "nothing is started again"
    );
}

/// Instances go on without their engine, and their output is read when it is back.
async fn an_engine_may_crash(cloud: &mut Cloud) {
    let containers = cloud.engine.containers();
    let last = numbers(cloud, 1, 0).await;
    cloud.engine.crash_and_restart();
    let lost = numbers(cloud, 40, last).await - last - 40;
    assert_eq!(lost, 0, "lines lost");
    assert_eq!(cloud.engine.containers(), containers);
    let found = cloud.find("web").await.remove(0);
    assert_eq!(found.state, InstanceState::Running);
}

/// Waits for the next `count` numbers of the first instance, which increase from `last`, and returns the
/// latest.
async fn numbers(cloud: &mut Cloud, count: usize, mut last: u64) -> u64 {
    let number = |line: &OutputLine| {
        let text = Some(line.text.as_str()).filter(|_| line.instance_index == 0);
        text?.strip_prefix("read ")?.parse::<u64>().ok()
    };
    for _ in 0..count {
        let line = cloud.line(|line| number(line).is_some()).await;
        let next = number(&line).unwrap();
        assert!(next > last, "no line comes twice: {last} {next}");
        last = next;
    }
    last
}

/// An instance serves until it is stopped, then the DEA ends.
async fn a_node_is_emptied(cloud: &mut Cloud) {
    let before = cloud.engine.containers();
    cloud.dea.signal(rustix::process::Signal::USR1);
    cloud.until("web", InstanceState::Evacuating).await;
    assert_eq!(cloud.exit_of("web").await.reason, ExitReason::DeaEvacuation);
    cloud.order("late", SERVER, |_| {}).await;
    let refused = cloud.exit_of("late").await;
    assert_eq!(refused.exit_description, "The node is being emptied");
    assert_eq!(cloud.engine.containers(), before);
    cloud.stop("web").await;
    let status = cloud.dea.ended(LONG).expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(cloud.engine.containers(), Vec::<String>::new());
}

async fn what_cannot_run_has_crashed(cloud: &mut Cloud) {
    let check = async |cloud: &mut Cloud, process: &str, status: i64, description: &str| {
        let exited = cloud.exit_of(process).await;
        assert_eq!(exited.reason, ExitReason::Crashed, "{exited:?}");
        assert_eq!(exited.exit_status, status, "{exited:?}");
        assert!(exited.exit_description.contains(description), "{exited:?}");
        assert!(exited.crash_timestamp.is_some());
        cloud.until(process, InstanceState::Crashed).await;
    };
    cloud
        .order("large", SERVER, |order| order.limits.mem = 4_096)
        .await;
    check(cloud, "large", -1, "Not enough memory resource available").await;
    cloud
        .order("other", SERVER, |order| order.sha256 = "0".repeat(64))
        .await;
    check(cloud, "other", -1, "digest").await;
    cloud
        .order("stackless", SERVER, |order| order.stack.clear())
        .await;
    check(cloud, "stackless", -1, "stack").await;
    cloud
        .order("idle", SERVER, |order| order.start_command = None)
        .await;
    check(cloud, "idle", -1, "start command").await;
    cloud.order("quick", "echo so long; exit 3", |_| {}).await;
    check(cloud, "quick", 3, "app instance exited").await;
    let line = cloud.line(|line| line.text == "so long").await;
    assert_eq!((line.source.as_str(), line.instance_index), ("app", 0));
    let deaf = |order: &mut StartInstance| {
        order.health_check_timeout = Some(1);
    };
    cloud.order("deaf", "sleep 1000", deaf).await;
    check(cloud, "deaf", -1, "failed to start accepting connections").await;
}

async fn one_serves_and_is_told_of(cloud: &mut Cloud) {
    cloud.order("web", SERVER, |_| {}).await;
    let id = cloud.until("web", InstanceState::Running).await;
    let claim = cloud.claim("web.example.com").await;
    let address: SocketAddr = claim.strip_prefix('+').unwrap().parse().unwrap();
    assert_eq!(page(address), PAGE);
    let line = cloud.line(|line| line.text == "read 1").await;
    assert_eq!(
        (line.app_name.as_str(), line.process_type.as_str()),
        ("sample", "web")
    );

    let found = cloud.find("web").await.remove(0);
    assert_eq!((found.instance, found.state), (id, InstanceState::Running));
    let stats = found.stats.unwrap();
    assert_eq!(
        (stats.host, stats.port),
        (address.ip().to_string(), address.port())
    );
    assert_eq!(stats.mem_quota, 64 << 20);
    cloud.until_used("web").await;

    let find = FindLines {
        app_guid: "app".to_owned(),
        limit: 3,
    };
    let recent: RecentLines = cloud
        .bus
        .request(&DEA_FIND_LOGS, &find, LONG)
        .await
        .unwrap();
    assert_eq!(recent.lines.len(), 3);

    let update = UpdateProcess {
        droplet: "web".to_owned(),
        uris: vec!["new.example.com".to_owned()],
        version: "v2".to_owned(),
    };
    cloud.bus.publish(&DEA_UPDATE, &update).await.unwrap();
    assert_eq!(cloud.claim("web.example.com").await, format!("-{address}"));
    assert_eq!(cloud.claim("new.example.com").await, format!("+{address}"));

    let process = |order: &mut StartInstance| {
        order.health_check = HealthCheck::Process;
        order.process_type = "worker".to_owned();
        order.start_command = None;
    };
    cloud.order("worker", "", process).await;
    cloud.until("worker", InstanceState::Running).await;
    cloud.line(|line| line.text == "from the droplet").await;
}

async fn it_outlives_a_killed_agent(cloud: &mut Cloud) {
    let before = cloud.find("web").await.remove(0);
    let containers = cloud.engine.containers();
    let first = numbers(cloud, 1, 0).await;
    cloud.restart_dea().await;
    let id = cloud.until("web", InstanceState::Running).await;
    assert_eq!(id, before.instance);
    assert_eq!(cloud.engine.containers(), containers);
    let after = cloud.find("web").await.remove(0);
    assert_eq!(after.version, "v2");
    let claim = cloud.claim("new.example.com").await;
    let address: SocketAddr = claim.strip_prefix('+').unwrap().parse().unwrap();
    assert_eq!(page(address), PAGE);

    let last = numbers(cloud, 40, first).await;
    assert_eq!(last, first + 40, "no line is lost and none comes twice");
}

async fn it_is_stopped_gracefully(cloud: &mut Cloud) {
    for process in ["web", "worker"] {
        cloud.stop(process).await;
    }
    // It may have been renewed meanwhile.
    while !cloud.claim("new.example.com").await.starts_with('-') {}
    cloud.line(|line| line.text == "bye").await;
    let exited = cloud.exit_of("web").await;
    assert_eq!(
        (exited.reason, exited.exit_status),
        (ExitReason::Stopped, 7)
    );
    let exited = cloud.exit_of("worker").await;
    assert_eq!(exited.reason, ExitReason::Stopped);
    let engine = &cloud.engine;
    assert!(tests_kit::eventually(LONG, || engine
        .containers()
        .is_empty()));
    assert!(tests_kit::eventually(LONG, || {
        cloud
            .dea
            .ask("/metrics")
            .contains("dea_memory_reserved_mib 0")
    }));
}

/// A container with our label that belongs to nothing goes; one without it stays.
async fn strangers_are_removed(cloud: &mut Cloud) {
    let engine = &cloud.engine;
    let create = |label: &str| {
        let arguments = [
            "create",
            "--network",
            "none",
            "--label",
            label,
            image::IMAGE,
            "true",
        ];
        engine.docker(&arguments).unwrap()
    };
    let ours = create(OUR_LABEL);
    let theirs = create("somebody.else=1");
    assert!(tests_kit::eventually(LONG, || !engine
        .containers()
        .contains(&ours)));
    assert!(engine.containers().contains(&theirs));
}

/// The page that is served at `address`.
fn page(address: SocketAddr) -> String {
    let mut client = Client::connect(address);
    client.get("app", "/index.html").text()
}

//! The first thread of the cloud: a push puts an app behind the router.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod cloud;
mod ends;

use cf_driver::commands::{Push, recent_logs, scale, stop};

use crate::cloud::{Cloud, LONG, sample};
use crate::ends::the_controller_may_end_anywhere;

#[tokio::test]
async fn an_app_is_pushed_reached_scaled_and_deleted() {
    let Some(mut cloud) = Cloud::start().await else {
        return;
    };
    a_static_app_is_pushed(&mut cloud).await;
    it_is_scaled_and_stopped(&mut cloud).await;
    it_outlives_its_agent_and_its_bus(&mut cloud).await;
    the_controller_may_end_anywhere(&mut cloud).await;
    an_instance_that_dies_comes_back(&mut cloud).await;
    it_is_deleted(&mut cloud).await;
}

async fn a_static_app_is_pushed(cloud: &mut Cloud) {
    let space = cloud.space();
    let push = Push::new("hello", sample("static"));
    let pushed = push.run(&mut cloud.session, &space).await;
    let pushed = pushed.unwrap_or_else(|error| panic!("{error:#}\n{}", cloud.logs()));
    assert_eq!(pushed.summary.web(), (1, 1));
    assert_eq!(pushed.summary.routes[0].url, "hello.apps.test");
    let staged = pushed.staging_output.join("\n");
    assert!(staged.contains("staticfile"), "{staged}");
    let page = std::fs::read_to_string(sample("static").join("index.html")).unwrap();
    assert_eq!(cloud.until_served("hello"), page);
    let lines = recent_logs(&mut cloud.session, "hello", &space)
        .await
        .unwrap();
    let of = |source: &str| lines.iter().any(|line| line.source == source);
    assert!(of("STG") && of("APP/PROC/WEB"), "{lines:?}");
}

async fn it_is_scaled_and_stopped(cloud: &mut Cloud) {
    let space = cloud.space();
    scale(&mut cloud.session, "hello", &space, 3).await.unwrap();
    let app = cloud.session.find_app("hello", &space).await.unwrap();
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        let stats = cloud.session.stats(&app.guid).await.unwrap();
        assert_eq!(stats.len(), 3);
        if stats.iter().all(|stats| stats.state == "RUNNING") {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{stats:?}\n{}",
            cloud.logs()
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(cloud.engine.containers().len(), 3);
    stop(&mut cloud.session, "hello", &space).await.unwrap();
    assert!(tests_kit::eventually(LONG, || cloud
        .engine
        .containers()
        .is_empty()));
    assert_eq!(cloud.get("hello", "/").0, 404);
    scale(&mut cloud.session, "hello", &space, 1).await.unwrap();
    cf_driver::commands::start(&mut cloud.session, "hello", &space)
        .await
        .unwrap();
    cloud.until_served("hello");
}

async fn it_outlives_its_agent_and_its_bus(cloud: &mut Cloud) {
    let before = cloud.engine.containers();
    cloud.crash_dea();
    cloud.crash_controller().await;
    cloud.nats.restart();
    for _ in 0..50 {
        assert_eq!(cloud.get("hello", "/").0, 200);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(cloud.engine.containers(), before);
}

async fn an_instance_that_dies_comes_back(cloud: &mut Cloud) {
    let before = cloud.engine.containers();
    assert_eq!(before.len(), 1);
    let killed = cloud.engine.docker(&["kill", &before[0]]);
    assert!(killed.is_some());
    let is_back = tests_kit::eventually(LONG, || {
        let now = cloud.engine.containers();
        now.len() == 1 && now != before && cloud.get("hello", "/").0 == 200
    });
    assert!(is_back, "{}", cloud.logs());
    let space = cloud.space();
    let summary = cloud.session.app("hello", &space).await.unwrap();
    assert_eq!(summary.web(), (1, 1));
}

async fn it_is_deleted(cloud: &mut Cloud) {
    let space = cloud.space();
    cloud.session.delete_app("hello", &space).await.unwrap();
    assert!(tests_kit::eventually(LONG, || cloud
        .engine
        .containers()
        .is_empty()));
    assert!(cloud.session.find_app("hello", &space).await.is_err());
    assert!(cloud.session.routes(&space).await.unwrap().is_empty());
}

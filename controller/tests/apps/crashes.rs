//! The controller ends at any time, and nothing that was promised is lost.

use std::time::Duration;

use cf_driver::commands::{Push, scale};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{Cloud, with_cloud};
use crate::fake_dea::Staging;

#[test]
fn what_runs_goes_on_and_what_is_missing_comes_back() {
    with_cloud("a restart of the controller", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        scale(&mut cloud.session, "quill", &space, 2).await.unwrap();
        dea.until_runs(&app, &[0, 1]).await;
        // While nobody looks, one instance is lost and one is there that nobody wants.
        cloud.process.kill();
        {
            let mut told = dea.told.lock().unwrap();
            let (_, mut stray) = told.running.remove(1);
            stray.droplet = "deleted".to_owned();
            told.running.push(("f".repeat(32), stray));
        }
        cloud.crash_and_restart().await;
        dea.until_runs(&app, &[0, 1]).await;
        dea.until_runs("deleted", &[]).await;
        // Nothing was started twice.
        assert_eq!(dea.told.lock().unwrap().starts.len(), 3);
        let summary = cloud.session.app("quill", &space).await.unwrap();
        assert_eq!(summary.web().1, 2);
    });
}

#[test]
fn a_build_whose_answer_nobody_heard_has_failed() {
    with_cloud("a restart while staging", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::NeverEnds).await;
        let space = cloud.space.clone();
        let mut push = Push::new("quill", cloud.files.path());
        push.starts = false;
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        let session = &mut cloud.session;
        let query = [("app_guids", app.as_str())];
        let packages: Vec<Value> = session.list("/v3/packages", &query).await.unwrap();
        let body = json!({"package": {"guid": packages[0]["guid"]}});
        let build: Value = session
            .change(Method::POST, "/v3/builds", &body)
            .await
            .unwrap();
        let second = session
            .change::<Value>(Method::POST, "/v3/builds", &body)
            .await;
        assert!(format!("{:#}", second.unwrap_err()).contains("Only one build"));
        dea.until(|dea| dea.told.lock().unwrap().stagings == 1)
            .await;
        cloud.crash_and_restart().await;
        let path = format!("/v3/builds/{}", build["guid"].as_str().unwrap());
        loop {
            let build: Value = cloud.session.get(&path, &[]).await.unwrap();
            if build["state"] == "FAILED" {
                let error = build["error"].as_str().unwrap();
                assert!(error.contains("restarted"), "{error}");
                break;
            }
            assert_eq!(build["state"], "STAGING");
        }
    });
}

#[test]
fn what_finds_no_place_waits_for_one() {
    with_cloud("a start without a DEA", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let mut push = Push::new("quill", cloud.files.path());
        push.manifest = "memory: 3G".to_owned();
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        // The DEA has 4 GiB, and says so again and again: it has no room for the second one only until
        // it advertises.
        let body = json!({"instances": 1, "memory_in_mb": 8_192});
        let path = format!("/v3/apps/{app}/processes/web/actions/scale");
        let session = &mut cloud.session;
        session
            .change::<Value>(Method::POST, &path, &body)
            .await
            .unwrap();
        let restart = format!("/v3/apps/{app}/actions/restart");
        session
            .change::<Value>(Method::POST, &restart, &Value::Null)
            .await
            .unwrap();
        dea.until_runs(&app, &[]).await;
        let details = loop {
            let stats: Vec<Value> = session
                .list(&format!("/v3/processes/{app}/stats"), &[])
                .await
                .unwrap();
            assert_eq!((stats.len(), &stats[0]["state"]), (1, &json!("DOWN")));
            if let Some(details) = stats[0]["details"].as_str() {
                break details.to_owned();
            }
        };
        assert!(details.contains("insufficient resources"), "{details}");
        let figures = cloud.process.ask("/metrics");
        for sample in [
            "controller_deas 1\n",
            "controller_processes_waiting 1\n",
            "{class=\"2xx\"} ",
        ] {
            assert!(figures.contains(sample), "{sample}: {figures}");
        }
        let body = json!({"memory_in_mb": 512});
        session
            .change::<Value>(Method::POST, &path, &body)
            .await
            .unwrap();
        dea.until_runs(&app, &[0]).await;
    });
}

/// When the controller is ended during a push, in milliseconds after its beginning.
const POINTS: [u64; 6] = [5, 40, 120, 300, 900, 3_100];

#[test]
fn a_push_may_be_ended_anywhere_and_done_again() {
    with_cloud("ends of the controller", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let mut known = None;
        for point in POINTS {
            let end = tokio::time::sleep(Duration::from_millis(point));
            tokio::select! {
                // How far it came does not matter.
                pushed = push.run(&mut cloud.session, &space) => drop(pushed),
                () = end => {}
            }
            let before = cloud.session.find_app("quill", &space).await.ok();
            cloud.crash_and_restart().await;
            let after = cloud.session.find_app("quill", &space).await.ok();
            let (before, after) = (before.map(|app| app.guid), after.map(|app| app.guid));
            assert_eq!(before, after, "what was told is there");
            assert!(known.is_none() || known == after, "what was there stays");
            known = after;
        }
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        dea.until_runs(&app, &[0]).await;
        let running = dea.told.lock().unwrap().running.len();
        assert_eq!(running, 1, "no orphan");
        let apps = cloud.session.apps(&space).await.unwrap();
        assert_eq!((apps.len(), Some(&apps[0].guid)), (1, known.as_ref()));
    });
}

#[test]
fn the_bus_may_end_and_come_back() {
    with_cloud("a restart of the bus", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        cloud.nats.kill();
        // What is asked for meanwhile is written down, and done when the bus is there again.
        let path = format!("/v3/apps/{app}/processes/web/actions/scale");
        let body = json!({"instances": 2});
        let asked = cloud
            .session
            .change::<Value>(Method::POST, &path, &body)
            .await;
        asked.unwrap();
        cloud.nats.restart();
        dea.until_runs(&app, &[0, 1]).await;
        assert_eq!(dea.told.lock().unwrap().starts.len(), 2);
    });
}

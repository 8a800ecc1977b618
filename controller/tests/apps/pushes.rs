//! What `cf push` and the commands after it come to.

use cf_driver::commands::{Push, recent_logs, scale, start, stop};
use cf_driver::fault::refused;

use crate::cloud::{Cloud, with_cloud};
use crate::fake_dea::Staging;

#[test]
fn an_app_is_pushed_scaled_stopped_started_and_deleted() {
    with_cloud("a push", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let session = &mut cloud.session;
        let pushed = push.run(session, &space).await.unwrap();
        assert_eq!(pushed.staging_output, ["-----> Staging"]);
        assert_eq!(pushed.summary.web(), (1, 1));
        assert_eq!(pushed.summary.routes[0].url, "quill.apps.test");
        assert!(dea.told.lock().unwrap().package > 0);
        let app = pushed.summary.app.guid;
        {
            let told = dea.told.lock().unwrap();
            let started = &told.starts[0];
            assert_eq!((told.starts.len(), started.index), (1, 0));
            assert_eq!(started.uris, ["quill.apps.test"]);
            assert_eq!(started.start_command.as_deref(), Some("./run"));
            assert_eq!(
                (started.droplet.as_str(), started.app_id.as_str()),
                (app.as_str(), app.as_str())
            );
        }
        // The worker that the droplet knows is there, with no instance.
        let summary = session.app("quill", &space).await.unwrap();
        let kinds: Vec<_> = summary
            .processes
            .iter()
            .map(|(process, _)| process.kind.clone())
            .collect();
        assert_eq!(kinds, ["web", "worker"]);
        let scaled = scale(session, "quill", &space, 3).await.unwrap();
        assert_eq!(scaled.web().1, 3);
        dea.until_runs(&app, &[0, 1, 2]).await;
        scale(session, "quill", &space, 1).await.unwrap();
        dea.until_runs(&app, &[0]).await;
        stop(session, "quill", &space).await.unwrap();
        dea.until_runs(&app, &[]).await;
        assert_eq!(start(session, "quill", &space).await.unwrap().web(), (1, 1));
        let lines = recent_logs(session, "quill", &space).await.unwrap();
        let staged = lines
            .iter()
            .any(|line| line.source == "STG" && line.text == "-----> Staging");
        let made = lines
            .iter()
            .any(|line| line.source == "API" && line.text.starts_with("Created app"));
        assert!(staged && made, "{lines:?}");
        session.delete_app("quill", &space).await.unwrap();
        dea.until_runs(&app, &[]).await;
        assert!(session.find_app("quill", &space).await.is_err());
    });
}

#[test]
fn a_manifest_says_what_an_app_is() {
    with_cloud("a manifest", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let mut push = Push::new("quill", cloud.files.path());
        push.has_manifest_file = true;
        push.manifest = "memory: 64M\ndisk-quota: 256M\ninstances: 2\nbuildpacks: [binary]\n\
            env: {FLAG: true, PORTX: 8080}\nroutes: [{route: alt.apps.test}, {route: b.apps.test/x}]\n\
            health-check-type: process\ncommand: ./go\nsidecars: []\nfeatures: {ssh: false}"
            .to_owned();
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid.clone();
        dea.until_runs(&app, &[0, 1]).await;
        let started = dea.told.lock().unwrap().starts[0].clone();
        assert_eq!((started.limits.mem, started.limits.disk), (64, 256));
        assert_eq!(started.uris, ["alt.apps.test", "b.apps.test/x"]);
        assert_eq!(started.env, ["FLAG=true", "PORTX=8080"]);
        assert_eq!(started.start_command.as_deref(), Some("./go"));
        // A variable that is set later is there after a restart, and not before.
        let session = &mut cloud.session;
        session
            .set_env("quill", &space, "FLAG", Some("no"))
            .await
            .unwrap();
        let env = session.env("quill", &space).await.unwrap();
        assert_eq!(env.environment_variables["FLAG"], "no");
        assert_eq!(dea.told.lock().unwrap().starts.len(), 2);
        let target = session.target("first", "dev").await.unwrap();
        // A route that goes is told to those who run the app.
        session
            .unmap_route(&target, "quill", "apps.test", "alt")
            .await
            .unwrap();
        let updated = |dea: &crate::fake_dea::FakeDea| {
            let told = dea.told.lock().unwrap();
            told.updates
                .iter()
                .any(|update| update.droplet == app && update.uris == ["b.apps.test/x"])
        };
        dea.until(updated).await;
        push.manifest = "memory: 64\nservices: [db]\nbuildpacks: [ruby]".to_owned();
        let error = push.run(session, &space).await.unwrap_err();
        let told = refused(&error).unwrap();
        assert_eq!((told.status, told.errors.len()), (422, 2), "{told:?}");
    });
}

#[test]
fn a_build_that_fails_says_why() {
    with_cloud("a failed build", async |mut cloud: Cloud| {
        let dea = cloud.dea(Staging::Fails).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let error = push.run(&mut cloud.session, &space).await.unwrap_err();
        let told = format!("{error:#}");
        assert!(
            told.contains("NoAppDetectedError - no buildpack knows the app"),
            "{told}"
        );
        assert!(dea.told.lock().unwrap().starts.is_empty());
        let error = start(&mut cloud.session, "quill", &space)
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("NoAppDetectedError"),
            "{error:#}"
        );
    });
}

//! Who may do what to apps, endpoint by endpoint.

use cf_driver::commands::Push;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{Cloud, with_cloud};
use crate::fake_dea::Staging;
use crate::permission::Row;

const ROLES: [Option<&str>; 4] = [
    None,
    Some("space_auditor"),
    Some("space_supporter"),
    Some("space_developer"),
];

const SEEN: [u16; 4] = [404, 200, 200, 200];
const SECRET: [u16; 4] = [404, 403, 403, 200];
const OPERATED: [u16; 4] = [404, 403, 200, 200];

fn reads(app: &str, package: &str, build: &str) -> Vec<Row<4>> {
    let row = |path: String, expected| Row {
        method: Method::GET,
        path,
        body: Value::Null,
        expected,
    };
    let of_app = |rest: &str| format!("/v3/apps/{app}{rest}");
    vec![
        row(of_app(""), SEEN),
        row(of_app("/processes"), SEEN),
        row(of_app("/processes/web"), SEEN),
        row(of_app("/droplets/current"), SEEN),
        row(of_app("/packages"), SEEN),
        row(of_app("/ssh_enabled"), SEEN),
        row(of_app("/env"), SECRET),
        row(of_app("/environment_variables"), SECRET),
        row(format!("/v3/processes/{app}"), SEEN),
        row(format!("/v3/processes/{app}/stats"), SEEN),
        row(format!("/v3/processes/{app}/sidecars"), SEEN),
        row(format!("/v3/packages/{package}"), SEEN),
        row(format!("/v3/builds/{build}"), SEEN),
        row(format!("/v3/droplets/{build}"), SEEN),
        row(format!("/api/v1/read/{app}"), SEEN),
    ]
}

fn writes(app: &str, package: &str, build: &str) -> Vec<Row<4>> {
    let row = |method: Method, path: String, body: Value, expected| Row {
        method,
        path,
        body,
        expected,
    };
    let patch = |path, body| row(Method::PATCH, path, body, SECRET);
    let act = |path| row(Method::POST, path, json!({}), OPERATED);
    // In a body, what is not seen is a mistake of the request.
    let make = |path: &str, body| row(Method::POST, path.to_owned(), body, [422, 403, 403, 200]);
    let of_app = |rest: &str| format!("/v3/apps/{app}{rest}");
    let bits = json!({"type": "bits", "relationships": {"app": {"data": {"guid": app}}}});
    let droplet = json!({"data": {"guid": build}});
    vec![
        patch(of_app(""), json!({})),
        patch(of_app("/environment_variables"), json!({"var": {}})),
        patch(of_app("/relationships/current_droplet"), droplet),
        patch(format!("/v3/processes/{app}"), json!({})),
        act(format!("/v3/processes/{app}/actions/scale")),
        act(of_app("/processes/web/actions/scale")),
        act(of_app("/actions/stop")),
        act(of_app("/actions/start")),
        act(of_app("/actions/restart")),
        make("/v3/packages", bits),
        make("/v3/builds", json!({"package": {"guid": package}})),
        row(Method::DELETE, of_app(""), json!({}), SECRET),
    ]
}

#[test]
fn each_endpoint_asks_for_its_role() {
    with_cloud("permissions of apps", async |mut cloud: Cloud| {
        let _dea = cloud.dea(Staging::Succeeds).await;
        let space = cloud.space.clone();
        let push = Push::new("quill", cloud.files.path());
        let pushed = push.run(&mut cloud.session, &space).await.unwrap();
        let app = pushed.summary.app.guid;
        let packages = format!("/v3/packages?app_guids={app}");
        let packages: Value = cloud.session.get(&packages, &[]).await.unwrap();
        let package = packages["resources"][0]["guid"].as_str().unwrap();
        let droplet = pushed.summary.droplet.unwrap().guid;
        for (number, role) in ROLES.into_iter().enumerate() {
            let mut session = cloud.user(&format!("user-{number}"), role).await;
            let query = [("space_guids", space.as_str())];
            let listed: Vec<Value> = session.list("/v3/apps", &query).await.unwrap();
            assert_eq!(listed.len(), usize::from(role.is_some()), "{role:?}");
            let all = reads(&app, package, &droplet).into_iter();
            for row in all.chain(writes(&app, package, &droplet)) {
                row.check(&mut session, number, role).await;
            }
        }
    });
}

#[test]
fn blobs_are_for_deas_alone() {
    with_cloud("permissions of blobs", async |cloud: Cloud| {
        let client = reqwest::Client::new();
        let url = |path: &str| format!("http://{}/staging/{path}", cloud.process.address());
        let token = format!("bearer {}", cloud.token().await);
        for path in [
            "packages/a",
            "droplets/a/download",
            "buildpack_cache/a/bookworm",
        ] {
            for (given, expected) in [
                ("", 401),
                ("Basic c3RhZ2luZzp3cm9uZw==", 401),
                (token.as_str(), 401),
                ("Basic c3RhZ2luZzpwL3c=", 404),
            ] {
                let asked = client.get(url(path)).header("Authorization", given);
                let told = asked.send().await.unwrap().status();
                assert_eq!(told, expected, "{path} {given}");
            }
        }
        let asked = client
            .post(url("droplets/a/upload"))
            .header("Authorization", "Basic c3RhZ2luZzpwL3c=");
        assert_eq!(asked.body("x").send().await.unwrap().status(), 404);
    });
}

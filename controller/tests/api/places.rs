//! Organizations, spaces, roles, domains.

use cf_driver::fault::{Refused, refused};
use cf_driver::session::Session;
use reqwest::Method;
use serde_json::{Value, json};

use crate::controller::{Controller, run};

async fn refusal(session: &mut Session, method: Method, path: &str, body: Value) -> Refused {
    let answer = session.change::<Value>(method, path, &body).await;
    let error = answer.unwrap_err();
    refused(&error)
        .cloned()
        .unwrap_or_else(|| panic!("{error:#}"))
}

#[test]
fn an_organization_and_a_space_are_made_once() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        assert!(session.create_org("acme").await.unwrap());
        assert!(!session.create_org("ACME").await.is_ok_and(|is_new| is_new));
        assert!(!session.create_org("acme").await.unwrap());
        let orgs = session.orgs().await.unwrap();
        let names: Vec<&str> = orgs.iter().map(|org| org.name.as_str()).collect();
        assert_eq!(names, ["acme", "first"]);
        let acme = &orgs[0].guid;
        assert!(session.create_space("dev", acme).await.unwrap());
        assert!(!session.create_space("dev", acme).await.unwrap());
        let target = session.target("acme", "dev").await.unwrap();
        assert_eq!(target.org.guid, *acme);
        let roles: Vec<Value> = session
            .list(
                "/v3/roles",
                &[("space_guids", &target.space.guid), ("include", "user")],
            )
            .await
            .unwrap();
        let mut kinds: Vec<&str> = roles
            .iter()
            .map(|role| role["type"].as_str().unwrap())
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["space_developer", "space_manager"]);
        let domains = session.domains(acme).await.unwrap();
        assert_eq!(domains.len(), 1);
        assert_eq!(
            (domains[0].name.as_str(), domains[0].internal),
            ("apps.test", false)
        );
        assert!(domains[0].relationships.organization.data.is_none());
    });
}

#[test]
fn lists_come_in_pages_and_are_filtered() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        for number in 0..7 {
            session
                .create_org(&format!("org {number}, of 7"))
                .await
                .unwrap();
        }
        let query = [("per_page", "3"), ("order_by", "name")];
        let all: Vec<Value> = session.list("/v3/organizations", &query).await.unwrap();
        assert_eq!(all.len(), 8);
        assert_eq!(all[7]["name"], "org 6, of 7");
        // A name with a comma is encoded once more.
        let query = [("names", "org 3%2C of 7")];
        let found: Vec<Value> = session.list("/v3/organizations", &query).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["name"], "org 3, of 7");
        let bad = refusal(
            &mut session,
            Method::GET,
            "/v3/organizations?colour=red",
            Value::Null,
        )
        .await;
        assert_eq!((bad.status, bad.errors[0].code), (400, 10005));
    });
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        let orgs = "/v3/organizations";
        let post = Method::POST;
        let bad = refusal(&mut session, post.clone(), orgs, json!({ "name": 1 })).await;
        assert_eq!(bad.status, 422);
        assert!(
            bad.detail().contains("name: invalid type"),
            "{}",
            bad.detail()
        );
        let bad = refusal(&mut session, post.clone(), orgs, json!({ "name": "" })).await;
        assert_eq!(bad.status, 422);
        let space = json!({ "name": "s", "relationships": { "organization": { "data": { "guid": "none" } } } });
        let bad = refusal(&mut session, post, "/v3/spaces", space).await;
        assert!(
            bad.detail().starts_with("Invalid organization."),
            "{}",
            bad.detail()
        );
    });
}

#[test]
fn a_deleted_organization_takes_its_spaces_along() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        session.create_org("gone").await.unwrap();
        let orgs = session.orgs().await.unwrap();
        let gone = orgs.iter().find(|org| org.name == "gone").unwrap();
        session.create_space("dev", &gone.guid).await.unwrap();
        let path = format!("/v3/organizations/{}/", gone.guid);
        let json = "application/json";
        session
            .change_and_wait(Method::DELETE, &path, json, Vec::new())
            .await
            .unwrap();
        assert!(session.spaces(&gone.guid).await.unwrap().is_empty());
        let again = session
            .change_and_wait(Method::DELETE, &path, json, Vec::new())
            .await;
        let error = again.unwrap_err();
        assert_eq!(refused(&error).unwrap().detail(), "Organization not found");
    });
}

#[test]
fn lists_of_what_there_is_none_of_are_empty() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        for path in [
            "deployments",
            "service_instances",
            "service_plans",
            "isolation_segments",
        ] {
            let all: Vec<Value> = session.list(&format!("/v3/{path}"), &[]).await.unwrap();
            assert!(all.is_empty(), "{path}");
        }
        for (method, path, status, words) in [
            (
                Method::POST,
                "service_instances",
                422,
                "Service instances are not supported",
            ),
            (
                Method::DELETE,
                "deployments",
                422,
                "Deployments are not supported",
            ),
            (Method::PATCH, "tasks/one", 404, "Resource not found"),
            (
                Method::POST,
                "deployments/one/actions/cancel",
                404,
                "Resource not found",
            ),
        ] {
            let path = format!("/v3/{path}");
            let bad = refusal(&mut session, method, &path, json!({})).await;
            assert_eq!(bad.status, status, "{path}");
            assert!(bad.detail().contains(words), "{}", bad.detail());
        }
        let flag: Value = session
            .get("/v3/feature_flags/service_instance_sharing", &[])
            .await
            .unwrap();
        assert_eq!(flag["enabled"], false);
        let bad = refusal(
            &mut session,
            Method::GET,
            "/v3/feature_flags/x",
            Value::Null,
        )
        .await;
        assert_eq!(bad.detail(), "Feature flag not found");
    });
}

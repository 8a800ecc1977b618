//! Who is let in, and what tokens are good for.

use cf_driver::fault::refused;
use cf_driver::session::Session;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::controller::{Controller, run, yaml};

#[test]
fn a_user_logs_in_and_stays_logged_in_over_a_restart() {
    run(async {
        let mut controller = Controller::start();
        let mut session = controller.session().await;
        assert_eq!(session.api_version(), "3.195.0");
        let claims = session.claims().unwrap();
        assert_eq!(claims.user_name.as_deref(), Some("admin"));
        assert_eq!(claims.origin.as_deref(), Some("uaa"));
        session.refresh().await.unwrap();
        let token = controller.token().await;
        assert_eq!(status(&controller, &token).await, StatusCode::OK);
        controller.crash_and_restart();
        // It listens elsewhere now, and its former address is not one of its own any more.
        assert_eq!(status(&controller, &token).await, StatusCode::UNAUTHORIZED);
        let token = controller.token().await;
        assert_eq!(status(&controller, &token).await, StatusCode::OK);
    });
}

/// What is answered to a request with that token.
async fn status(controller: &Controller, token: &str) -> StatusCode {
    let url = format!("{}/v3/organizations", controller.url());
    let asked = Client::new().get(url).bearer_auth(token);
    asked.send().await.unwrap().status()
}

#[test]
fn what_is_encrypted_follows_the_first_key() {
    const ONE: &str = "{id: one, key: a key that nobody knows}";
    const TWO: &str = "{id: two, key: another one}";
    run(async {
        let mut controller = Controller::start();
        let mut session = controller.session().await;
        let orgs = session.orgs().await.unwrap();
        let space = session.spaces(&orgs[0].guid).await.unwrap()[0].guid.clone();
        let app = json!({
            "name": "quill",
            "environment_variables": {"SECRET": "value"},
            "relationships": {"space": {"data": {"guid": space}}},
        });
        let made = session
            .change::<Value>(Method::POST, "/v3/apps", &app)
            .await;
        let app = made.unwrap()["guid"].as_str().unwrap().to_owned();
        controller.restart_with(&format!("{TWO}, {ONE}"));
        controller.process.until_logged("encrypted-anew");
        controller.session().await;
        controller.restart_with(TWO);
        let mut session = controller.session().await;
        let path = format!("/v3/apps/{app}/environment_variables");
        let variables: Value = session.get(&path, &[]).await.unwrap();
        assert_eq!(variables["var"]["SECRET"], "value");
        // Without it nothing can be read, and nothing is served.
        controller.process.kill();
        let directory = controller.program.directory();
        let file = directory.file("other.yml", yaml("{id: three, key: a third one}"));
        let ended = controller.program.run(&["-c", &file.display().to_string()]);
        let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        assert!(!ended.status.success());
        assert!(
            said.contains("encrypted with the key \\\"two\\\""),
            "{said}"
        );
    });
}

#[test]
fn a_refresh_token_is_good_once() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        let mut copy = session.clone();
        session.refresh().await.unwrap();
        let error = copy.refresh().await.unwrap_err();
        assert!(format!("{error:#}").contains("invalid_token"), "{error:#}");
        session.orgs().await.unwrap();
    });
}

#[test]
fn wrong_passwords_are_refused_and_slow_the_guesser_down() {
    run(async {
        let controller = Controller::start();
        let mut session = Session::api(&controller.url()).await.unwrap();
        let mut said = Vec::new();
        for _ in 0..6 {
            let error = session.authenticate("admin", "guess").await.unwrap_err();
            said.push(format!("{error:#}"));
        }
        assert!(said[0].contains("Bad credentials"), "{}", said[0]);
        assert!(
            said[5].contains("Your account has been locked"),
            "{}",
            said[5]
        );
        // Nobody is told apart from somebody.
        let error = session.authenticate("nobody", "guess").await.unwrap_err();
        assert!(
            format!("{error:#}").contains("Bad credentials"),
            "{error:#}"
        );
    });
}

#[test]
fn what_is_no_token_of_ours_is_refused_in_the_form_of_the_api() {
    run(async {
        let controller = Controller::start();
        let client = Client::new();
        let url = format!("{}/v3/organizations", controller.url());
        let ask = async |authorization: Option<&str>| {
            let request = client.get(&url);
            let request = match authorization {
                Some(text) => request.header("Authorization", text),
                None => request,
            };
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            (
                status,
                body["errors"][0]["title"].as_str().unwrap().to_owned(),
            )
        };
        let unauthorized = StatusCode::UNAUTHORIZED;
        assert_eq!(
            ask(None).await,
            (unauthorized, "CF-NotAuthenticated".to_owned())
        );
        // Header {"alg":"none"} and claims that would do, without a signature.
        let unsigned = "bearer eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.";
        for bad in [
            "bearer x",
            "Basic Y2Y6",
            "bearer a.b.c",
            unsigned,
            "bearer",
            "",
        ] {
            let expected = (unauthorized, "CF-InvalidAuthToken".to_owned());
            assert_eq!(ask(Some(bad)).await, expected, "{bad}");
        }
    });
}

#[test]
fn an_unknown_request_is_told_in_the_form_of_the_api() {
    run(async {
        let controller = Controller::start();
        let mut session = controller.session().await;
        for (method, path) in [
            (Method::GET, "/v3/nothing"),
            (Method::PUT, "/v3/organizations"),
            (Method::GET, "/nothing/at/all"),
        ] {
            let answer = session.change::<Value>(method, path, &Value::Null).await;
            let error = answer.unwrap_err();
            let refused = refused(&error).unwrap();
            assert_eq!(
                (refused.status, refused.detail()),
                (404, "Unknown request"),
                "{path}"
            );
        }
    });
}

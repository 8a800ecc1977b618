//! Who may do what to organizations, spaces, roles, domains and routes, endpoint by endpoint.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cloud::{Cloud, with_cloud};
use crate::permission::Row;

const ROLES: [Option<&str>; 7] = [
    None,
    Some("organization_user"),
    Some("space_auditor"),
    Some("space_supporter"),
    Some("space_developer"),
    Some("space_manager"),
    // The last one, because it may take things away.
    Some("organization_manager"),
];

/// Seen in the organization.
const MEMBERS: [u16; 7] = [404, 200, 200, 200, 200, 200, 200];
/// Seen in the space.
const SEEN: [u16; 7] = [404, 404, 200, 200, 200, 200, 200];
const ADMINISTRATORS: [u16; 7] = [404, 403, 403, 403, 403, 403, 403];
const NOBODY: [u16; 7] = [403; 7];

/// What there is to be seen and changed.
struct Guids {
    org: String,
    space: String,
    route: String,
    domain: String,
}

fn row(method: Method, path: &str, body: Value, expected: [u16; 7]) -> Row<7> {
    Row {
        method,
        path: format!("/v3/{path}"),
        body,
        expected,
    }
}

fn get(path: &str, expected: [u16; 7]) -> Row<7> {
    row(Method::GET, path, Value::Null, expected)
}

fn patch(path: &str, expected: [u16; 7]) -> Row<7> {
    row(Method::PATCH, path, json!({}), expected)
}

fn post(path: &str, body: Value, expected: [u16; 7]) -> Row<7> {
    row(Method::POST, path, body, expected)
}

fn delete(path: &str, expected: [u16; 7]) -> Row<7> {
    row(Method::DELETE, path, Value::Null, expected)
}

fn of(guid: &str) -> Value {
    json!({"data": {"guid": guid}})
}

fn role(kind: &str, place: &str, guid: &str) -> Value {
    json!({"type": kind, "relationships": {"user": of("nobody"), place: of(guid)}})
}

/// What is made in a place. In a body, what is not seen is a mistake of the request. Whoever may do it is
/// told that the name is taken, or that there is no such user.
fn creations(guids: &Guids) -> Vec<Row<7>> {
    let (org, space) = (guids.org.as_str(), guids.space.as_str());
    let in_org = json!({"organization": of(org)});
    let in_space = json!({"space": of(space), "domain": of(&guids.domain)});
    let doubled = json!({"name": "dev", "relationships": in_org});
    let private = json!({"name": "private.test", "relationships": in_org});
    let below_shared = json!({"name": "api.apps.test", "relationships": in_org});
    let taken = json!({"host": "taken", "relationships": in_space});
    let org_role = role("organization_auditor", "organization", org);
    let space_role = role("space_auditor", "space", space);
    let managers = [422, 403, 403, 403, 403, 403, 422];
    vec![
        post("organizations", json!({"name": "another"}), NOBODY),
        post("domains", json!({"name": "shared.test"}), NOBODY),
        post("users", json!({"guid": "another"}), NOBODY),
        post("spaces", doubled, managers),
        post("roles", org_role, managers),
        post("roles", space_role, [422, 422, 403, 403, 403, 422, 422]),
        post("domains", below_shared, managers),
        post("domains", private, [422, 403, 403, 403, 403, 403, 200]),
        post("routes", taken, [422, 422, 403, 422, 422, 403, 403]),
    ]
}

/// What is done to a place that is there.
fn rows(guids: &Guids) -> Vec<Row<7>> {
    let org = &format!("organizations/{}", guids.org);
    let space = &format!("spaces/{}", guids.space);
    let route = &format!("routes/{}", guids.route);
    let domain = &format!("domains/{}", guids.domain);
    let destination = &format!("{route}/destinations/none");
    vec![
        get(org, MEMBERS),
        get(&format!("{org}/domains"), MEMBERS),
        patch(org, [404, 403, 403, 403, 403, 403, 200]),
        delete(org, ADMINISTRATORS),
        get(space, SEEN),
        patch(space, [404, 404, 403, 403, 403, 200, 200]),
        get(domain, [200; 7]),
        delete(domain, NOBODY),
        delete("users/nobody", NOBODY),
        get(route, SEEN),
        get(&format!("{route}/destinations"), SEEN),
        patch(route, [404, 404, 403, 200, 200, 403, 403]),
        delete(destination, [404, 404, 403, 422, 422, 403, 403]),
        delete(space, [404, 404, 403, 403, 403, 403, 200]),
    ]
}

#[test]
fn each_endpoint_asks_for_its_role() {
    with_cloud("permissions of places", async |mut cloud: Cloud| {
        let session = &mut cloud.session;
        let domains: Value = session.get("/v3/domains", &[]).await.unwrap();
        let domain = domains["resources"][0]["guid"].as_str().unwrap().to_owned();
        let body = json!({"host": "taken", "relationships": {
            "space": {"data": {"guid": cloud.space}},
            "domain": {"data": {"guid": domain}},
        }});
        let route: Value = session
            .change(Method::POST, "/v3/routes", &body)
            .await
            .unwrap();
        let guids = Guids {
            org: cloud.org.clone(),
            space: cloud.space.clone(),
            route: route["guid"].as_str().unwrap().to_owned(),
            domain,
        };
        for (column, role) in ROLES.into_iter().enumerate() {
            let mut session = cloud.user(&format!("user-{column}"), role).await;
            for row in creations(&guids).into_iter().chain(rows(&guids)) {
                row.check(&mut session, column, role).await;
            }
        }
    });
}

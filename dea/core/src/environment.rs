//! The environment of an app, and the command that it is started by.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::instance::Instance;
use component_core::calendar::calendar;

/// Where a droplet is unpacked in a container.
pub const HOME: &str = "/home/vcap";

/// What a shell does before it becomes the app: `$1` is the start command. The scripts in
/// `.profile.d` are those of buildpacks, `.profile` is the app's own.
const LAUNCHER: &str = r#"umask 077
cd "$HOME" || exit 1
for file in .profile.d/*.sh; do
  if [ -r "$file" ]; then . "./$file"; fi
done
if [ -r .profile ]; then . ./.profile; fi
unset file
exec /bin/bash -c "$1""#;

/// What an app is told of a bound service.
const SERVICE_FIELDS: [&str; 13] = [
    "name",
    "label",
    "tags",
    "plan",
    "plan_option",
    "provider",
    "credentials",
    "syslog_drain_url",
    "binding_guid",
    "binding_name",
    "instance_guid",
    "instance_name",
    "volume_mounts",
];

/// The schemes of databases, with those that frameworks want in their place.
const DATABASES: [(&str, &str); 4] = [
    ("mysql", "mysql2"),
    ("mysql2", "mysql2"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
];

/// What only the node knows when it starts an instance.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The node's address.
    pub node: IpAddr,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// Returns the environment of `instance` as `KEY=value`: what the platform sets, then what the order
/// sets. Of two values of one name the later one holds.
#[must_use]
pub fn environment(instance: &Instance, circumstances: Circumstances) -> Vec<String> {
    let order = &instance.order;
    let (node, port, index) = (circumstances.node, instance.port, order.index);
    let services = services(&order.services);
    let mut set = vec![
        ("VCAP_APPLICATION", application(instance, circumstances)),
        ("VCAP_SERVICES", services.to_string()),
        ("MEMORY_LIMIT", format!("{}m", order.limits.mem)),
    ];
    if let Some(url) = database_url(&order.services) {
        set.push(("DATABASE_URL", url));
    }
    set.extend([
        ("HOME", format!("{HOME}/app")),
        ("TMPDIR", format!("{HOME}/tmp")),
        ("USER", "vcap".to_owned()),
        ("VCAP_APP_HOST", "0.0.0.0".to_owned()),
        ("VCAP_APP_PORT", port.to_string()),
        ("PORT", port.to_string()),
        ("CF_INSTANCE_GUID", instance.id.clone()),
        ("CF_INSTANCE_INDEX", index.to_string()),
        ("CF_INSTANCE_IP", node.to_string()),
        ("CF_INSTANCE_PORT", port.to_string()),
        ("CF_INSTANCE_ADDR", format!("{node}:{port}")),
        (
            "CF_INSTANCE_PORTS",
            json!([{"external": port, "internal": port}]).to_string(),
        ),
    ]);
    let platform = set.iter().map(|(name, value)| format!("{name}={value}"));
    latest_of_each(platform.chain(order.env.iter().cloned()).collect())
}

/// Returns the command of a container whose app is started by `start_command`.
#[must_use]
pub fn command(start_command: &str) -> Vec<String> {
    ["/bin/bash", "-c", LAUNCHER, "launcher", start_command]
        .map(str::to_owned)
        .to_vec()
}

fn application(instance: &Instance, circumstances: Circumstances) -> String {
    let now = circumstances.now;
    let now_text = calendar(now, ' ', " +0000");
    let mut all = instance.order.vcap_application.clone();
    let ours = [
        ("application_id", json!(instance.order.app_id)),
        ("instance_id", json!(instance.id)),
        ("instance_index", json!(instance.order.index)),
        ("host", json!("0.0.0.0")),
        ("port", json!(instance.port)),
        ("started_at", json!(now_text)),
        ("started_at_timestamp", json!(now)),
        ("start", json!(now_text)),
        ("state_timestamp", json!(now)),
    ];
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(all).to_string()
}

/// Returns the services by their labels. One without a label is of the user.
fn services(services: &[Value]) -> Value {
    let mut by_label: Map<String, Value> = Map::new();
    for service in services {
        let label = service.get("label").and_then(Value::as_str);
        let told = SERVICE_FIELDS.iter().filter_map(|field| {
            let value = service.get(*field)?;
            Some(((*field).to_owned(), value.clone()))
        });
        let told = Value::Object(told.collect());
        let entry = by_label
            .entry(label.unwrap_or("user-provided"))
            .or_insert_with(|| json!([]));
        if let Value::Array(list) = entry {
            list.push(told);
        }
    }
    Value::Object(by_label)
}

/// Returns the URI of the first service that is a database.
fn database_url(services: &[Value]) -> Option<String> {
    services.iter().find_map(|service| {
        let uri = service.get("credentials")?.get("uri")?.as_str()?;
        let (scheme, rest) = uri.split_once("://")?;
        let (_, wanted) = DATABASES.iter().find(|(known, _)| *known == scheme)?;
        Some(format!("{wanted}://{rest}"))
    })
}

/// Drops all but the last value of each name, and what has no name. A container would otherwise see
/// both, and which of them holds is up to its C library.
fn latest_of_each(all: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept: Vec<String> = Vec::with_capacity(all.len());
    for variable in all.into_iter().rev() {
        let name = variable.split_once('=').map(|(name, _)| name);
        let is_first = |name: &str| !name.is_empty() && seen.insert(name.to_owned());
        if name.is_some_and(is_first) {
            kept.push(variable);
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use protocol::bus::Message as _;
    use protocol::bus::dea::StartInstance;

    use super::*;
    use crate::instance::State;

    fn of(order: &str) -> Vec<String> {
        let instance = Instance {
            id: "i1".to_owned(),
            private_id: String::new(),
            order: StartInstance::decode(order.as_bytes()).unwrap(),
            port: 61_001,
            state: State::Fetching,
            since_ms: 0,
        };
        let circumstances = Circumstances {
            node: Ipv4Addr::new(10, 0, 0, 5).into(),
            now: 1_412_164_800,
        };
        environment(&instance, circumstances)
    }

    fn value<'a>(all: &'a [String], name: &str) -> Option<&'a str> {
        let mut values = all.iter().filter_map(|variable| {
            let (found, value) = variable.split_once('=')?;
            (found == name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there once");
        value
    }

    #[test]
    fn the_platform_comes_first_and_the_order_wins() {
        let all = of(r#"{"index":1,"limits":{"mem":256},
            "env":["A=1","MEMORY_LIMIT=mine","A=2=3","nonsense","=x","EMPTY="]}"#);
        let names: Vec<&str> = all
            .iter()
            .filter_map(|variable| Some(variable.split_once('=')?.0))
            .collect();
        assert_eq!(
            names,
            [
                "VCAP_APPLICATION",
                "VCAP_SERVICES",
                "HOME",
                "TMPDIR",
                "USER",
                "VCAP_APP_HOST",
                "VCAP_APP_PORT",
                "PORT",
                "CF_INSTANCE_GUID",
                "CF_INSTANCE_INDEX",
                "CF_INSTANCE_IP",
                "CF_INSTANCE_PORT",
                "CF_INSTANCE_ADDR",
                "CF_INSTANCE_PORTS",
                "MEMORY_LIMIT",
                "A",
                "EMPTY",
            ]
        );
        for (name, expected) in [
            ("HOME", "/home/vcap/app"),
            ("PORT", "61001"),
            ("MEMORY_LIMIT", "mine"),
            ("A", "2=3"),
            ("EMPTY", ""),
            ("CF_INSTANCE_ADDR", "10.0.0.5:61001"),
            (
                "CF_INSTANCE_PORTS",
                r#"[{"external":61001,"internal":61001}]"#,
            ),
            ("VCAP_SERVICES", "{}"),
        ] {
            assert_eq!(value(&all, name), Some(expected), "{name}");
        }
        assert_eq!(value(&all, "DATABASE_URL"), None);
    }

    #[test]
    fn an_app_is_told_who_it_is() {
        let all = of(r#"{"app_id":"a1","index":3,
            "vcap_application":{"name":"myapp","host":"other","users":null}}"#);
        let text = value(&all, "VCAP_APPLICATION").unwrap();
        let told: Value = serde_json::from_str(text).unwrap();
        let expected = json!({
            "name": "myapp", "users": null, "application_id": "a1", "instance_id": "i1",
            "instance_index": 3, "host": "0.0.0.0", "port": 61001,
            "started_at": "2014-10-01 12:00:00 +0000", "started_at_timestamp": 1_412_164_800,
            "start": "2014-10-01 12:00:00 +0000", "state_timestamp": 1_412_164_800,
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn services_are_told_by_label_without_what_is_not_for_apps() {
        let all = of(r#"{"services":[
            {"name":"a","label":"mysql-5.5","plan":"free","vendor":"mysql",
             "credentials":{"uri":"mysql://u:p@h/d"}},
            {"name":"b","credentials":{"uri":"http://x"}},
            {"name":"c","label":"mysql-5.5","credentials":{}},
            "nonsense"]}"#);
        let told: Value = serde_json::from_str(value(&all, "VCAP_SERVICES").unwrap()).unwrap();
        let expected = json!({
            "mysql-5.5": [
                {"name": "a", "label": "mysql-5.5", "plan": "free",
                 "credentials": {"uri": "mysql://u:p@h/d"}},
                {"name": "c", "label": "mysql-5.5", "credentials": {}},
            ],
            "user-provided": [{"name": "b", "credentials": {"uri": "http://x"}}, {}],
        });
        assert_eq!(told, expected);
        assert_eq!(value(&all, "DATABASE_URL"), Some("mysql2://u:p@h/d"));
    }

    #[test]
    fn the_database_is_the_first_service_that_is_one() {
        let check = |uris: &[&str], expected: Option<&str>| {
            let services: Vec<Value> = uris
                .iter()
                .map(|uri| json!({"credentials": {"uri": uri}}))
                .collect();
            assert_eq!(database_url(&services).as_deref(), expected, "{uris:?}");
        };
        check(
            &["redis://r", "postgresql://p", "mysql://m"],
            Some("postgres://p"),
        );
        check(&["postgres://p"], Some("postgres://p"));
        check(&["mysql", "mysqlx://m"], None);
        check(&[], None);
    }
}

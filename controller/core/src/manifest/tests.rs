//! What manifests come to, as rows.

use proptest::prelude::*;
use protocol::bus::dea::HealthCheck;

use super::*;

fn parse(text: &str) -> Result<Manifest, Fault> {
    Manifest::parse(text, &ProcessLimits::default())
}

/// Returns the effects on the one app `a`, whose other keys are `keys`.
fn effects_of(keys: &str) -> Vec<ManifestEffect> {
    let text = format!("applications:\n- name: a\n{}", indented(keys));
    let mut apps = parse(&text).unwrap().apps;
    assert_eq!(apps.len(), 1);
    apps.remove(0).effects
}

fn problems_of(text: &str) -> Vec<String> {
    let entries = parse(text).map_or_else(|fault| fault.entries(), |_| Vec::new());
    entries.into_iter().map(|entry| entry.detail).collect()
}

fn indented(keys: &str) -> String {
    keys.lines().map(|line| format!("  {line}\n")).collect()
}

fn web(change: ProcessChange) -> ManifestEffect {
    ManifestEffect::ChangeProcess(WEB.to_owned(), change)
}

#[test]
fn what_the_first_push_sends_makes_a_default_route() {
    let effects = effects_of("path: /home/ada/app\ndefault-route: true");
    assert_eq!(effects, [ManifestEffect::MapDefaultRoute]);
}

#[test]
fn effects_come_in_their_order() {
    let effects = effects_of(
        "disk-quota: 256M\nhealth-check-type: http\nhealth-check-http-endpoint: /up\n\
         instances: 2\npath: app\nprocesses:\n- disk_quota: 128M\n  instances: 0\n  \
         memory: 32M\n  type: worker\n  command: ./work\nmemory: 64M\ndefault-route: true\n\
         buildpacks:\n- binary_buildpack\nenv:\n  FLAG: true\n  NAME: me\n  PORTX: 8080\n\
         features:\n  ssh: false\nmetadata:\n  labels:\n    team: x\n    old: null\n\
         readiness-health-check-type: process\nroutes:\n- options:\n    \
         loadbalancing: least-connection\n  protocol: http1\n  route: alt.apps.test\n\
         sidecars: []\nservices: []",
    );
    let web_change = ProcessChange {
        instances: Some(2),
        memory_mib: Some(64),
        disk_mib: Some(256),
        health_check: Some(HealthCheck::Http {
            endpoint: "/up".to_owned(),
        }),
        ..ProcessChange::default()
    };
    let worker = ProcessChange {
        instances: Some(0),
        memory_mib: Some(32),
        disk_mib: Some(128),
        command: Some(Some("./work".to_owned())),
        ..ProcessChange::default()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let app = AppChange {
        buildpacks: Some(vec!["binary_buildpack".to_owned()]),
        labels: BTreeMap::from([pair("team", "x"), ("old".to_owned(), None)]),
        ..AppChange::default()
    };
    let route = RouteWish {
        text: "alt.apps.test".to_owned(),
        route: RouteText::parse("alt.apps.test").unwrap(),
        options: Some(BTreeMap::from([(
            "loadbalancing".to_owned(),
            "least-connection".to_owned(),
        )])),
    };
    let variables = [
        pair("FLAG", "true"),
        pair("NAME", "me"),
        pair("PORTX", "8080"),
    ];
    let expected = [
        web(web_change),
        ManifestEffect::ChangeProcess("worker".to_owned(), worker),
        ManifestEffect::ChangeApp(app),
        ManifestEffect::MapRoutes(vec![route]),
        ManifestEffect::ChangeEnvironment(VariableChanges::from(variables)),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn single_keys() {
    let check = |keys: &str, expected: Vec<ManifestEffect>| {
        assert_eq!(effects_of(keys), expected, "{keys}");
    };
    let with = |change: ProcessChange| vec![web(change)];
    let memory = |memory_mib| ProcessChange {
        memory_mib: Some(memory_mib),
        ..ProcessChange::default()
    };
    let command = |command: Option<&str>| ProcessChange {
        command: Some(command.map(str::to_owned)),
        ..ProcessChange::default()
    };
    check("memory: 1G", with(memory(1024)));
    check(
        "memory: 1G\nprocesses: [{type: web, memory: 2G}]",
        with(memory(2048)),
    );
    check("command: null", with(command(None)));
    check("command: ./run x", with(command(Some("./run x"))));
    check(
        "no-route: true\nroutes: [{route: a.b.c}]",
        vec![ManifestEffect::RemoveMappings],
    );
    check("random-route: true", vec![ManifestEffect::MapRandomRoute]);
    check(
        "routes: []\ndefault-route: true",
        vec![ManifestEffect::MapDefaultRoute],
    );
    check(
        "docker: {}\nuser:\nlifecycle: buildpack\nlog-rate-limit-per-second: -1",
        vec![],
    );
    let buildpacks = |names: &[&str]| {
        vec![ManifestEffect::ChangeApp(AppChange {
            buildpacks: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..AppChange::default()
        })]
    };
    check("buildpacks: []", buildpacks(&[]));
    check("buildpack: python", buildpacks(&["python"]));
    check("buildpack: default", buildpacks(&[]));
    check("buildpack: null", buildpacks(&[]));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let keys = "memory: 64\ninstances: -1\ndocker: {image: x}\nservices: [db]\nenv: {PORT: 1}\n\
                routes: [{route: nodots}]\nfeatures: {ssh: true}\nrandom-route: 1\nuser: root\n\
                processes: [{type: worker, disk_quota: 9T}, {memory: 1M}, {type: worker}]";
    let text = format!("applications:\n- name: quill\n{}", indented(keys));
    let prefix = "For application 'quill': ";
    let expected = [
        "Docker is not supported yet",
        "Services is not supported yet",
        "Feature 'ssh' is not supported yet",
        "User is not supported yet",
        "Instances must be an integer from 0 to 1000",
        "Memory must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB",
        "Process \"worker\": Disk-quota must be from 1M to 2048M",
        "All processes must specify a type",
        "Process \"worker\" may only be present once",
        "The route 'nodots' is not a properly formed URL",
        "Random-route must be a boolean",
        "Environment variable names cannot be PORT",
    ];
    assert_eq!(
        problems_of(&text),
        expected.map(|problem| format!("{prefix}{problem}"))
    );
}

#[test]
fn what_is_wrong_with_the_whole_is_told_first() {
    let check = |text: &str, status: u16, expected: &str| {
        let fault = parse(text).unwrap_err();
        assert_eq!(fault.status(), status, "{text}");
        assert!(fault.to_string().contains(expected), "{fault}");
    };
    check("applications: [", 400, "no valid YAML");
    check("applications: []", 422, "at least one application");
    check("version: 1", 422, "at least one application");
    check(
        "version: 2\napplications: [{name: a}]",
        422,
        "Version must be 1",
    );
    check("applications: [{memory: 1G}]", 422, "Name must be present");
    check(
        "applications: [{name: a}, {name: a}]",
        422,
        "must be unique",
    );
    check("applications: [a]", 422, "Name must be present");
    check("a", 422, "at least one application");
    check(&"a".repeat(LARGEST + 1), 400, "at most");
    check(&format!("applications: {}1", "[".repeat(500)), 400, "YAML");
    let both = "applications: [{name: a, random-route: true, default-route: true}]";
    check(both, 422, "together");
}

#[test]
fn aliases_cannot_grow_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert_eq!(parse(&text).unwrap_err().status(), 400);
}

proptest! {
    #[test]
    fn any_text_is_a_manifest_or_refused(text in ".{0,200}") {
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn any_value_at_any_key_is_read_or_refused(
        key in prop::sample::select(vec![
            "memory", "instances", "routes", "processes", "env", "metadata", "buildpacks",
            "features", "command", "timeout", "health-check-type", "no-route",
        ]),
        value in prop::sample::select(vec![
            "null", "1", "-1", "1.5", "true", "x", "[]", "{}", "[1]", "[{}]", "{a: 1}",
            "{a: [1]}", "[[x]]", "99999999999999999999", "{labels: 1}", "[null]",
        ]),
    ) {
        let text = format!("applications: [{{name: a, {key}: {value}}}]");
        let status = parse(&text).err().map(|fault| fault.status());
        prop_assert!(status.is_none_or(|status| status == 422), "{}", text);
    }
}

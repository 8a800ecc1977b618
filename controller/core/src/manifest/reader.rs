//! Reads the keys of one app or process, and notes every problem that it finds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{LARGEST, RouteWish};
use crate::environment::{VariableChanges, name_problem};
use crate::fault::Fault;
use crate::process::{self, LONGEST_START, ProcessChange, ProcessLimits};
use crate::route::RouteText;
use crate::size::{self, SIZE_RULE};

/// Keys of an app that are known, and refused unless they are empty.
const UNSERVED_OF_APPS: [&str; 4] = ["docker", "services", "sidecars", "cnb-credentials"];

/// Keys of an app or process that are known, and refused unless they are empty.
const UNSERVED: [&str; 6] = [
    "user",
    "health-check-invocation-timeout",
    "health-check-interval",
    "readiness-health-check-http-endpoint",
    "readiness-health-check-invocation-timeout",
    "readiness-health-check-interval",
];

/// One map of a manifest, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    map: Option<&'a Map<String, Value>>,
    prefix: String,
    problems: Vec<String>,
}

/// Reads YAML that may be hostile.
pub(super) fn yaml(text: &str) -> Result<Value, Fault> {
    if text.len() > LARGEST {
        return Err(Fault::MessageParse(format!(
            "a manifest can have {LARGEST} bytes at most"
        )));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Fault::MessageParse(format!("Manifest is no valid YAML: {error}")))
}

impl<'a> Reader<'a> {
    pub(super) fn new(entry: &'a Value, prefix: String) -> Self {
        let mut reader = Self {
            map: entry.as_object(),
            prefix,
            problems: Vec::new(),
        };
        if !entry.is_object() {
            reader.refuse("must be a map");
        }
        reader
    }

    pub(super) fn problems(self) -> Vec<String> {
        self.problems
    }

    pub(super) fn refuse(&mut self, problem: &str) {
        self.problems.push(format!("{}{problem}", self.prefix));
    }

    /// Refuses by name what is known and not served.
    pub(super) fn refuse_unserved(&mut self) {
        for key in UNSERVED_OF_APPS {
            self.refuse_filled(key);
        }
        if !matches!(self.text("lifecycle"), None | Some("buildpack")) {
            self.refuse("Lifecycle types other than buildpack are not supported yet");
        }
        let Some(features) = self.get("features") else {
            return;
        };
        for (feature, wanted) in features.as_object().into_iter().flatten() {
            if *wanted != Value::Bool(false) {
                self.refuse(&format!("Feature '{feature}' is not supported yet"));
            }
        }
        if !features.is_object() {
            self.refuse("Features must be a map");
        }
    }

    /// Reads what an app or an entry of `processes` says of a process.
    pub(super) fn process(&mut self, limits: &ProcessLimits) -> ProcessChange {
        for key in UNSERVED {
            self.refuse_filled(key);
        }
        let readiness = self.text("readiness-health-check-type");
        if let Some(problem) = process::readiness_problem(readiness) {
            self.refuse(&problem);
        }
        self.log_rate();
        let instances = self.number("instances", 0, u64::from(limits.most_instances));
        let kind = self.text("health-check-type");
        let endpoint = self.text("health-check-http-endpoint");
        let health_check = match process::health_check(kind, endpoint) {
            Ok(check) => check,
            Err(problem) => {
                self.refuse(&problem);
                None
            }
        };
        ProcessChange {
            instances: instances.and_then(|number| u32::try_from(number).ok()),
            memory_mib: self.size("memory", limits.most_memory_mib),
            disk_mib: self.size("disk-quota", limits.most_disk_mib),
            command: self.command(),
            health_check,
            timeout: self.number("timeout", 1, LONGEST_START).map(Some),
        }
    }

    /// Reads the list `processes`, each with its type.
    pub(super) fn processes(&mut self, limits: &ProcessLimits) -> Vec<(String, ProcessChange)> {
        let mut types = BTreeSet::new();
        let mut all = Vec::new();
        for entry in self.list("processes") {
            let Some(kind) = entry.get("type").and_then(Value::as_str) else {
                self.refuse("All processes must specify a type");
                continue;
            };
            if !is_type(kind) {
                self.refuse(&format!(
                    "Process type '{kind}' must be letters, digits, '_' or '-'"
                ));
            } else if !types.insert(kind) {
                self.refuse(&format!("Process \"{kind}\" may only be present once"));
            }
            let mut process = Self::new(entry, format!("{}Process \"{kind}\": ", self.prefix));
            let change = process.process(limits);
            self.problems.extend(process.problems);
            all.push((kind.to_owned(), change));
        }
        all
    }

    /// Reads `buildpacks`, or the old `buildpack`. An empty list is for detection.
    pub(super) fn buildpacks(&mut self) -> Option<Vec<String>> {
        let detection = |name: &str| matches!(name, "null" | "default");
        if let Some(list) = self.get("buildpacks") {
            let names: Option<Vec<&str>> = match list {
                Value::Null => Some(Vec::new()),
                Value::Array(names) => names.iter().map(Value::as_str).collect(),
                _ => None,
            };
            if names.is_none() {
                self.refuse("Buildpacks must be a list of strings");
            }
            let named = |name: &&str| !detection(name);
            return names.map(|all| all.into_iter().filter(named).map(str::to_owned).collect());
        }
        if self.get("buildpack")?.is_null() {
            return Some(Vec::new());
        }
        let one = self.text("buildpack")?;
        Some(if detection(one) {
            Vec::new()
        } else {
            vec![one.to_owned()]
        })
    }

    /// Reads `routes`; None if the key is absent.
    pub(super) fn routes(&mut self) -> Option<Vec<RouteWish>> {
        self.get("routes").filter(|value| !value.is_null())?;
        let mut wishes = Vec::new();
        for entry in self.list("routes") {
            let mut route = Self::new(entry, self.prefix.clone());
            wishes.extend(route.route());
            self.problems.extend(route.problems);
        }
        Some(wishes)
    }

    fn route(&mut self) -> Option<RouteWish> {
        let Some(text) = self.text("route") else {
            self.refuse("Each route must have a 'route' property");
            return None;
        };
        if !matches!(self.text("protocol"), None | Some("http1")) {
            self.refuse(&format!(
                "Route '{text}': protocols other than http1 are not supported yet"
            ));
        }
        let options = self.options();
        let Some(route) = RouteText::parse(text) else {
            self.refuse(&format!("The route '{text}' is not a properly formed URL"));
            return None;
        };
        Some(RouteWish {
            text: text.to_owned(),
            route,
            options,
        })
    }

    fn options(&mut self) -> Option<BTreeMap<String, String>> {
        let given = self.get("options").filter(|value| !value.is_null())?;
        let Some(given) = given.as_object() else {
            self.refuse("Options of a route must be a map");
            return None;
        };
        let balance = given.get("loadbalancing").and_then(Value::as_str);
        let known = matches!(balance, Some("round-robin" | "least-connection"));
        if given.is_empty() {
            return Some(BTreeMap::new());
        }
        if !known || given.len() > 1 {
            self.refuse("Route options must be loadbalancing: round-robin or least-connection");
            return None;
        }
        let balance = balance.unwrap_or_default().to_owned();
        Some(BTreeMap::from([("loadbalancing".to_owned(), balance)]))
    }

    /// Reads `metadata`, the part that is called `part`.
    pub(super) fn metadata(&mut self, part: &str) -> BTreeMap<String, Option<String>> {
        let Some(given) = self.get("metadata").and_then(|all| all.get(part)) else {
            return BTreeMap::new();
        };
        let mut values = BTreeMap::new();
        for (name, value) in given.as_object().into_iter().flatten() {
            match scalar(value) {
                Some(text) => {
                    values.insert(name.clone(), Some(text));
                }
                None if value.is_null() => {
                    values.insert(name.clone(), None);
                }
                None => self.refuse(&format!("Metadata {part} '{name}' must be a string")),
            }
        }
        if !given.is_object() && !given.is_null() {
            self.refuse(&format!("Metadata {part} must be a map"));
        }
        values
    }

    /// Reads `env`. Values become text.
    pub(super) fn variables(&mut self) -> VariableChanges {
        let mut variables = VariableChanges::new();
        let Some(given) = self.get("env").filter(|value| !value.is_null()) else {
            return variables;
        };
        for (name, value) in given.as_object().into_iter().flatten() {
            if let Some(problem) = name_problem(name) {
                self.refuse(&problem);
            }
            let text = match value {
                Value::Null => String::new(),
                other => scalar(other).unwrap_or_else(|| other.to_string()),
            };
            if text.contains('\0') {
                self.refuse(&format!(
                    "Environment variable '{name}' must not contain NUL"
                ));
            }
            variables.insert(name.clone(), Some(text));
        }
        if !given.is_object() {
            self.refuse("Env must be a map of names and values");
        }
        variables
    }

    /// Returns whether `key` is true.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.refuse(&format!("{} must be a boolean", label(key)));
                false
            }
        }
    }

    /// Returns the text at `key`, if it is there.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        match self.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => {
                self.refuse(&format!("{} must be a string", label(key)));
                None
            }
        }
    }

    fn command(&mut self) -> Option<Option<String>> {
        match self.get("command")? {
            Value::Null => Some(None),
            _ => {
                let text = self.text("command")?;
                let given = !matches!(text, "null" | "default");
                Some(given.then(|| text.to_owned()))
            }
        }
    }

    fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.get(key).filter(|value| !value.is_null())?;
        let number = value.as_u64().filter(|n| (least..=most).contains(n));
        if number.is_none() {
            let label = label(key);
            self.refuse(&format!(
                "{label} must be an integer from {least} to {most}"
            ));
        }
        number
    }

    fn size(&mut self, key: &str, most: u64) -> Option<u64> {
        let value = self.get(key).filter(|value| !value.is_null())?;
        let Some(mebibytes) = value.as_str().and_then(size::mebibytes) else {
            self.refuse(&format!("{} {SIZE_RULE}", label(key)));
            return None;
        };
        if !(1..=most).contains(&mebibytes) {
            self.refuse(&format!("{} must be from 1M to {most}M", label(key)));
            return None;
        }
        Some(mebibytes)
    }

    fn log_rate(&mut self) {
        let unlimited = match self.get("log-rate-limit-per-second") {
            None | Some(Value::Null) => true,
            Some(value) => scalar(value).as_deref() == Some("-1"),
        };
        if !unlimited {
            self.refuse("Log-rate-limit-per-second other than -1 is not supported yet");
        }
    }

    fn list(&mut self, key: &str) -> &'a [Value] {
        match self.get(key) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.refuse(&format!("{} must be a list", label(key)));
                &[]
            }
        }
    }

    fn refuse_filled(&mut self, key: &str) {
        let empty = match self.get(key) {
            None | Some(Value::Null) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Bool(_) | Value::Number(_)) => false,
        };
        if !empty {
            self.refuse(&format!("{} is not supported yet", label(key)));
        }
    }

    /// Returns the value at `key`, in either spelling: with dashes or with underscores.
    fn get(&self, key: &str) -> Option<&'a Value> {
        let map = self.map?;
        map.get(key).or_else(|| map.get(&key.replace('-', "_")))
    }
}

/// Returns `key` as it begins a sentence.
fn label(key: &str) -> String {
    let (first, rest) = key.split_at_checked(1).unwrap_or_default();
    format!("{}{rest}", first.to_ascii_uppercase())
}

/// Returns the text of a value that is one scalar.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_type(kind: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !kind.is_empty() && kind.len() <= 64 && kind.chars().all(known)
}

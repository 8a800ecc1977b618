//! Manifests: what a developer says about apps, read into values, and as effects in their order.

mod reader;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::environment::VariableChanges;
use crate::fault::Fault;
use crate::process::{ProcessChange, ProcessLimits, WEB};
use crate::route::RouteText;
use reader::Reader;

/// Bytes that a manifest may have.
pub const LARGEST: usize = 1 << 20;
/// Apps that it may name.
const MOST_APPS: usize = 100;

/// The apps of a manifest, in its order; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The apps. No two have one name.
    pub apps: Vec<AppManifest>,
}

/// What a manifest says of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppManifest {
    /// Its name.
    pub name: String,
    /// What to do, in this order. An effect that fails leaves the earlier ones.
    pub effects: Vec<ManifestEffect>,
}

/// One thing that a manifest does to an app that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestEffect {
    /// Create the process of that type if there is none, and change it.
    ChangeProcess(String, ProcessChange),
    /// Change what the app itself says.
    ChangeApp(AppChange),
    /// Let no route lead to the app.
    RemoveMappings,
    /// Let each of these routes lead to its process `web`, created if missing.
    MapRoutes(Vec<RouteWish>),
    /// If no route leads to it, make one of its name.
    MapDefaultRoute,
    /// If no route leads to it, make one of its name and of chance.
    MapRandomRoute,
    /// Set variables.
    ChangeEnvironment(VariableChanges),
}

/// What shall change of an app. None leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppChange {
    /// The buildpacks to use; none: the first that detects the app.
    pub buildpacks: Option<Vec<String>>,
    /// The stack that it is staged on.
    pub stack: Option<String>,
    /// New values of labels; None takes one away.
    pub labels: BTreeMap<String, Option<String>>,
    /// New values of annotations; None takes one away.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// A route that a manifest wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteWish {
    /// As it is written.
    pub text: String,
    /// The same, read.
    pub route: RouteText,
    /// How requests are spread, and the like; None keeps what the route has.
    pub options: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Fault::MessageParse`] if it is no YAML. Otherwise every problem that it has.
    pub fn parse(text: &str, limits: &ProcessLimits) -> Result<Self, Fault> {
        let whole = reader::yaml(text)?;
        let mut problems = Vec::new();
        let version = whole.get("version").unwrap_or(&Value::Null);
        if !version.is_null() && version.as_u64() != Some(1) {
            problems.push("Version must be 1".to_owned());
        }
        let entries = match whole.get("applications") {
            Some(Value::Array(entries)) if !entries.is_empty() => entries.as_slice(),
            _ => {
                let problem = "Applications must be a list with at least one application";
                problems.push(problem.to_owned());
                &[]
            }
        };
        if entries.len() > MOST_APPS {
            return Err(Fault::unprocessable(format!(
                "Applications can be {MOST_APPS} at most"
            )));
        }
        let mut names = BTreeSet::new();
        let mut apps = Vec::new();
        for entry in entries {
            let Some(name) = name_of(entry, &mut problems) else {
                continue;
            };
            let prefix = format!("For application '{name}': ");
            if !names.insert(name) {
                problems.push(format!("{prefix}Name must be unique in the manifest"));
                continue;
            }
            let mut reader = Reader::new(entry, prefix);
            let effects = effects(&mut reader, limits);
            problems.extend(reader.problems());
            let name = name.to_owned();
            apps.push(AppManifest { name, effects });
        }
        if problems.is_empty() {
            Ok(Self { apps })
        } else {
            Err(Fault::Unprocessable(problems))
        }
    }
}

fn name_of<'a>(entry: &'a Value, problems: &mut Vec<String>) -> Option<&'a str> {
    let name = entry.get("name").and_then(Value::as_str);
    let problem = match name {
        Some(name) => crate::name::problem(name),
        None => Some("Name must be present, as a string".to_owned()),
    };
    let is_good = problem.is_none();
    problems.extend(problem);
    name.filter(|_| is_good)
}

/// Returns the effects in their order: processes, app, routes, variables.
fn effects(reader: &mut Reader<'_>, limits: &ProcessLimits) -> Vec<ManifestEffect> {
    reader.refuse_unserved();
    let mut effects = Vec::new();
    let web = reader.process(limits);
    let others = reader.processes(limits);
    let has_web = others.iter().any(|(kind, _)| kind == WEB);
    if !has_web && web != ProcessChange::default() {
        effects.push(ManifestEffect::ChangeProcess(WEB.to_owned(), web));
    }
    let change = |(kind, change)| ManifestEffect::ChangeProcess(kind, change);
    effects.extend(others.into_iter().map(change));
    let app = AppChange {
        buildpacks: reader.buildpacks(),
        stack: reader.text("stack").map(str::to_owned),
        labels: reader.metadata("labels"),
        annotations: reader.metadata("annotations"),
    };
    if app != AppChange::default() {
        effects.push(ManifestEffect::ChangeApp(app));
    }
    effects.extend(routing(reader));
    let variables = reader.variables();
    if !variables.is_empty() {
        effects.push(ManifestEffect::ChangeEnvironment(variables));
    }
    effects
}

fn routing(reader: &mut Reader<'_>) -> Option<ManifestEffect> {
    let routes = reader.routes();
    let no_route = reader.flag("no-route");
    let (random, default) = (reader.flag("random-route"), reader.flag("default-route"));
    if random && default {
        reader.refuse("Random-route and default-route cannot be used together");
    }
    if no_route {
        return Some(ManifestEffect::RemoveMappings);
    }
    if let Some(routes) = routes.filter(|routes| !routes.is_empty()) {
        return Some(ManifestEffect::MapRoutes(routes));
    }
    if random {
        return Some(ManifestEffect::MapRandomRoute);
    }
    default.then_some(ManifestEffect::MapDefaultRoute)
}

#[cfg(test)]
mod tests;

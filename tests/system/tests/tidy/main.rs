//! The rules of the house that no compiler checks.
#![expect(
    clippy::unwrap_used,
    reason = "what cannot be read fails the test that reads it"
)]

mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::tables::{CORE_DEPENDENCIES, EDGES, KITS, PROOF};

/// How many lines a file may have before its tests.
const LONGEST_FILE: usize = 400;

/// Files that may be longer, each with the reason.
const LONGER_FILES: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file of ours with that extension, as a path from the root.
fn files(extension: &str) -> BTreeMap<String, String> {
    fn walk(directory: &Path, extension: &str, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    walk(&path, extension, root, found);
                }
            } else if path.extension().is_some_and(|has| has == extension) {
                let from_root = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.insert(from_root, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root(), extension, &root(), &mut found);
    assert!(!found.is_empty(), "the walk sees no file at all");
    found
}

/// The workspace's packages as cargo knows them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// The packages that `package` names as dependencies, those for its tests only if asked.
fn dependencies(package: &Value, with_tests: bool) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| with_tests || dependency["kind"].as_str() != Some("dev"))
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect()
}

fn none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn files_are_short() {
    let allowed: BTreeSet<&str> = LONGER_FILES.iter().map(|(path, _)| *path).collect();
    let mut long = Vec::new();
    for (path, text) in files("rs") {
        if path.ends_with("/tests.rs") {
            continue;
        }
        let length = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        let is_long = length > LONGEST_FILE;
        if is_long != allowed.contains(path.as_str()) {
            long.push(format!("{path}: {length} lines"));
        }
    }
    none(
        &long,
        "a file has at most 400 lines before its tests, or is listed with a reason",
    );
}

#[test]
fn modules_are_named_after_what_they_hold() {
    let unnamed = [
        "mod.rs",
        "util.rs",
        "utils.rs",
        "common.rs",
        "helpers.rs",
        "types.rs",
    ];
    let is_unnamed = |path: &String| {
        unnamed
            .iter()
            .any(|name| path.ends_with(&format!("/{name}")))
    };
    let found: Vec<String> = files("rs").into_keys().filter(is_unnamed).collect();
    none(
        &found,
        "a file is a noun: `pool.rs` and `pool/`, never `mod.rs` or a drawer",
    );
}

/// Returns the types that a file declares at its top level, but for those of its tests.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter_map(|line| {
            let line = match line.strip_prefix("pub") {
                Some(rest) => rest.split_once(' ')?.1,
                None => line,
            };
            let (keyword, rest) = line.split_once(' ')?;
            let is_type = ["struct", "enum", "trait", "type"].contains(&keyword);
            let end = rest
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(rest.len());
            is_type.then_some(&rest[..end])
        })
}

#[test]
fn one_word_stands_for_one_thing() {
    let places: BTreeMap<String, String> = packages()
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let directory = manifest.parent().unwrap().strip_prefix(root()).unwrap();
            (
                format!("{}/", directory.display()),
                name(package).to_owned(),
            )
        })
        .collect();
    let mut declared = BTreeMap::<(&str, String), Vec<&str>>::new();
    let sources = files("rs");
    for (path, text) in &sources {
        let package = places.iter().filter(|(place, _)| path.starts_with(*place));
        let (place, package) = package.max_by_key(|(place, _)| place.len()).unwrap();
        if !path[place.len()..].starts_with("src/") || path.ends_with("tests.rs") {
            continue;
        }
        for name in types(text) {
            declared
                .entry((package, name.to_owned()))
                .or_default()
                .push(path);
        }
    }
    assert!(declared.len() > 300, "{} types", declared.len());
    let twice: Vec<String> = declared
        .iter()
        .filter(|(_, paths)| paths.len() > 1)
        .map(|((package, name), paths)| format!("{package}: {name} in {}", paths.join(" and ")))
        .collect();
    none(&twice, "no package has two types of one name");
}

#[test]
fn packages_use_only_what_lies_below_them() {
    let table: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut faults = Vec::new();
    for package in packages() {
        let Some(allowed) = table.get(name(&package)) else {
            faults.push(format!("{} is not in the table", name(&package)));
            continue;
        };
        for used in dependencies(&package, false) {
            if table.contains_key(used) && !allowed.contains(&used) {
                faults.push(format!("{} uses {used}", name(&package)));
            }
        }
        // Tests may use the kits; nothing may use the other proofs.
        for used in dependencies(&package, true) {
            if PROOF.contains(&used) && !KITS.contains(&used) {
                faults.push(format!("{} uses {used}", name(&package)));
            }
        }
    }
    none(&faults, "an edge between packages is one of the table's");
}

#[test]
fn cores_use_no_machine() {
    let packages = packages();
    let mut faults = Vec::new();
    for (core, allowed) in CORE_DEPENDENCIES {
        let package = packages
            .iter()
            .find(|package| name(package) == *core)
            .unwrap();
        for used in dependencies(package, false) {
            let is_ours = EDGES.iter().any(|(ours, _)| *ours == used);
            if !is_ours && !allowed.contains(&used) {
                faults.push(format!("{core} uses {used}"));
            }
        }
    }
    let rooted = packages
        .iter()
        .filter(|package| name(package).ends_with("-core"));
    for package in rooted {
        if !CORE_DEPENDENCIES
            .iter()
            .any(|(core, _)| *core == name(package))
        {
            faults.push(format!("{} is not in the table", name(package)));
        }
    }
    none(&faults, "a core depends on what is in its list");
}

#[test]
fn every_package_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let packages = packages();
    let is_missing = |package: &&Value| !map.contains(&format!("`{}`", name(package)));
    let missing: Vec<String> = packages
        .iter()
        .filter(is_missing)
        .map(|package| name(package).to_owned())
        .collect();
    none(&missing, "ARCHITECTURE.md names every package");
}

#[test]
fn every_package_takes_the_lints_of_the_house() {
    let mut faults = Vec::new();
    for package in packages() {
        let manifest = fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            faults.push(name(&package).to_owned());
        }
    }
    none(&faults, "a manifest says `[lints] workspace = true`");
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    // Written in two parts, so that this file does not find itself.
    let bare = concat!("#[", "ignore]");
    let has_bare = |text: &str| text.lines().any(|line| line.trim() == bare);
    let found: Vec<String> = files("rs")
        .into_iter()
        .filter(|(_, text)| has_bare(text))
        .map(|(path, _)| path)
        .collect();
    none(&found, "an ignored test says why");
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut found = Vec::new();
    for (path, text) in files("rs") {
        for (number, line) in (1..).zip(text.lines()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none(&found, "what is committed is finished");
}

//! What every program stands on contains no word of what one of them is about.
#![expect(
    clippy::unwrap_used,
    reason = "what cannot be read fails the test that reads it"
)]

use std::fs;
use std::path::Path;

/// The ground, from the root.
const GROUND: &[&str] = &[
    "component/src",
    "component/core/src",
    "bus/src",
    "tests/kit/src",
    "tests/second-program/src",
];

/// Words of routing, in lower case.
const WORDS: &[&str] = &[
    "droplet",
    "droplets",
    "endpoint",
    "endpoints",
    "gorouter",
    "registrar",
    "registrars",
    "route",
    "router",
    "routers",
    "routes",
    "routing",
    "upstream",
    "vcap",
    "zone",
];

/// What the library of the admin listener calls its own parts.
const AXUM: &[&str] = &[
    "axum::Router",
    "axum::{Extension, Router}",
    "axum::routing",
    "Router::new()",
    ".route(",
    ".route_layer(",
    "app: Router",
    "-> Router",
];

/// The words of `line` that are in the list; `snake_case` and `CamelCase` are several words.
fn forbidden(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    let line = AXUM
        .iter()
        .fold(line.to_owned(), |line, part| line.replace(part, " "));
    for c in line.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| WORDS.contains(&word.as_str()));
    words
}

fn read(directory: &Path, faults: &mut Vec<String>, files: &mut usize) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, faults, files);
            continue;
        }
        *files += 1;
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for word in forbidden(line) {
                faults.push(format!("{}:{}: {word}", path.display(), index + 1));
            }
        }
    }
}

#[test]
fn the_ground_knows_no_word_of_routing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut faults, mut files) = (Vec::new(), 0);
    for directory in GROUND {
        read(&root.join(directory), &mut faults, &mut files);
    }
    assert!(files > 30, "only {files} files were read");
    assert!(faults.is_empty(), "words:\n  {}", faults.join("\n  "));
}

#[test]
fn words_are_found_wherever_they_stand() {
    let check = |line: &str, found: &[&str]| assert_eq!(forbidden(line), found, "{line}");
    check("the router's route", &["router", "route"]);
    check("fn own_routes(r: TestRouter)", &["routes", "router"]);
    check("EmptyRoutes, tracing, en route", &["routes", "route"]);
    check("subroutines are routed", &[]);
}

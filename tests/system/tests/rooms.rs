//! The modules of each package form no circle, and those of the router keep to the table of rooms in
//! ARCHITECTURE.md.
#![expect(
    clippy::unwrap_used,
    reason = "what cannot be read fails the test that reads it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The packages whose modules are looked at.
const PACKAGES: &[&str] = &[
    "protocol/src",
    "bus/src",
    "component/src",
    "router/core/src",
    "router/src",
    "load-tests/src",
    "tests/kit/src",
];

/// Which modules use which, each with a file that does.
type Edges = BTreeMap<String, BTreeMap<String, String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The edges between the top modules of the package at `source`, without those of tests.
fn edges(source: &Path) -> Edges {
    let mut edges = Edges::new();
    let mut directories = vec![source.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let from_source = path.strip_prefix(source).unwrap().to_str().unwrap();
            let module = from_source.split(['/', '.']).next().unwrap();
            if ["lib", "main", "bin"].contains(&module) || from_source.ends_with("tests.rs") {
                continue;
            }
            let uses = edges.entry(module.to_owned()).or_default();
            for used in used_modules(&fs::read_to_string(&path).unwrap()) {
                if used != module {
                    uses.insert(used, from_source.to_owned());
                }
            }
        }
    }
    // `crate::Name` is something that the root itself holds, and no module.
    let modules: BTreeSet<String> = edges.keys().cloned().collect();
    for uses in edges.values_mut() {
        uses.retain(|used, _| modules.contains(used));
    }
    edges
}

/// The modules that follow `crate::` in the code before a file's tests, comments left out.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String = text
        .split("#[cfg(test)]")
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect();
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut used = BTreeSet::new();
    for behind in code.split("crate::").skip(1) {
        if let Some(group) = behind.strip_prefix('{') {
            let mut depth = 0;
            let mut members = vec![String::new()];
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => members.push(String::new()),
                    _ => {}
                }
                members.last_mut().unwrap().push(c);
            }
            used.extend(
                members
                    .iter()
                    .map(|member| word(member.trim_start_matches(','))),
            );
        } else {
            used.insert(word(behind));
        }
    }
    used.remove("");
    used
}

/// A way from `start` back to itself, if there is one.
fn circle(edges: &Edges, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for used in edges.get(way.last()?)?.keys() {
            let further = [way.clone(), vec![used.clone()]].concat();
            if used == start {
                return Some(further);
            }
            if seen.insert(used.clone()) {
                ways.push(further);
            }
        }
    }
    None
}

/// The rows of the table of rooms: a room, and those that it may look into.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let names = |cell: &str| -> BTreeSet<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    page.lines()
        .skip_while(|line| *line != "| room | holds | looks into |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            let room = names(cells[1]).pop_first().unwrap();
            (room, names(cells[3]))
        })
        .collect()
}

#[test]
fn modules_form_no_circle() {
    let mut circles = Vec::new();
    for package in PACKAGES {
        let edges = edges(&root().join(package));
        assert!(!edges.is_empty(), "{package} has no modules");
        let found = edges.keys().find_map(|module| circle(&edges, module));
        circles.extend(found.map(|way| format!("{package}: {}", way.join(" -> "))));
    }
    assert!(circles.is_empty(), "circles:\n  {}", circles.join("\n  "));
}

#[test]
fn the_router_keeps_to_its_table_of_rooms() {
    let edges = edges(&root().join("router/src"));
    let rooms = rooms();
    let is_a_room: BTreeSet<&String> = rooms.keys().collect();
    assert_eq!(edges.keys().collect::<BTreeSet<_>>(), is_a_room);
    let mut faults = Vec::new();
    for (room, uses) in &edges {
        for (used, file) in uses {
            if !rooms[room].contains(used) {
                faults.push(format!("{file} looks into {used}"));
            }
        }
        for unused in rooms[room]
            .iter()
            .filter(|other| !uses.contains_key(*other))
        {
            faults.push(format!("{room} does not look into {unused} any more"));
        }
    }
    assert!(
        faults.is_empty(),
        "the table of rooms:\n  {}",
        faults.join("\n  ")
    );
}

#[test]
fn modules_that_are_used_are_found() {
    let code = "use crate::one::Two;\nuse crate::{three, four::{Five, six}, seven};\n// crate::eight\n\
                fn nine() { crate::ten::eleven() }\n#[cfg(test)]\nuse crate::twelve;";
    let expected = ["four", "one", "seven", "ten", "three"];
    assert_eq!(Vec::from_iter(used_modules(code)), expected);
    let edge = |from: &str, to: &str| (from.to_owned(), [(to.to_owned(), String::new())].into());
    let edges = Edges::from([edge("a", "b"), edge("b", "c"), edge("c", "b")]);
    assert_eq!(circle(&edges, "a"), None);
    assert_eq!(
        circle(&edges, "b"),
        Some(["b", "c", "b"].map(String::from).to_vec())
    );
}

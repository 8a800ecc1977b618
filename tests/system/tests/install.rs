//! What `make install` puts in place, and `make uninstall` takes away.
#![expect(
    clippy::unwrap_used,
    reason = "what is missing fails the test that wants it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tests_kit::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_router-under-test");
const UNIT: &str = "usr/lib/systemd/system/switchyard-router.service";
const CONFIG: &str = "etc/switchyard/router.yml";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Runs `make TARGET` for a package that is put together in `directory`.
fn make(target: &str, directory: &Path) -> Output {
    let output = Command::new("make")
        .args(["--no-print-directory", target, "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", directory.display()))
        .arg(format!("BINARY={PROGRAM}"))
        .current_dir(root())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    output
}

/// The files below `directory`, by their paths in it.
fn files(directory: &Path) -> BTreeSet<String> {
    fn walk(directory: &Path, top: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, top, found);
            } else {
                found.insert(path.strip_prefix(top).unwrap().display().to_string());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(directory, directory, &mut found);
    found
}

#[test]
fn a_package_holds_what_an_operator_looks_for() {
    let package = TempDir::new();
    make("install", package.path());
    let there = files(package.path());
    for file in [
        "usr/bin/router",
        "usr/share/man/man1/router.1",
        "usr/share/man/man1/router-explain.1",
        "usr/share/bash-completion/completions/router",
        "usr/share/zsh/site-functions/_router",
        "usr/share/fish/vendor_completions.d/router.fish",
        UNIT,
        CONFIG,
    ] {
        assert!(there.contains(file), "{file} of {there:?}");
    }
    let program = package.path().join("usr/bin/router");
    let mode = fs::metadata(&program).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let config = package.path().join(CONFIG);
    let checked = Command::new(&program)
        .args(["--check", "-c"])
        .arg(&config)
        .output();
    let checked = String::from_utf8(checked.unwrap().stdout).unwrap();
    assert!(checked.starts_with("ok: "), "{checked}");
    let unit = fs::read_to_string(package.path().join(UNIT)).unwrap();
    for place in ["@BINDIR@", "@CONFIG@", "@ENVIRONMENT@"] {
        assert!(!unit.contains(place), "{place} of {unit}");
    }
    for line in [
        "ExecStart=/usr/bin/router -c /etc/switchyard/router.yml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "EnvironmentFile=-/etc/switchyard/router.env",
    ] {
        assert!(unit.lines().any(|there| there == line), "{line} of {unit}");
    }

    // An operator's configuration is not for us to change or to remove.
    fs::write(&config, "listeners: [{address: '127.0.0.1:0'}]\n").unwrap();
    make("install", package.path());
    let kept = fs::read_to_string(&config).unwrap();
    assert_eq!(kept, "listeners: [{address: '127.0.0.1:0'}]\n");
    make("uninstall", package.path());
    assert_eq!(files(package.path()), BTreeSet::from([CONFIG.to_owned()]));
}

#[test]
fn systemd_understands_every_line_of_the_unit_and_finds_it_closed() {
    let package = TempDir::new();
    make("install", package.path());
    let offline = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--root"])
        .arg(package.path())
        .arg("switchyard-router.service")
        .output();
    let Ok(offline) = offline else {
        eprintln!("SKIPPED: the unit is not checked, as systemd-analyze is missing");
        return;
    };
    let told = String::from_utf8_lossy(&offline.stderr);
    for complaint in ["Unknown key", "Failed to parse", "Invalid"] {
        assert!(!told.contains(complaint), "{told}");
    }
    let told = String::from_utf8_lossy(&offline.stdout);
    assert!(
        offline.status.success(),
        "exposed beyond 2.0 of 10:\n{told}"
    );
}

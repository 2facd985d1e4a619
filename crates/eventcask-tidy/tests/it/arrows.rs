//! The arrows of the architecture: which crate may know which. Those between modules are in
//! `circles`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate and all of ours that it may depend on, tests aside.
const ARROWS: &[(&str, &[&str])] = &[
    ("eventcask-event", &[]),
    ("eventcask-table", &[]),
    ("eventcask-log", &["eventcask-event", "eventcask-table"]),
    ("eventcask-project", &["eventcask-event", "eventcask-table"]),
    (
        "eventcask-shard",
        &["eventcask-event", "eventcask-log", "eventcask-table"],
    ),
    (
        "eventcask",
        &[
            "eventcask-event",
            "eventcask-log",
            "eventcask-project",
            "eventcask-shard",
        ],
    ),
    ("eventcask-redb", &["eventcask"]),
    ("eventcask-sqlite", &["eventcask"]),
    ("eventcask-sim", &["eventcask"]),
    ("eventcask-tidy", &[]),
    ("eventcask-console", &["eventcask"]),
    ("eventcask-load", &["eventcask", "eventcask-console"]),
    (
        "eventcask-cli",
        &["eventcask", "eventcask-console", "eventcask-load"],
    ),
    (
        "eventcask-benches",
        &[
            "eventcask",
            "eventcask-event",
            "eventcask-log",
            "eventcask-shard",
            "eventcask-table",
        ],
    ),
    (
        "eventcask-fuzz",
        &[
            "eventcask",
            "eventcask-cli",
            "eventcask-event",
            "eventcask-log",
            "eventcask-project",
        ],
    ),
];

/// The most crates of others that the engine is built from, build tools included. May only shrink.
const ENGINE_CRATES: usize = 68;

/// Crates that an embedded engine must not bring along.
const NOT_IN_THE_ENGINE: &[&str] = &["tokio", "async-std", "openssl-sys", "clap", "mimalloc"];

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("it is a list")
}

#[test]
fn crates_depend_downwards_only() {
    let metadata = metadata(&["--no-deps"]);
    let packages = list(&metadata["packages"]);
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed, "every crate of the workspace has its place");
    for package in packages {
        let name = text(&package["name"]);
        let (_, allowed) = ARROWS
            .iter()
            .find(|(listed, _)| *listed == name)
            .expect("listed");
        let ours = list(&package["dependencies"]).iter().filter(|dependency| {
            dependency["kind"].is_null() && names.contains(text(&dependency["name"]))
        });
        for dependency in ours.map(|dependency| text(&dependency["name"])) {
            assert!(
                allowed.contains(&dependency),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn a_folder_is_named_as_its_crate() {
    for package in list(&metadata(&["--no-deps"])["packages"]) {
        let manifest = text(&package["manifest_path"]);
        let folder = manifest
            .rsplit('/')
            .nth(1)
            .expect("a manifest lies in a folder");
        let name = text(&package["name"]);
        assert!(
            folder == name || ["eventcask-benches", "eventcask-fuzz"].contains(&name),
            "{name} lies in {folder}"
        );
    }
}

/// A library without tests of its own says so: then it is not built once more for them. A test that
/// is added there later must not be passed over.
#[test]
fn tests_in_the_source_of_a_library_are_run() {
    for package in list(&metadata(&["--no-deps"])["packages"]) {
        for target in list(&package["targets"]) {
            let file = Path::new(text(&target["src_path"]));
            let folder = file.parent().expect("a file lies in a folder");
            if target["test"] == false && folder.ends_with("src") {
                let tests = files_with_tests(folder);
                assert!(
                    tests.is_empty(),
                    "`test = false`, and there are tests: {tests:?}"
                );
            }
        }
    }
}

fn files_with_tests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of source") {
        let path = entry.expect("a file of source").path();
        if path.is_dir() {
            found.append(&mut files_with_tests(&path));
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("#[test]")) {
            found.push(path);
        }
    }
    found
}

/// Names of all crates of others that the engine is built from, on this machine.
fn engine_tree() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package=eventcask",
            "--edges=normal,build",
        ])
        .args(["--prefix=none", "--format={p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("cargo prints text");
    lines
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "eventcask" && !name.starts_with("eventcask-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_engine_stays_light() {
    let tree = engine_tree();
    for name in NOT_IN_THE_ENGINE {
        assert!(!tree.contains(*name), "the engine brings {name}");
    }
    assert!(
        tree.len() <= ENGINE_CRATES,
        "the engine brings {} crates: {tree:?}",
        tree.len()
    );
}

//! What a program that uses the engine does not get along with it.

use std::fs;

use eventcask_tidy::root;

/// Lines of a manifest by their table: `[dependencies]` and those for some targets alone.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut table = "";
    manifest.lines().filter(move |line| {
        if line.starts_with('[') {
            table = line;
        }
        table.contains("dependencies") && !table.contains("dev-dependencies")
    })
}

/// `deny.toml` lets the facade have tokio for its tests, and can not tell those from the rest.
#[test]
fn the_engine_depends_on_no_runtime() {
    let mut manifests = 0;
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let file = folder.unwrap().path().join("Cargo.toml");
        let manifest = fs::read_to_string(&file).unwrap();
        let tokio = dependencies(&manifest).find(|line| line.contains("tokio"));
        assert_eq!(tokio, None, "{}", file.display());
        manifests += 1;
    }
    assert!(manifests > 1);
}

#[test]
fn only_what_a_program_gets_is_a_dependency() {
    let manifest = "[dependencies]\na = 1\n[dev-dependencies]\ntokio = 1\n\
        [target.'cfg(unix)'.dependencies.b]\nversion = 1\n[lints]\nworkspace = true";
    let lines: Vec<&str> = dependencies(manifest).collect();
    let unix = "[target.'cfg(unix)'.dependencies.b]";
    assert_eq!(lines, ["[dependencies]", "a = 1", unix, "version = 1"]);
}

//! The README tells the truth about its code.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_readme_shows_an_example_that_is_run() {
    let readme = read("README.md");
    let code = readme
        .split("```rust,no_run\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = read("crates/eventcask/examples/readme.rs");
    assert_eq!(
        code,
        example.strip_prefix("//! The code of the README.\n\n")
    );
}

#[test]
fn the_readme_begins_with_code() {
    let readme = read("README.md");
    let line = readme
        .lines()
        .position(|line| line.contains("eventcask::open"));
    assert!(
        line.is_some_and(|line| line < 15),
        "code by line 15, not {line:?}"
    );
}

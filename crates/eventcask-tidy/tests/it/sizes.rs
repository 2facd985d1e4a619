//! Files and functions that are too long, planted and ours.

use std::path::Path;

use eventcask_tidy::{MAX_FILE_LINES, MAX_FUNCTION_LINES, long_functions, root, unexplained_files};

use crate::support::written;

fn long_file(top: &str) -> String {
    format!("{top}\n{}", "// line\n".repeat(MAX_FILE_LINES))
}

#[test]
fn a_long_file_that_does_not_say_why_is_found() {
    let explained = long_file("//! A table.\n//!\n//! This file is long because a table is.");
    let directory = written(&[
        ("crates/a/src/lib.rs", &long_file("//! Many things.")),
        ("crates/a/src/table.rs", &explained),
        ("benches/short.rs", "//! Short."),
        ("fuzz/short.rs", "//! Short."),
    ]);
    let found = unexplained_files(directory.path()).unwrap();
    assert_eq!(found, [directory.path().join("crates/a/src/lib.rs")]);
}

#[test]
fn a_long_method_is_found_with_its_type_and_length() {
    let lines = "        f();\n".repeat(MAX_FUNCTION_LINES - 2);
    let text = format!(
        "impl A {{\n    fn fits() {{\n{lines}    }}\n    #[inline]\n    fn long()\n    {{\n{lines}    }}\n}}\n"
    );
    let directory = written(&[
        ("crates/a/src/lib.rs", &text),
        ("benches/short.rs", ""),
        ("fuzz/short.rs", ""),
    ]);
    let found = long_functions(directory.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].file, Path::new("crates/a/src/lib.rs"));
    assert_eq!(found[0].name, "A::long");
    assert_eq!(found[0].lines, MAX_FUNCTION_LINES + 1);
}

#[test]
fn every_long_file_says_why_it_is_long() {
    let found = unexplained_files(&root()).unwrap();
    assert!(
        found.is_empty(),
        "more than {MAX_FILE_LINES} lines: divide it, or open it with a comment that says 'This file is long' and why: {found:?}"
    );
}

//! Circles between modules, found in small crates whose circles are known.

use eventcask_tidy::{file_circles, folder_circles};

use crate::support::workspace;

/// The members of each circle of a crate of these files, behind the folder that they lie in.
fn check(files: &[(&str, &str)], expected: &[(&str, &[&str])]) {
    let found = folder_circles(&workspace(files));
    let found: Vec<(&str, Vec<&str>)> = found
        .iter()
        .map(|circle| {
            let members = circle.members.iter().map(String::as_str).collect();
            (&*circle.folder, members)
        })
        .collect();
    let expected: Vec<(&str, Vec<&str>)> = expected
        .iter()
        .map(|(folder, members)| (*folder, members.to_vec()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn modules_that_point_one_way_are_no_circle() {
    check(
        &[
            ("a/src/lib.rs", "mod low; mod high; pub use high::High;"),
            ("a/src/low.rs", "pub struct Low;"),
            (
                "a/src/high.rs",
                "use crate::low::Low; pub struct High(Low);",
            ),
        ],
        &[],
    );
}

#[test]
fn two_modules_that_name_each_other_are_a_circle() {
    check(
        &[
            ("a/src/lib.rs", "mod one; mod two; mod three;"),
            ("a/src/one.rs", "use super::two::Two; pub struct One(Two);"),
            (
                "a/src/two.rs",
                "pub struct Two; fn f() -> Option<crate::one::One> { None }",
            ),
            ("a/src/three.rs", "use crate::one::One; struct Three(One);"),
        ],
        &[("crate", &["one", "two"])],
    );
}

#[test]
fn a_name_leads_to_the_module_that_defines_it() {
    check(
        &[
            (
                "a/src/lib.rs",
                "mod one; mod two; pub use two::Two as Second;",
            ),
            ("a/src/one.rs", "use crate::Second; pub struct One(Second);"),
            (
                "a/src/two.rs",
                "use crate::one; pub struct Two; type Back = one::One;",
            ),
        ],
        &[("crate", &["one", "two"])],
    );
}

#[test]
fn a_path_among_the_arguments_of_a_macro_counts() {
    check(
        &[
            ("a/src/lib.rs", "mod one; mod two;"),
            (
                "a/src/one.rs",
                "pub fn f() { println!(\"{}\", crate::two::g()) }",
            ),
            ("a/src/two.rs", "pub fn g() -> u8 { crate::one::f(); 1 }"),
        ],
        &[("crate", &["one", "two"])],
    );
}

#[test]
fn folders_are_a_circle_although_their_files_are_none() {
    let files = [
        ("a/src/lib.rs", "mod low; mod high;"),
        ("a/src/low/mod.rs", "mod ground; mod roof;"),
        ("a/src/low/ground.rs", "pub struct Ground;"),
        (
            "a/src/low/roof.rs",
            "use crate::high::High; struct Roof(High);",
        ),
        (
            "a/src/high.rs",
            "use crate::low::ground::Ground; pub struct High(Ground);",
        ),
    ];
    check(&files, &[("crate", &["high", "low"])]);
    assert_eq!(file_circles(&workspace(&files)), []);
}

#[test]
fn files_of_different_folders_are_a_circle() {
    let found = file_circles(&workspace(&[
        ("a/src/lib.rs", "mod low; mod high;"),
        ("a/src/low/mod.rs", "mod ground;"),
        (
            "a/src/low/ground.rs",
            "use crate::high::High; pub struct Ground(Box<High>);",
        ),
        (
            "a/src/high.rs",
            "use crate::low::ground::Ground; pub struct High(Ground);",
        ),
    ]));
    let members: Vec<_> = found.iter().flat_map(|circle| &circle.members).collect();
    assert_eq!(members, ["high", "low::ground"]);
}

#[test]
fn a_circle_inside_of_a_folder_is_found_there() {
    check(
        &[
            ("a/src/lib.rs", "mod inside;"),
            ("a/src/inside/mod.rs", "mod one; mod two;"),
            (
                "a/src/inside/one.rs",
                "use super::two::Two; pub struct One(Two);",
            ),
            (
                "a/src/inside/two.rs",
                "use super::one::One; pub struct Two(Box<One>);",
            ),
        ],
        &[("inside", &["one", "two"])],
    );
}

#[test]
fn what_only_tests_need_is_no_arrow() {
    check(
        &[
            ("a/src/lib.rs", "mod one; mod two;"),
            (
                "a/src/one.rs",
                "#[cfg(test)] mod tests { use crate::two::Two; } pub struct One;",
            ),
            ("a/src/two.rs", "use crate::one::One; pub struct Two(One);"),
        ],
        &[],
    );
}

#[test]
fn variables_and_other_crates_are_no_arrow() {
    check(
        &[
            ("a/src/lib.rs", "mod one; mod two;"),
            (
                "a/src/one.rs",
                "use b::two::Two; pub fn f(two: u8) -> u8 { let _: Two; two }",
            ),
            ("a/src/two.rs", "use crate::one::f; fn g() { f(1); }"),
            ("b/src/lib.rs", "pub mod two { pub struct Two; }"),
        ],
        &[],
    );
}

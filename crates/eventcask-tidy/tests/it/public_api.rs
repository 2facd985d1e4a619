//! The public API, of a small crate and of ours.

use std::collections::BTreeSet;
use std::fs;

use eventcask_tidy::{public_api, root};

use crate::support::{ours, workspace};

fn check(files: &[(&str, &str)], expected: &[&str]) {
    let api = public_api(&workspace(files), "a").unwrap();
    assert_eq!(api.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn only_what_can_be_named_outside_is_listed() {
    check(
        &[
            (
                "a/src/lib.rs",
                "mod store; pub use store::Store; pub mod disk; struct Hidden;",
            ),
            (
                "a/src/store.rs",
                "#[derive(Clone)] #[must_use] pub struct Store { pub name: String, held: u8 }
                 impl Store { pub fn open(\n    name: &str,\n) -> Self { .. } fn inner(&self) {} }
                 pub struct Inner;",
            ),
            (
                "a/src/disk.rs",
                "pub(crate) const SMALL: u8 = 1; pub const LARGE: u64 = 2;",
            ),
        ]
        .map(|(file, text)| (file, text.replace("{ .. }", "{ todo!() }")))
        .iter()
        .map(|(file, text)| (*file, &**text))
        .collect::<Vec<_>>(),
        &[
            "a::Store.name: String",
            "a::Store: #[must_use]",
            "a::Store: Clone",
            "a::Store: struct",
            "a::Store::open: fn open(name: &str) -> Self",
            "a::disk::LARGE: const u64",
        ],
    );
}

#[test]
fn an_item_of_another_crate_has_its_lines_too() {
    check(
        &[
            ("a/src/lib.rs", "pub use b::Kind; mod more;"),
            (
                "a/src/more.rs",
                "use b::Kind; pub trait Quiet {} impl Quiet for Kind {} impl From<u8> for Kind {}",
            ),
            ("b/src/lib.rs", "mod kind; pub use kind::Kind;"),
            (
                "b/src/kind.rs",
                "#[non_exhaustive] pub enum Kind { One, Two(u8), Three { at: u8 } }",
            ),
        ],
        &[
            "a::Kind: #[non_exhaustive]",
            "a::Kind: From<u8>",
            "a::Kind: enum",
            "a::Kind::One: variant",
            "a::Kind::Three: variant{ at: u8 }",
            "a::Kind::Two: variant(u8)",
        ],
    );
}

#[test]
fn a_trait_has_a_line_for_each_item() {
    check(
        &[(
            "a/src/lib.rs",
            "pub trait Fold<T>: Send { type State: Default; const NAME: &str; fn apply(&mut self); fn reset(&mut self) {} }",
        )],
        &[
            "a::Fold: needs Send",
            "a::Fold: trait<T>",
            "a::Fold::NAME: const &str",
            "a::Fold::State: type State: Default;",
            "a::Fold::apply: fn apply(&mut self)",
            "a::Fold::reset: fn reset(&mut self) { .. }",
        ],
    );
}

/// Types and modules at the root that a stranger still takes in.
const MAX_ROOT_NAMES: usize = 59;

#[test]
fn the_root_of_the_facade_is_small() {
    let api = public_api(&ours(), "eventcask").unwrap();
    let names: BTreeSet<&str> = api
        .lines()
        .filter_map(|line| {
            line.strip_prefix("eventcask::")?
                .split([':', '.', ' '])
                .next()
        })
        .collect();
    assert!(
        names.len() <= MAX_ROOT_NAMES,
        "{} names at the root of eventcask; what is not for the first hour goes into one of its modules: {names:?}",
        names.len()
    );
}

#[test]
fn the_public_api_changes_on_purpose() {
    let now = public_api(&ours(), "eventcask").unwrap();
    let listed = fs::read_to_string(root().join("docs/public-api.txt")).unwrap();
    let (now, listed): (BTreeSet<&str>, BTreeSet<&str>) =
        (now.lines().collect(), listed.lines().collect());
    let lines = |mark: char, lines: BTreeSet<&&str>| -> String {
        lines
            .iter()
            .map(|line| format!("{mark} {line}\n"))
            .collect()
    };
    let differ = lines('-', listed.difference(&now).collect())
        + &lines('+', now.difference(&listed).collect());
    assert!(
        differ.is_empty(),
        "the public API is another than docs/public-api.txt lists. On purpose? Then: cargo run -p eventcask-tidy -- api\n{differ}"
    );
}

//! What does not keep a rule yet may only shrink.

use std::fs;

use eventcask_tidy::{Ratchet, root};

use crate::support::{ratchet_file, written};

fn list(text: &str) -> Ratchet {
    let directory = written(&[("list", text)]);
    Ratchet::read(&directory.path().join("list")).unwrap()
}

#[test]
fn the_source_keeps_the_rules_but_for_what_is_listed() {
    let now = Ratchet::measured(&root()).unwrap();
    let listed = Ratchet::read(&ratchet_file()).unwrap();
    let broken = listed.broken_by(&now);
    assert!(
        broken.is_empty(),
        "{}\nFor circles see: cargo run -p eventcask-tidy -- circles",
        broken.join("\n")
    );
    assert_eq!(
        listed,
        listed.tightened(&now),
        "what is no longer needed is taken out: cargo run -p eventcask-tidy -- ratchet"
    );
}

#[test]
fn what_grows_or_is_not_listed_is_broken() {
    let listed = list("# why\nfiles a 5\nlines a f 80\n");
    let now = list("files a 6\nfiles b 2\nlines a f 80\n");
    let broken = listed.broken_by(&now);
    assert_eq!(broken, ["files a 6, at most 5", "files b 2, at most 0"]);
}

#[test]
fn the_list_shrinks_and_never_grows() {
    let listed = list("files a 5\nfiles b 2\nlines a f 80\n");
    let now = list("files a 3\nlines a f 90\nlines a g 71\n");
    assert_eq!(listed.tightened(&now), list("files a 3\nlines a f 80\n"));
}

#[test]
fn comments_stay_where_they_are() {
    let directory = written(&[("list", "# Why it is so.\n\nlines a f 80\n")]);
    let file = directory.path().join("list");
    list("lines a f 75\n").write(&file).unwrap();
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        "# Why it is so.\n\nlines a f 75\n"
    );
}

#[test]
fn a_line_without_a_number_is_refused() {
    let directory = written(&[("list", "files a\n")]);
    let refused = Ratchet::read(&directory.path().join("list")).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("'files a' does not end in a number."),
        "{refused}"
    );
}

//! Keys, types and names from outside never become names of files.

use std::fs;
use std::path::Path;

use eventcask::limits::{MAX_KEY_BYTES, MAX_TYPE_BYTES};
use eventcask::{ErrorKind, Expected, NewEvent, Store, ViewSpec};

use crate::support::payloads;

/// What would be trouble as the name of a file, here or elsewhere.
fn hostile() -> Vec<String> {
    let fixed = [
        ".",
        "..",
        "/",
        "../escaped",
        "../../../../tmp/escaped",
        "/tmp/escaped",
        "a/../../b",
        "a\\..\\b",
        "shards/0000/0000000001.segment",
        "MANIFEST",
        "LOCK",
        "definition",
        "\0",
        "a\0b",
        "CON",
        "nul.txt",
        "C:\\x",
        "a:b",
        "~",
        "*",
        "-rf",
        " ",
        "trailing.",
        "Account",
        "account",
        "ACCOUNT",
        "\u{e9}",
        "e\u{301}",
        "\u{202e}txt.exe",
        "\u{1b}[2J",
        "\n",
    ];
    let long = ["k".repeat(255), "k".repeat(256), "k".repeat(MAX_KEY_BYTES)];
    fixed.map(str::to_owned).into_iter().chain(long).collect()
}

/// The names of everything below a directory, relative to it, sorted.
fn below(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap();
            found.push(name.to_str().expect("our names are text").to_owned());
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A store in a directory of its own, with room around it for what escapes.
fn check_files(work: impl Fn(&Store), expected: &[&str]) {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("a/b/store");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let options = Store::options().shards(1).pin(false);
    let store = options.open(&path).unwrap();
    work(&store);
    store.close().unwrap();
    assert_eq!(below(&path), expected);
    assert_eq!(below(around.path()).len(), expected.len() + 3);
    options.open(&path).unwrap().close().unwrap();
}

const PLAIN: [&str; 7] = [
    "ENDS",
    "LOCK",
    "MANIFEST",
    "RESERVE",
    "shards",
    "shards/0000",
    "shards/0000/0000000001.segment",
];

#[test]
fn s5_no_key_becomes_a_file_name_and_each_is_an_aggregate_of_its_own() {
    check_files(
        |store| {
            for key in hostile() {
                let payload = format!("{key:?}");
                let event = NewEvent::bytes("Deposited", payload.as_bytes());
                let ticket = store.producer().append(&key, Expected::NoStream, &[event]);
                ticket.unwrap().wait().expect("no two keys are the same");
            }
            for key in hostile() {
                assert_eq!(payloads(store, &key), [format!("{key:?}")]);
            }
        },
        &PLAIN,
    );
}

#[test]
fn s5_no_type_and_no_source_becomes_a_file_name() {
    check_files(
        |store| {
            for name in hostile() {
                let fits = name.len() <= MAX_TYPE_BYTES;
                let event = NewEvent::json(&name, b"{}");
                let ticket = store
                    .producer()
                    .append("account-1", Expected::Any, &[event]);
                assert_eq!(ticket.map(|ticket| ticket.wait().unwrap()).is_ok(), fits);
                let mut producer = store.producer_from(&name).unwrap();
                let event = NewEvent::json("Deposited", b"{}");
                producer.push_at(0, 0, "account-2", &event).unwrap();
                let flushed = producer.flush().unwrap().wait().unwrap();
                assert_eq!(flushed.stored, 1, "{name:?} is a source of its own");
            }
            assert!(
                hostile()
                    .iter()
                    .all(|name| store.source_marks(name)[0].is_some())
            );
        },
        &PLAIN,
    );
}

#[test]
fn s5_names_beyond_their_limit_are_refused_and_leave_nothing() {
    check_files(
        |store| {
            let huge = "k".repeat(64 << 10);
            let event = NewEvent::json("Deposited", b"{}");
            let refused = store.producer().append(&huge, Expected::Any, &[event]);
            assert_eq!(refused.expect_err("too long").kind(), ErrorKind::Invalid);
            let event = NewEvent::json(&huge, b"{}");
            let refused = store.producer().append("a", Expected::Any, &[event]);
            assert_eq!(refused.expect_err("too long").kind(), ErrorKind::Invalid);
            let refused = store.producer_from(&huge);
            assert_eq!(refused.expect_err("too long").kind(), ErrorKind::Invalid);
        },
        &PLAIN[..6],
    );
}

/// A view has a directory with a number, whatever its name is.
#[test]
fn s5_names_of_views_are_refused_or_do_not_become_file_names() {
    let names = [
        ".", "..", "CON", "nul.txt", "LOCK", "MANIFEST", "0001", "Account", "account",
    ];
    let mut expected: Vec<String> = PLAIN[..6].iter().map(|&name| name.to_owned()).collect();
    expected.push("views".to_owned());
    for number in 1..=names.len() {
        let dir = format!("views/{number:04}");
        expected.extend([
            format!("{dir}/0000.snapshot"),
            format!("{dir}/definition"),
            dir,
        ]);
    }
    expected.sort();
    check_files(
        |store| {
            let spec = ViewSpec::new("k", &["count"], None, None).unwrap();
            for name in names {
                store.create_view(name, spec.clone()).unwrap();
            }
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let refused = |name: &String| name.len() > 64 || !name.chars().all(is_allowed);
            for name in hostile().iter().filter(|name| refused(name)) {
                let error = store.create_view(name, spec.clone()).expect_err(name);
                assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}");
                let sentence = error.to_string();
                assert!(!sentence.contains(char::is_control), "{sentence:?}");
            }
        },
        &expected.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

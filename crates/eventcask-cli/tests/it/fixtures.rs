//! Stores that earlier versions wrote. They are kept as they are, and read for ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy can be made");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("it can be listed");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it can be copied");
        }
    }
}

/// What a command prints, which must end well.
fn printed(store: &Path, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventcask"));
    let output = command.args(args).arg("--store").arg(store).output();
    let output = output.expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    output.stdout
}

/// A store that was written by the second version of the format, and not sealed:
/// `ingest --shards 2 --codec zstd:3` of rows with ids, a view, `ingest --codec lz4`
/// of others. Without the lock and the reserve.
#[test]
fn s11_a_store_of_format_version_2_is_read_and_written() {
    let scratch = tempfile::tempdir().expect("there is room");
    let store = scratch.path().join("store");
    copy(&fixture("v2"), &store);
    let events = fs::read(fixture("v2.ndjson")).expect("it is there");
    let view = fs::read(fixture("v2.view.json")).expect("it is there");
    let get = ["view", "get", "totals", "--all", "--json"];
    assert_eq!(printed(&store, &["export"]), events);
    assert_eq!(printed(&store, &get), view);
    printed(&store, &["verify"]);

    // Opened for writing, with one event more, it is still the same store.
    let more = scratch.path().join("more.ndjson");
    fs::write(&more, "{\"account\":\"account-1\",\"cents\":1}\n").expect("there is room");
    let ingest = [
        "ingest",
        &more.display().to_string(),
        "--aggregate",
        "account",
    ];
    printed(&store, &ingest);
    let exported = printed(&store, &["export"]);
    assert!(exported.starts_with(&events) && exported.len() > events.len());
    printed(&store, &["view", "rebuild", "totals"]);
    printed(&store, &["verify"]);
}

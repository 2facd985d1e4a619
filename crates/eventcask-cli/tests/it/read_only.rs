//! Commands that only read leave the store as it is, to the byte and to the time.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::binary::{FLIGHTS, Place, Running, flights, segment, tree};

const VIEW: [&str; 7] = [
    "view", "create", "delays", "--key", "carrier", "--agg", "count",
];

fn with_view() -> Place {
    let place = Place::new();
    let file = place.file("flights.csv", flights(2000));
    let ingest = ["ingest", &file, "--on-error", "skip", "--shards", "2"];
    place.ok(&[&ingest, &FLIGHTS[..]].concat());
    place.ok(&VIEW);
    place
}

/// Runs everything that only reads; whatever it says, nothing may have changed.
fn check_untouched(place: &Place, state: &str) {
    let store = place.path("store");
    let before = tree(&store);
    let files = before.keys().filter(|path| path.is_file());
    let files: Vec<_> = files
        .map(|path| path.to_str().expect("it is text"))
        .collect();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["read", "N5"],
        vec!["read", "N5", "--last", "1"],
        vec!["read", "nobody"],
        vec!["export"],
        vec!["export", "--shard", "1"],
        vec!["stats"],
        vec!["verify"],
        vec!["view", "list"],
        vec!["view", "get", "delays", "--all"],
        vec!["view", "get", "delays", "UA"],
        vec!["view", "get", "no-such-view", "--all"],
    ];
    commands.extend(files.iter().map(|file| vec!["inspect", file]));
    for args in commands {
        for json in [&[][..], &["--json"]] {
            let args = [&args, json].concat();
            let said = place.run(&args);
            assert!(said.code.is_some_and(|code| code < 4), "{args:?}: {said:?}");
            assert_eq!(tree(&store), before, "{state}: {args:?}");
        }
    }
    let mut tail = Running::start(&mut place.command(&["tail", "--from-start"]));
    tail.line().expect("there is an event");
    tail.signal("-INT");
    let (_, code, err) = tail.end();
    assert_eq!((code, err.as_str()), (Some(0), ""), "{state}");
    assert_eq!(tree(&store), before, "{state}: tail");
}

fn append(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.expect("it can be written");
}

#[test]
fn f7_reading_a_store_that_was_closed_changes_nothing() {
    check_untouched(&with_view(), "closed");
}

/// A writer would set the torn end aside and make the damaged snapshot again.
#[test]
fn f7_reading_changes_nothing_where_a_writer_would_mend() {
    let place = with_view();
    let store = place.path("store");
    append(&segment(&store, 0), b"torn");
    check_untouched(&place, "a torn end");
    fs::remove_file(store.join("views/0001/0000.snapshot")).expect("it is there");
    append(&store.join("views/0001/0001.snapshot"), b"damaged");
    check_untouched(&place, "no snapshots");
    fs::remove_file(store.join("LOCK")).expect("it is there");
    check_untouched(&place, "no note of a writer");
    fs::write(store.join("shards/0000/0000000002.segment.new"), "begun").expect("there is room");
    check_untouched(&place, "a segment that was begun");
}

#[test]
fn f7_reading_changes_nothing_after_a_writer_was_killed() {
    let place = with_view();
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    writeln!(pipe, "{{\"k\":1}}").expect("it is read");
    running.line().expect("it is acknowledged");
    check_untouched(&place, "a writer is there");
    running.child.kill().expect("it can be killed");
    running.child.wait().expect("it ends");
    check_untouched(&place, "killed");
}

/// Damage is reported and left alone.
#[test]
fn f7_reading_a_damaged_store_changes_nothing() {
    let place = with_view();
    let path = segment(&place.path("store"), 1);
    let mut bytes = fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("it can be written");
    let store = place.path("store");
    let before = tree(&store);
    for args in [
        &["export"][..],
        &["read", "N5"],
        &["verify"],
        &["stats"],
        &["view", "list"],
    ] {
        assert!(place.run(args).code.is_some(), "{args:?}");
        assert_eq!(tree(&store), before, "{args:?}");
    }
}

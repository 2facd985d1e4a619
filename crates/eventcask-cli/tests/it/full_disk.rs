//! The binary on a disk that is full.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::binary::{Place, Running, said, said_in_time, tree};
use crate::small_disk::{Kind, SmallDisk};

const DISK_MEGABYTES: u64 = 40;
const TAKEN_MEGABYTES: usize = 28;
/// More than is left of the disk, and by a third less than all of it: small blocks are padded, and
/// how many small ones there are depends on how busy the machine is.
const ROWS: u64 = 12_000;
const ROW_BYTES: usize = 1250;
/// Those that are there before the disk is full.
const FEW: usize = 500;

/// Rows that can not be made smaller, and what they become.
fn rows() -> (String, BTreeMap<String, Vec<Value>>) {
    let (mut file, mut payloads) = (String::new(), BTreeMap::<String, Vec<Value>>::new());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for row in 0..ROWS {
        let mut noise = String::new();
        while noise.len() < ROW_BYTES - 60 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise += &format!("{state:016x}");
        }
        let key = format!("account-{}", state % 3000);
        let payload = json!({"k": key, "row": row, "noise": noise});
        file += &format!("{payload}\n");
        payloads.entry(key).or_default().push(payload);
    }
    (file, payloads)
}

/// A place with a small disk that has room for part of the rows.
fn with_small_disk(kind: Kind) -> Option<(Place, SmallDisk)> {
    let place = Place::new();
    let disk = SmallDisk::mount(&place, kind, DISK_MEGABYTES)?;
    disk.take(TAKEN_MEGABYTES);
    let place = place.with_store_in(disk.path("store"));
    Some((place, disk))
}

fn ingest<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let ingest = ["ingest", file, "--aggregate", "k", "--codec", "none"];
    [&ingest, more].concat()
}

/// Ingests until the disk is full, and takes the crumbs that are left.
fn fill(place: &Place, disk: &SmallDisk, args: &[&str]) {
    let sentence = place.fails(3, args);
    let says = sentence.contains("No space left on device") && sentence.contains("free some space");
    assert!(says, "{sentence}");
    disk.take_all();
}

/// How many rows are stored, each as it was given and, of a file, in its order.
fn check_part(place: &Place, whole: &BTreeMap<String, Vec<Value>>, in_order: bool) -> usize {
    let found = place.payloads();
    for (key, found) in &found {
        let whole = &whole[key];
        if in_order {
            assert_eq!(found[..], whole[..found.len()], "{key}");
        } else {
            assert!(found.iter().all(|payload| whole.contains(payload)), "{key}");
        }
    }
    found.values().map(Vec::len).sum()
}

/// Everything that reads does so with no byte left.
fn check_readable(place: &Place, rows: usize) {
    assert_eq!(place.json(&["verify"])["ok"], true);
    assert_eq!(place.json(&["stats"])["events"], rows);
    // Either shard may have found no room at all.
    let first = place.export(&[]);
    let key = first[0]["aggregate"].as_str().expect("it is text");
    assert!(!place.ok(&["read", key]).is_empty());
    place.ok(&["view", "list"]);
}

/// Full, read, killed, given room again: each row is there once.
fn check_goes_on(kind: Kind, more: &[&str], in_order: bool) {
    let Some((place, disk)) = with_small_disk(kind) else {
        return;
    };
    let (file, whole) = rows();
    let file = place.file("rows.ndjson", file);
    let args = ingest(&file, more);
    fill(&place, &disk, &args);
    let stored = check_part(&place, &whole, in_order);
    // How much of the room is used depends on how large the block is that does not fit any more,
    // and on which shard comes first.
    assert!(stored > 0 && (stored as u64) < ROWS, "{stored}");
    check_readable(&place, stored);

    disk.free();
    disk.take(1);
    let mut running = Running::start(&mut place.command(&[&args[..], &["--acks"]].concat()));
    running.line();
    disk.take_all();
    running.child.kill().expect("it can be killed");
    running.child.wait().expect("it ends");
    let stored = check_part(&place, &whole, in_order);
    check_readable(&place, stored);

    disk.free();
    let summary = place.json(&args);
    assert_eq!(summary["rows"], ROWS);
    let found = place.payloads();
    let count: usize = found.values().map(Vec::len).sum();
    assert_eq!(count as u64, ROWS, "each row once");
    if in_order {
        assert_eq!(found, whole);
    }
    assert_eq!(check_part(&place, &whole, in_order), count);
    assert_eq!(place.json(&["verify"])["ok"], true);
}

#[test]
fn f3_a_full_tmpfs_can_be_read_and_ingest_goes_on_once_there_is_room() {
    check_goes_on(Kind::Tmpfs, &[], true);
    check_goes_on(Kind::Tmpfs, &["--id", "row", "--durability", "os"], false);
}

#[test]
fn f3_a_full_ext4_can_be_read_and_ingest_goes_on_once_there_is_room() {
    check_goes_on(Kind::Ext4, &[], true);
    check_goes_on(Kind::Ext4, &["--id", "row", "--durability", "os"], false);
}

const ROUNDS: u64 = 3;

/// A row beside those of the file.
fn extra(round: u64) -> Value {
    json!({"k": "extra", "row": ROWS + round})
}

/// Killed again and again while there is no room: it can be opened for writing and closed. With
/// `tear`, what was written last is cut short, so that opening has something to set aside.
fn check_opens(kind: Kind, tear: bool) {
    let Some((place, disk)) = with_small_disk(kind) else {
        return;
    };
    let (file, mut whole) = rows();
    whole.insert("extra".to_owned(), (0..ROUNDS).map(extra).collect());
    let few: String = file
        .lines()
        .take(FEW)
        .map(|line| format!("{line}\n"))
        .collect();
    let few = place.file("few.ndjson", few);
    let file = place.file("rows.ndjson", file);
    let few = ingest(&few, &["--id", "row"]);
    place.ok(&few);
    fill(&place, &disk, &ingest(&file, &["--id", "row"]));
    for round in 0..ROUNDS {
        kill_while_full(&place, &disk, round, tear);
        let stored = check_part(&place, &whole, false);
        check_readable(&place, stored);
        let summary = place.json(&few);
        assert_eq!(summary["duplicates"], FEW, "round {round}: {summary}");
        assert_eq!(check_part(&place, &whole, false), stored, "round {round}");
        check_readable(&place, stored);
    }
    let extras = place.payloads().get("extra").map_or(0, Vec::len) as u64;
    assert_eq!(extras, if tear { 0 } else { ROUNDS });
    disk.free();
    place.json(&ingest(&file, &["--id", "row"]));
    assert_eq!(check_part(&place, &whole, false) as u64, ROWS + extras);
}

/// A writer that has just stored a row finds the disk full and is killed.
fn kill_while_full(place: &Place, disk: &SmallDisk, round: u64, tear: bool) {
    disk.free();
    disk.take(TAKEN_MEGABYTES / 4);
    let before = segments(disk);
    let args = ["ingest", "-", "--aggregate", "k", "--id", "row", "--acks"];
    let mut running = Running::start(place.command(&args).stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    writeln!(pipe, "{}", extra(round)).expect("it is read");
    running.line().expect("it is acknowledged");
    if tear {
        let after = segments(disk);
        let grown = after
            .iter()
            .filter(|(path, bytes)| before.get(*path) != Some(bytes));
        for (path, _) in grown {
            // Behind the last block there may be zeros, for those to come.
            let bytes = std::fs::read(path).expect("it can be read");
            let zeros = bytes.iter().rev().take_while(|byte| **byte == 0);
            let end = bytes.len() - zeros.count();
            let file = OpenOptions::new().write(true).open(path);
            file.and_then(|file| file.set_len(end as u64 - 10))
                .expect("it can be cut");
        }
    }
    disk.take_all();
    running.child.kill().expect("it can be killed");
    running.child.wait().expect("it ends");
}

/// How long each segment is.
fn segments(disk: &SmallDisk) -> BTreeMap<PathBuf, u64> {
    let names = tree(&disk.path("store/shards")).into_keys();
    let segments = names.filter(|path| path.extension().is_some_and(|name| name == "segment"));
    let length = |path: &PathBuf| path.metadata().expect("it is there").len();
    segments.map(|path| (path.clone(), length(&path))).collect()
}

#[test]
fn f4_a_full_disk_can_still_be_opened_and_closed() {
    check_opens(Kind::Tmpfs, false);
    check_opens(Kind::Ext4, false);
}

#[test]
fn f4_a_torn_end_is_set_aside_on_a_full_disk() {
    check_opens(Kind::Tmpfs, true);
    check_opens(Kind::Ext4, true);
}

/// The zeros that are kept ahead of a log may be a hole, for which a full disk has no room: opening
/// wrote them again and failed. They are taken off now.
#[test]
fn f4_a_tail_with_a_hole_is_opened_on_a_full_disk() {
    for kind in [Kind::Tmpfs, Kind::Ext4] {
        let Some((place, disk)) = with_small_disk(kind) else {
            return;
        };
        let few = place.file("few.ndjson", "{\"k\":1}\n{\"k\":2}\n");
        place.ok(&["ingest", &few, "--aggregate", "k", "--shards", "1"]);
        let (path, length) = segments(&disk).pop_first().expect("there is one");
        let file = OpenOptions::new().write(true).open(path);
        file.and_then(|file| file.set_len(length + (3 << 20)))
            .expect("a hole takes no room");
        disk.take_all();
        place.ok(&["seal"]);
        check_readable(&place, 2);
        assert_eq!(
            segments(&disk).pop_first().map(|(_, bytes)| bytes),
            Some(length)
        );
    }
}

/// Each command that prints, on a store with a bit of everything.
fn commands_that_print<'a>(file: &'a str, store: &'a str) -> Vec<Vec<&'a str>> {
    let ingest = ["ingest", file, "--aggregate", "k"];
    let commands = vec![
        ingest.to_vec(),
        [&ingest[..], &["--acks", "--source", "two"]].concat(),
        vec!["append", "a", "Noted", "{}"],
        vec!["read", "a"],
        vec!["diff", "a", "--from", "1"],
        vec!["export"],
        vec!["tail", "--from-start"],
        vec!["view", "create", "two", "--key", "k", "--agg", "count"],
        vec!["view", "list"],
        vec!["view", "get", "one", "--all"],
        vec!["view", "rebuild", "one"],
        vec!["view", "drop", "one"],
        vec!["subscriptions"],
        vec!["stats"],
        vec!["verify"],
        vec!["truncate", "a", "--all"],
        vec!["reclaim"],
        vec!["seal"],
        vec!["repair"],
        vec!["backup", store],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["--help"],
        vec!["--version"],
    ];
    let can_be_repeated = |one: &&Vec<&str>| {
        let change = ["backup", "tail", "create", "rebuild", "drop", "get"];
        !one.iter().take(2).any(|word| change.contains(word))
    };
    let json = commands.iter().filter(can_be_repeated);
    let json: Vec<_> = json.map(|one| [one, &["--json"][..]].concat()).collect();
    [commands, json].concat()
}

/// What was said could not be written, and the exit code said that all was well: acknowledgements
/// of an ingest were dropped.
#[test]
fn what_can_not_be_printed_is_an_error_of_every_command() {
    let place = Place::new();
    let file = place.file("x.ndjson", "{\"k\":\"a\"}\n{\"k\":\"b\"}\n");
    let args = ["ingest", &file, "--aggregate", "k", "--source", "first"];
    place.ok(&args);
    place.ok(&["view", "create", "one", "--key", "k", "--agg", "count"]);
    let copy = place.path("copy");
    for args in commands_that_print(&file, copy.to_str().expect("it is text")) {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let mut command = place.command(&args);
        let said = said_in_time({
            command.stdout(full.expect("it is there"));
            command
        });
        assert_eq!(said.code, Some(3), "{args:?}: {said:?}");
        assert!(said.err.contains("no space left"), "{args:?}: {said:?}");
    }
}

/// Where even that can not be said, the exit code says it.
#[test]
fn the_exit_code_is_the_same_where_nothing_can_be_said() {
    let place = Place::new();
    for (code, args) in [(2, &["stats"][..]), (2, &["no-such-command"])] {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let mut command = place.command(args);
        command.stderr(full.expect("it is there"));
        assert_eq!(said(&mut command).code, Some(code), "{args:?}");
    }
}

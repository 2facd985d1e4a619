//! The binary where the system gives it too little: a sentence, no panic, nothing half-written.

use std::process::Command;

use crate::binary::{FLIGHTS, Place, Said, after, flights, said_in_time};

const ROWS: u64 = 3000;
const EVENTS: u64 = ROWS - ROWS / 50;

/// Commands that read, and those that write.
const COMMANDS: [&[&str]; 7] = [
    &["export"],
    &["read", "N5"],
    &["stats"],
    &["verify"],
    &["view", "get", "delays", "--all"],
    &["view", "rebuild", "delays"],
    &["ingest", "-", "--aggregate", "k"],
];

/// A store with all rows and a view.
fn full() -> Place {
    let place = Place::new();
    let file = place.file("flights.csv", flights(ROWS));
    place.ok(&ingest(&file));
    place.ok(&[
        "view", "create", "delays", "--key", "carrier", "--agg", "count",
    ]);
    place
}

fn ingest(file: &str) -> Vec<&str> {
    let ingest = ["ingest", file, "--on-error", "skip", "--shards", "4"];
    [&ingest, &FLIGHTS[..]].concat()
}

/// Done, or one sentence and the code of an error: never a panic, never a no.
fn check_said(what: &str, said: &Said) {
    let is_done = said.code == Some(0) && said.err.is_empty();
    let is_error = matches!(said.code, Some(2 | 3))
        && said.err.starts_with("eventcask: ")
        && said.err.lines().count() == 1;
    assert!(is_done || is_error, "{what}: {said:?}");
}

/// Whole, and good for the rows that are missing.
fn check_store(what: &str, place: &Place, file: &str) {
    if place.path("store/MANIFEST").exists() {
        assert_eq!(place.json(&["verify"])["ok"], true, "{what}");
    }
    place.ok(&ingest(file));
    assert_eq!(place.json(&["stats"])["events"], EVENTS, "{what}");
    let stored: usize = place.payloads().values().map(Vec::len).sum();
    assert_eq!(stored as u64, EVENTS, "{what}");
}

/// Runs each command under a limit and says how many failed.
fn check_limit(
    full: &Place,
    limited: impl Fn(&Command) -> Command,
    what: &str,
    check: fn(&str, &Said),
) -> u32 {
    let mut failed = 0;
    let place = full.copy();
    for args in COMMANDS {
        let said = said_in_time(limited(&place.command(args)));
        let what = format!("{what}: {args:?}");
        check(&what, &said);
        failed += u32::from(said.code != Some(0));
        if said.code == Some(0) && args[0] != "ingest" && args[0] != "stats" && args[0] != "verify"
        {
            assert_eq!(said.out, place.ok(args), "{what}");
        }
    }
    let file = full.path("flights.csv").display().to_string();
    check_store(what, &place, &file);

    let place = Place::new();
    let file = place.file("flights.csv", flights(ROWS));
    let said = said_in_time(limited(&place.command(&ingest(&file))));
    check(what, &said);
    check_store(what, &place, &file);
    failed + u32::from(said.code != Some(0))
}

#[test]
fn f8_out_of_descriptors_is_an_error_and_leaves_a_whole_store() {
    let (full, mut failed) = (full(), 0);
    // Fewer than four are too few to start a program at all.
    for limit in 4..18 {
        let line = format!("ulimit -n {limit}");
        failed += check_limit(&full, |command| after(&line, command), &line, check_said);
    }
    assert!(failed > 20, "no limit was too low: {failed}");
}

/// No program can answer for each of its allocations, and this one ends where a small one
/// fails; but what it leaves is whole.
#[test]
fn f8_out_of_memory_leaves_a_whole_store() {
    let (full, mut failed) = (full(), 0);
    for kilobytes in [
        14_000, 20_000, 28_000, 36_000, 44_000, 52_000, 60_000, 100_000,
    ] {
        let line = format!("ulimit -v {kilobytes}");
        failed += check_limit(&full, |command| after(&line, command), &line, |_, _| ());
    }
    assert!(failed > 8, "no limit was too low: {failed}");
}

#[test]
fn f8_out_of_threads_leaves_a_whole_store() {
    let Some(most) = with_threads(1000) else {
        return;
    };
    let full = full();
    let said = said_in_time(after(&most, &full.copy().command(&["export"])));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut failed = 0;
    for line in (1..10).filter_map(with_threads) {
        failed += check_limit(&full, |command| after(&line, command), &line, |_, _| ());
    }
    assert!(failed > 8, "no limit was too low: {failed}");
}

/// Runs what follows with so many threads at most. The limit does not bind root, so it is run
/// as somebody else, to whom the place is given; where that can not be done, it says so.
fn with_threads(limit: u32) -> Option<String> {
    let nobody = 1_000_000 + std::process::id();
    let run = format!("setpriv --reuid={nobody} --clear-groups");
    let limited = format!("bash -c 'ulimit -u {limit} && exec \"$0\" \"$@\"'");
    let line =
        format!("chown -R {nobody} \"${{EVENTCASK_STORE%/*}}\" && set -- {run} {limited} \"$@\"");
    if limit > 100 {
        // It says that there is no store, where it can be run and may look for one.
        let tried = said_in_time(after(&line, &Place::new().command(&["stats"])));
        if tried.code != Some(2) {
            println!(
                "nothing was tried: no limit of threads can be set: {}",
                tried.err
            );
            return None;
        }
    }
    Some(line)
}

/// A file that may not grow any more is an error of that file where the system says so, and
/// the end of the process where it sends the signal; either leaves a whole store.
#[test]
fn f8_out_of_file_size_leaves_a_whole_store() {
    let check = |what: &str, said: &Said| {
        if said.code.is_some() {
            check_said(what, said);
        }
    };
    let (full, mut failed) = (full(), 0);
    for kilobytes in [1, 4, 5, 8, 12, 20, 30] {
        let line = format!("ulimit -f {kilobytes}");
        failed += check_limit(&full, |command| after(&line, command), &line, check);
        let line = format!("trap '' XFSZ && ulimit -f {kilobytes}");
        failed += check_limit(&full, |command| after(&line, command), &line, check_said);
    }
    assert!(failed > 10, "no limit was too low: {failed}");
}

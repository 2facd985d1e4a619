//! One writer at a time, among processes.

use std::fs;
use std::io::Write as _;
use std::process::{ChildStdin, Stdio};

use crate::binary::{Place, Running};

/// A writer that has stored a row and waits for more.
fn writer(place: &Place, key: &str) -> (Running, ChildStdin) {
    let mut command =
        place.command(&["ingest", "-", "--aggregate", "k", "--acks", "--source", key]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    writeln!(pipe, "{{\"k\":\"{key}\"}}").expect("it is read");
    running.line().expect("it is acknowledged");
    (running, pipe)
}

/// All that would write is refused and told who writes; the store can be read.
fn check_taken(place: &Place, file: &str, by: &Running, is_named: bool) {
    for args in [
        &["ingest", file, "--aggregate", "k"][..],
        &["view", "create", "v", "--key", "k", "--agg", "count"],
        &["view", "rebuild", "v"],
        &["view", "drop", "v"],
    ] {
        let sentence = place.fails(2, args);
        assert!(
            sentence.contains("written to by another process"),
            "{sentence}"
        );
        let named = sentence.contains(&format!("(process {})", by.child.id()));
        assert_eq!(named, is_named, "{sentence}");
    }
    assert!(!place.export(&[]).is_empty());
}

#[test]
fn s8_a_second_writer_is_refused_also_where_the_lock_file_is_gone() {
    let place = Place::new();
    let file = place.file("rows.ndjson", "{\"k\":1}\n");
    let (running, pipe) = writer(&place, "first");
    check_taken(&place, &file, &running, true);
    let note = place.path("store/LOCK");
    fs::remove_file(&note).expect("it is there");
    check_taken(&place, &file, &running, false);
    fs::write(&note, "999999\n").expect("it can be written");
    check_taken(&place, &file, &running, false);
    fs::remove_file(&note).expect("it is there");
    drop(pipe);
    assert_eq!(running.end().1, Some(0));
    place.ok(&["ingest", &file, "--aggregate", "k"]);
    assert_eq!(place.export(&[]).len(), 2);
}

#[test]
fn s8_the_lock_ends_with_its_process_however_that_ends() {
    let place = Place::new();
    for (round, signal) in ["-KILL", "-ABRT", "-INT", "-TERM", "-KILL"]
        .iter()
        .enumerate()
    {
        let (mut running, pipe) = writer(&place, &format!("source-{round}"));
        running.signal(signal);
        running.child.wait().expect("it ends");
        drop(pipe);
    }
    assert!(
        place.path("store/LOCK").exists(),
        "the note may outlive its writer"
    );
    let file = place.file("rows.ndjson", "{\"k\":1}\n");
    place.ok(&["ingest", &file, "--aggregate", "k"]);
    assert_eq!(place.export(&[]).len(), 6, "one of each source");
}

/// A store that is reached by another name is the same store.
#[test]
fn s8_a_link_to_the_store_does_not_lead_around_its_lock() {
    let place = Place::new();
    let (running, pipe) = writer(&place, "first");
    let link = place.path("link");
    std::os::unix::fs::symlink(place.path("store"), &link).expect("it can be made");
    let file = place.file("rows.ndjson", "{\"k\":1}\n");
    let place = place.with_store_in(link);
    check_taken(&place, &file, &running, true);
    drop(pipe);
    assert_eq!(running.end().1, Some(0));
}

//! Events that were given up are seen no more, and their room is taken back.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use eventcask::{NewEvent, Store};
use serde_json::{Value, json};

use crate::binary::{Events, FLIGHTS, Place, Running, flights, said_in_time, tree};

const KEY: &str = "N5";

fn filled() -> Place {
    let place = Place::new();
    place.fill_segments(40_000);
    place
}

/// Runs a command that has to succeed soon, and gives its one document.
fn soon(place: &Place, args: &[&str]) -> Value {
    let said = said_in_time(place.command(&[args, &["--json"]].concat()));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{args:?}");
    serde_json::from_str(&said.out).expect("one document is printed")
}

/// The events that are left when these are given up.
fn without(events: &Events, gone: impl Fn(&str, u64) -> bool) -> Events {
    let mut left = events.clone();
    left.retain(|(key, version), _| !gone(key, *version));
    left
}

#[test]
fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let place = filled();
    let before = tree(&place.path("store"));
    let dry = ["truncate", KEY, "--before-version", "11", "--dry-run"];
    let expected =
        json!({"key": KEY, "events": 10, "first_version": 1, "last_version": 10, "dry_run": true});
    assert_eq!(place.json(&dry), expected);
    let text = place.ok(&dry);
    assert!(
        text.starts_with("10 events of N5 would be given up: versions 1 to 10"),
        "{text}"
    );
    let time = "2200-01-01T00:00:00Z";
    let all = place.json(&["truncate", "--before", time, "--dry-run"]);
    assert_eq!(all["events"], place.json(&["stats"])["events"]);
    assert_eq!(all["before"], time);
    assert!(all["first_commit"].as_str() <= all["last_commit"].as_str());
    let none = place.json(&["truncate", "--before", "1999-01-01T00:00:00Z", "--dry-run"]);
    assert_eq!(none["events"], 0);
    assert_eq!(place.json(&["reclaim", "--dry-run"])["events"], 0);
    assert_eq!(tree(&place.path("store")), before);
}

#[test]
fn events_before_a_version_are_seen_no_more() {
    let place = filled();
    let before = place.events();
    let truncate = ["truncate", KEY, "--before-version", "11"];
    let text = place.ok(&truncate);
    assert!(
        text.starts_with("10 events of N5 given up: versions 1 to 10"),
        "{text}"
    );
    assert!(text.contains("`eventcask reclaim`"), "{text}");
    let left = without(&before, |key, version| key == KEY && version < 11);
    assert_eq!(place.events(), left);
    let first = place.ok(&["read", KEY]);
    assert!(first.contains("\"version\":11,"), "{}", &first[..200]);
    let files = tree(&place.path("store/shards"));
    let again = json!({"key": KEY, "events": 0, "dry_run": false});
    assert_eq!(place.json(&truncate), again);
    assert_eq!(place.events(), left);
    assert_eq!(tree(&place.path("store/shards")).len(), files.len());
    assert_eq!(place.json(&["verify"])["ok"], true);
}

#[test]
fn an_aggregate_that_was_given_up_goes_on_with_its_versions() {
    let place = filled();
    let before = place.events();
    let newest = before.keys().filter(|(key, _)| key == KEY).count() as u64;
    let said = place.json(&["truncate", KEY, "--all"]);
    assert_eq!(said["last_version"], newest);
    assert_eq!(place.events(), without(&before, |key, _| key == KEY));
    assert_eq!(place.ok(&["read", KEY]), "");
    soon(&place, &["reclaim"]);
    let row = place.file("row.ndjson", format!("{{\"tail\":\"{KEY}\"}}\n"));
    place.ok(&["ingest", &row, "--aggregate", "tail"]);
    let line: Value = serde_json::from_str(&place.ok(&["read", KEY])).expect("one event");
    assert_eq!(line["version"], newest + 2, "one is the truncation's own");
    assert_eq!(place.json(&["verify"])["ok"], true);
}

/// Sealing drops events that were given up, also beside an ingest. The rows that it stored were
/// told from the number of events, which fell below what it was before: it panicked, or said
/// nonsense. They are told from positions, which never fall.
#[test]
fn rows_are_counted_where_events_that_were_given_up_go_meanwhile() {
    let place = Place::new();
    let options = Store::options().shards(1).segment_bytes(150_000);
    let store = options.seal(false).open(place.path("store"));
    let store = store.expect("it is made");
    let mut producer = store.producer();
    let payload = format!("\"{}\"", "x".repeat(1000));
    for _ in 0..1000 {
        let pushed = producer.push(KEY, &NewEvent::json("T", payload.as_bytes()));
        pushed.expect("there is room");
        let flushed = producer.flush().expect("it is open").wait();
        flushed.expect("it is stored");
    }
    drop(producer);
    store.close().expect("it is closed");
    place.ok(&["truncate", "--before", "2200-01-01T00:00:00Z"]);
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks"]);
    let mut ingest = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = ingest.child.stdin.take().expect("it is piped");
    pipe.write_all(b"{\"k\":1}\n").expect("it is read");
    assert_eq!(ingest.line(), Some(json!({"acked_rows": 1})));
    let until = Instant::now() + Duration::from_secs(60);
    while place.json(&["stats"])["events"].as_u64() >= Some(1000) {
        assert!(Instant::now() < until, "no segment is sealed");
    }
    drop(pipe);
    let (_, code, err) = ingest.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("1 stored, 0 known before"), "{err}");
}

/// Gives events up and takes their room back; says what that said.
fn check_reclaim(truncate: &[&[&str]], gone: impl Fn(&str, u64) -> bool) -> Value {
    let place = filled();
    let before = place.events();
    let disk = |place: &Place| place.json(&["stats"])["disk_bytes"].as_u64();
    for args in truncate {
        place.ok(&[&["truncate"], *args].concat());
    }
    let full = disk(&place);
    let planned = place.json(&["reclaim", "--dry-run"]);
    let done = soon(&place, &["reclaim"]);
    for name in ["segments", "events", "payload_bytes", "disk_bytes_before"] {
        assert!(done[name].as_u64() > Some(0), "{name}: {done}");
        assert_eq!(done[name], planned[name], "{name}");
    }
    assert_eq!(
        (&planned["dry_run"], &done["dry_run"]),
        (&true.into(), &false.into())
    );
    assert!(
        done["disk_bytes_after"].as_u64() < done["disk_bytes_before"].as_u64(),
        "{done}"
    );
    assert!(disk(&place) < full, "{done}");
    let left = without(&before, gone);
    assert_eq!(place.events(), left);
    assert_eq!(place.json(&["verify"])["ok"], true);
    let again = soon(&place, &["reclaim"]);
    assert_eq!(again["events"], 0);
    check_rows_are_known(&place);
    assert_eq!(place.events(), left);
    done
}

/// How far a file was taken in is not forgotten.
fn check_rows_are_known(place: &Place) {
    let file = place.path("flights.csv").display().to_string();
    let ingest = ["ingest", &file, "--on-error", "skip"];
    let summary = place.json(&[&ingest[..], &FLIGHTS].concat());
    assert_eq!(summary["stored"], 0, "{summary}");
}

/// The files of a store that hold this text.
fn holding(place: &Place, text: &str) -> Vec<String> {
    let tree = tree(&place.path("store"));
    let files = tree.into_iter().filter(|(_, entry)| {
        let mut parts = entry.bytes.windows(text.len());
        parts.any(|part| part == text.as_bytes())
    });
    files.map(|(path, _)| path.display().to_string()).collect()
}

/// The newest segment was left as it was, and nothing was said to be left.
#[test]
fn what_was_given_up_is_found_nowhere_once_its_room_is_taken_back() {
    let place = Place::new();
    let row = |key: &str, who: &str| format!("{{\"k\":\"{key}\",\"who\":\"{who}\"}}\n");
    let rows: String = (0..30)
        .map(|number| match number % 2 {
            0 => row("ada@example.org", "Lovelace"),
            _ => row("charles@example.org", "Babbage"),
        })
        .collect();
    let file = place.file("rows.ndjson", rows);
    place.ok(&["ingest", &file, "--aggregate", "k", "--codec", "none"]);
    place.ok(&[
        "view", "create", "by-name", "--key", "who", "--agg", "count",
    ]);
    let secrets = ["ada@example.org", "Lovelace"];
    assert!(
        secrets
            .iter()
            .all(|secret| !holding(&place, secret).is_empty())
    );
    place.ok(&["truncate", "ada@example.org", "--all"]);
    let planned = place.json(&["reclaim", "--dry-run"]);
    let done = place.json(&["reclaim"]);
    assert_eq!(
        (&planned["events"], &done["events"]),
        (&15.into(), &15.into())
    );
    assert_eq!(done["left"], json!([]));
    for secret in secrets {
        assert_eq!(holding(&place, secret), Vec::<String>::new());
    }
    assert!(!holding(&place, "Babbage").is_empty());
    assert_eq!(place.json(&["verify"])["ok"], true);
    assert_eq!(place.json(&["stats"])["events"], 16, "one has the version");
    let again = row("ada@example.org", "A. King");
    let again = place.file("again.ndjson", again);
    place.ok(&["ingest", &again, "--aggregate", "k"]);
    let line: Value = serde_json::from_str(&place.ok(&["read", "ada@example.org"])).expect("one");
    assert_eq!(line["version"], 17);
    assert_eq!(place.json(&["verify"])["ok"], true);
}

/// A wrong year hid all that was stored from then on.
#[test]
fn a_time_to_come_takes_nothing_that_is_stored_later() {
    let place = Place::new();
    let first = place.file("first.ndjson", "{\"k\":\"a\"}\n");
    place.ok(&["ingest", &first, "--aggregate", "k"]);
    place.ok(&["truncate", "--before", "2099-01-01T00:00:00Z"]);
    let later = place.file("later.ndjson", "{\"k\":\"a\"}\n{\"k\":\"b\"}\n");
    place.ok(&["ingest", &later, "--aggregate", "k"]);
    let seen: Vec<_> = place.events().into_keys().collect();
    assert_eq!(seen, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
}

#[test]
fn the_room_of_all_that_is_old_is_taken_back() {
    let done = check_reclaim(&[&["--before", "2200-01-01T00:00:00Z"]], |_, _| true);
    let after = done["disk_bytes_after"].as_u64();
    let before = done["disk_bytes_before"].as_u64();
    assert!(after.map(|after| after * 5) < before, "{done}");
}

#[test]
fn what_is_not_known_is_a_no_and_half_a_command_is_bad_usage() {
    let place = filled();
    for which in [
        &["--all"][..],
        &["--before-version", "3"],
        &["--all", "--dry-run"],
    ] {
        let said = place.fails(1, &[&["truncate", "nobody"], which].concat());
        assert_eq!(said, "there is no aggregate \"nobody\"");
    }
    for args in [
        &["truncate"][..],
        &["truncate", KEY],
        &["truncate", "--all"],
        &["truncate", "--before-version", "3"],
        &["truncate", KEY, "--all", "--before-version", "3"],
        &["truncate", KEY, "--before", "2200-01-01T00:00:00Z"],
        &["truncate", "--before", "yesterday"],
    ] {
        place.fails(2, args);
    }
}

/// A reader that is open while segments are written anew beside it goes on, and sees what comes.
#[test]
fn readers_beside_go_on() {
    let place = filled();
    let events = place.events().len();
    let mut tail = Running::start(&mut place.command(&["tail", "--from-start"]));
    for _ in 0..events {
        tail.line().expect("there is an event");
    }
    place.ok(&["truncate", KEY, "--all"]);
    soon(&place, &["reclaim"]);
    let more = place.file("more.csv", flights(1000));
    let ingest = ["ingest", &more, "--on-error", "skip", "--source", "more"];
    place.ok(&[&ingest[..], &FLIGHTS].concat());
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines: Vec<_> = (0..980).map_while(|_| tail.line()).collect();
        let _ = sender.send(lines.len());
        tail
    });
    let seen = receiver.recv_timeout(Duration::from_secs(60));
    assert_eq!(seen, Ok(980), "it shows what came");
    let tail = reader.join().expect("it was sent");
    tail.signal("-INT");
    let (rest, code, err) = tail.end();
    assert_eq!((rest.len(), code, err.as_str()), (0, Some(0), ""));
}

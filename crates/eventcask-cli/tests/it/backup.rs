//! A copy of a store that may be in use is a store, whole and consistent.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::binary::{FLIGHTS, Place, Running};

const ROUNDS: u64 = 4;
const ROWS_A_ROUND: u64 = 10_000;

type Payloads = BTreeMap<String, Vec<Value>>;

/// The same place, looked at through one of its copies.
fn copy_of(place: &Place, name: &str) -> Place {
    Place::new().with_store_in(place.path(name))
}

fn target(place: &Place, name: &str) -> String {
    place.path(name).display().to_string()
}

fn rows(round: u64) -> String {
    let row = |row| json!({"k": format!("account-{}", row % 701), "row": row, "noise": row * 2_654_435_761 % 4_294_967_291});
    let rows = round * ROWS_A_ROUND..(round + 1) * ROWS_A_ROUND;
    rows.map(|number: u64| format!("{}\n", row(number)))
        .collect()
}

/// Waits until all rows of the rounds so far are acknowledged.
fn wait_for(running: &mut Running, rounds: u64) {
    loop {
        let line = running.line().expect("it goes on");
        if line["acked_rows"].as_u64() >= Some(rounds * ROWS_A_ROUND) {
            return;
        }
    }
}

fn check_prefix(part: &Payloads, whole: &Payloads) {
    for (key, part) in part {
        assert_eq!(part[..], whole[key][..part.len()], "{key}");
    }
}

/// Each copy is made while rows of the next round are on their way.
#[test]
fn l9_a_backup_taken_while_ingest_runs_opens_and_verifies() {
    let place = Place::new();
    let ingest = ["ingest", "-", "--aggregate", "k", "--source", "rows"];
    let small = ["--acks", "--shards", "4", "--segment-bytes", "50000"];
    let mut command = place.command(&[&ingest[..], &small].concat());
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    let (go, went) = mpsc::channel::<u64>();
    let writer = thread::spawn(move || {
        for round in went {
            pipe.write_all(rows(round).as_bytes()).expect("it is read");
        }
    });
    go.send(0).expect("it is heard");
    wait_for(&mut running, 1);
    let mut copies = Vec::new();
    for round in 1..ROUNDS {
        go.send(round).expect("it is heard");
        let name = format!("copy-{round}");
        let report = place.json(&["backup", &target(&place, &name), "--verify"]);
        assert_eq!(report["ok"], true, "{report}");
        copies.push((round, name, report));
        wait_for(&mut running, round + 1);
    }
    drop(go);
    writer.join().expect("all is written");
    let (_, code, err) = running.end();
    assert_eq!(code, Some(0), "{err}");

    let whole = place.payloads();
    assert_eq!(count(&whole), ROUNDS * ROWS_A_ROUND);
    for (round, name, report) in copies {
        let copy = copy_of(&place, &name);
        let part = copy.payloads();
        check_prefix(&part, &whole);
        assert!(
            count(&part) >= round * ROWS_A_ROUND,
            "acknowledged before it began"
        );
        assert_eq!(report["events"], count(&part));
        assert_eq!(copy.json(&["verify"])["ok"], true);
        check_goes_on(&copy);
    }
}

fn count(payloads: &Payloads) -> u64 {
    payloads.values().map(|of_key| of_key.len() as u64).sum()
}

/// The rest of the rows goes into a copy as into the store itself: it knows those it has.
fn check_goes_on(copy: &Place) {
    let had = count(&copy.payloads());
    let all: String = (0..ROUNDS).map(rows).collect();
    let file = copy.file("rows.ndjson", all);
    let summary = copy.json(&["ingest", &file, "--aggregate", "k", "--source", "rows"]);
    assert_eq!(summary["stored"], ROUNDS * ROWS_A_ROUND - had, "{summary}");
    assert_eq!(count(&copy.payloads()), ROUNDS * ROWS_A_ROUND);
}

#[test]
fn a_copy_holds_events_views_and_what_was_given_up() {
    let place = Place::new();
    place.fill_segments(20_000);
    let view = ["view", "create", "v", "--key", "carrier", "--agg", "count"];
    place.ok(&view);
    place.ok(&["truncate", "N5", "--before-version", "9"]);
    let first = &place.export(&[])[0]["commit_time"];
    let first = first.as_str().expect("it is text");
    let report = place.json(&["backup", &target(&place, "copy")]);
    assert_eq!(report["target"], target(&place, "copy"));
    assert!(report["until"].as_str() > Some(first), "{report}");
    assert!(report["segments"].as_u64() > Some(2), "{report}");
    let bytes = report["bytes"].as_u64().expect("it is a number");
    assert!(bytes > 100_000 && report["seconds"].is_number(), "{report}");
    assert!(report["ok"].is_null(), "nothing was checked");
    let copy = copy_of(&place, "copy");
    assert_eq!(copy.export(&[]), place.export(&[]));
    for args in [&["view", "get", "v", "--all"][..], &["read", "N5"]] {
        assert_eq!(copy.ok(args), place.ok(args), "{args:?}");
    }
    assert_eq!(
        copy.json(&["stats"])["store"],
        place.json(&["stats"])["store"]
    );
    let file = place.path("flights.csv").display().to_string();
    let ingest = ["ingest", &file, "--on-error", "skip"];
    let summary = copy.json(&[&ingest[..], &FLIGHTS].concat());
    assert_eq!(summary["stored"], 0, "it knows the rows");
}

#[test]
fn what_was_given_up_by_time_is_not_seen_in_a_copy() {
    let place = Place::new();
    place.fill_segments(3000);
    place.ok(&["truncate", "--before", "2200-01-01T00:00:00Z"]);
    place.ok(&["backup", &target(&place, "copy"), "--verify"]);
    assert_eq!(copy_of(&place, "copy").ok(&["export"]), "");
}

#[test]
fn a_copy_is_said_and_checked() {
    let place = Place::new();
    place.fill_segments(5000);
    let text = place.ok(&["backup", &target(&place, "copy"), "--verify"]);
    assert!(
        text.contains(" copied to ") && text.contains("all is well: 4,900 events"),
        "{text}"
    );
    let again = place.fails(2, &["backup", &target(&place, "copy")]);
    assert!(again.contains("is not empty"), "{again}");
    let gone = place.run(&[
        "backup",
        &target(&place, "other"),
        "--store",
        "no-such-store",
    ]);
    assert_eq!(gone.code, Some(2), "{gone:?}");
}

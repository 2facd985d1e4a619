//! `eventcask ingest` on a real store.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write as _, pipe};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::binary::{FLIGHTS, Place, Running, flights};

const ROWS: u64 = 5_000;

fn ingest<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["ingest", file], &FLIGHTS[..], more].concat()
}

fn counts(summary: &Value) -> [u64; 4] {
    ["rows", "stored", "duplicates", "rejected"]
        .map(|name| summary[name].as_u64().expect("it is there"))
}

/// What the file holds, without the help of the program.
fn expected(file: &str) -> BTreeMap<String, Vec<Value>> {
    let value = |text: &str| match text {
        "NA" => Value::Null,
        text => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
    };
    let mut payloads = BTreeMap::<String, Vec<Value>>::new();
    for line in file.lines().skip(1) {
        let fields: Vec<_> = line.split(',').map(value).collect();
        if let Some(tail) = fields[1].as_str() {
            let payload = json!({
                "row": fields[0], "tail": fields[1], "carrier": fields[2],
                "delay": fields[3], "time": fields[4],
            });
            payloads.entry(tail.to_owned()).or_default().push(payload);
        }
    }
    payloads
}

#[test]
fn each_row_is_stored_once_however_often_the_command_runs() {
    let place = Place::new();
    let rows = flights(ROWS);
    let file = place.file("flights.csv", &rows);
    let args = ingest(&file, &["--on-error", "skip"]);
    assert_eq!(counts(&place.json(&args)), [ROWS, ROWS - 100, 0, 100]);
    assert_eq!(place.payloads(), expected(&rows));
    assert_eq!(counts(&place.json(&args)), [ROWS, 0, ROWS - 100, 100]);
    assert_eq!(place.payloads(), expected(&rows));
}

#[test]
fn the_summary_has_the_fields_of_the_contract() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(ROWS));
    let summary = place.json(&ingest(&file, &["--on-error", "skip", "--shards", "4"]));
    let numbers = [
        "rows",
        "stored",
        "duplicates",
        "rejected",
        "aggregates",
        "seconds",
        "events_per_second",
        "raw_bytes",
        "disk_bytes",
        "bytes_per_event",
        "shards",
    ];
    for name in numbers {
        assert!(summary[name].is_number(), "{name}");
    }
    for name in ["p50", "p99", "p999", "max"] {
        assert!(summary["ack_us"][name].as_u64() > Some(0), "{name}");
    }
    assert_eq!(summary["aggregates"], 97);
    assert_eq!(
        (&summary["durability"], &summary["shards"]),
        (&json!("sync"), &json!(4))
    );
    assert!(summary.get("error").is_none() && summary.get("interrupted").is_none());
}

#[test]
fn the_summary_for_people_has_units() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(ROWS));
    let text = place.ok(&ingest(
        &file,
        &["--on-error", "skip", "--durability", "os"],
    ));
    let first = text.lines().next().expect("there is a line");
    assert!(
        first.starts_with("5,000 rows in ") && first.ends_with(" events/s"),
        "{text}"
    );
    assert!(
        text.contains("rejected: 100, the first: ") && text.contains("flights.csv:51: "),
        "{text}"
    );
    assert!(text.contains("4,900 events of 97 aggregates in "), "{text}");
}

#[test]
fn a_bad_row_stops_and_leaves_the_rows_before_it_stored() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(ROWS));
    let sentence = place.fails(2, &ingest(&file, &[]));
    let expected = format!("{file}:51: the key is missing: field \"tail\" is null; ");
    assert!(sentence.starts_with(&expected), "{sentence}");
    assert_eq!(place.export(&[]).len(), 49);
    let said = place.run(&ingest(&file, &["--json"]));
    let summary: Value = serde_json::from_str(&said.out).expect("one document is printed");
    assert_eq!(counts(&summary), [50, 0, 49, 1]);
    assert_eq!(
        format!(
            "eventcask: {}\n",
            summary["error"].as_str().expect("it is said")
        ),
        said.err
    );
    assert_eq!(
        counts(&place.json(&ingest(&file, &["--on-error", "skip"]))),
        [ROWS, ROWS - 149, 49, 100]
    );
}

#[test]
fn rejected_rows_are_listed_in_quarantine() {
    let place = Place::new();
    let file = place.file("rows.ndjson", "{\"k\":1}\n\u{1b}[2Jno\n{\"k\":\"\"}\n");
    let list = place.path("bad.ndjson");
    let on_error = format!("quarantine:{}", list.display());
    for _ in 0..2 {
        place.ok(&["ingest", &file, "--aggregate", "k", "--on-error", &on_error]);
        let listed = fs::read_to_string(&list).expect("it was made");
        let rows: Vec<Value> = listed
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect();
        let reason = "the row is not a JSON object; one object a line is expected";
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[0],
            json!({"file": file, "line": 2, "reason": reason, "row": "\u{1b}[2Jno"})
        );
        assert_eq!(rows[1]["row"], "{\"k\":\"\"}");
    }
}

#[test]
fn killed_at_any_moment_and_run_again_it_ends_at_the_same_content() {
    let rows = flights(20_000);
    for kill_after in [0, 1, 2, 3] {
        let place = Place::new();
        let file = place.file("flights.csv", &rows);
        let args = ingest(&file, &["--on-error", "skip", "--acks"]);
        let mut acked = 0;
        for _ in 0..3 {
            let mut running = Running::start(&mut place.command(&args));
            for _ in 0..kill_after {
                acked = running.line().map_or(acked, |line| {
                    acked.max(line["acked_rows"].as_u64().expect("it is there"))
                });
            }
            running.child.kill().expect("it can be killed");
            running.child.wait().expect("it ends");
            if place.path("store/MANIFEST").exists() {
                let stored = place.export(&[]).len() as u64;
                assert!(
                    stored >= acked - acked / 50,
                    "{acked} rows were acknowledged, {stored} are there"
                );
            }
        }
        place.run(&args);
        assert_eq!(
            place.payloads(),
            expected(&rows),
            "killed after {kill_after} acknowledgements"
        );
        assert_eq!(place.json(&["verify"])["ok"], true);
    }
}

#[test]
fn acknowledged_rows_only_grow_up_to_all_of_them() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(60_000));
    let running = Running::start(
        &mut place.command(&ingest(&file, &["--on-error", "skip", "--acks", "--json"])),
    );
    let (mut lines, code, _) = running.end();
    assert_eq!(code, Some(0));
    let summary = lines.pop().expect("the summary is the last line");
    let acks: Vec<_> = lines
        .iter()
        .map(|line| line["acked_rows"].as_u64().expect("it is there"))
        .collect();
    assert!(acks.is_sorted_by(|one, two| one < two), "{acks:?}");
    assert_eq!(
        (acks.last(), &summary["rows"]),
        (Some(&60_000), &json!(60_000))
    );
}

#[test]
fn rows_from_a_pipe_are_acknowledged_while_it_is_open() {
    let place = Place::new();
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks", "--json"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    for row in 1..=3u64 {
        writeln!(pipe, "{{\"k\":{row}}}").expect("it is read");
        assert_eq!(
            running.line().expect("it is acknowledged")["acked_rows"],
            row
        );
    }
    write!(pipe, "{{\"k\":4}}").expect("it is read");
    drop(pipe);
    let (lines, code, _) = running.end();
    assert_eq!(
        (
            lines.last().expect("there is a summary")["stored"].as_u64(),
            code
        ),
        (Some(4), Some(0))
    );
}

#[test]
fn interrupted_it_ends_cleanly_with_what_it_has() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks", "--json"]);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        let mut pipe = running.child.stdin.take().expect("it is piped");
        writeln!(pipe, "{{\"k\":1}}\n{{\"k\":2}}").expect("it is read");
        write!(pipe, "{{\"k\":3").expect("it is read");
        running.line().expect("it is acknowledged");
        running.signal(signal);
        let (lines, code, err) = running.end();
        assert_eq!(code, Some(130), "{err}");
        let summary = lines.last().expect("there is a summary");
        assert_eq!(
            (summary["interrupted"].as_bool(), summary["stored"].as_u64()),
            (Some(true), Some(2))
        );
        assert_eq!(err.lines().count(), 1, "{err}");
        assert_eq!(
            place.export(&[]).len(),
            2,
            "the row that was cut is not stored"
        );
    }
}

#[test]
fn interrupted_before_the_first_row_it_ends_as_well() {
    let place = Place::new();
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--format", "csv"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    // More than a pipe holds: once all is written, somebody reads.
    pipe.write_all(&[b'\n'; 200_000]).expect("it is read");
    running.signal("-INT");
    let (lines, code, err) = running.end();
    assert_eq!(
        (lines.len(), code, err.lines().count()),
        (0, Some(130), 1),
        "{err}"
    );
    assert!(!place.path("store").exists());
}

/// It waited for as long as the store took, 20 s where that was slow, and for ever for one who does
/// not read what it prints. A second after the signal it ends in any case.
#[test]
fn interrupted_it_ends_within_a_second_whatever_it_waits_for() {
    let place = Place::new();
    let (reader, mut full) = pipe().expect("there are pipes");
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks", "--json"]);
    let command = command.stdin(Stdio::piped());
    let child = command.stdout(full.try_clone().expect("it is copied"));
    let mut child = child.spawn().expect("the binary starts");
    // Its standard output is full, and nobody reads it.
    let filler = thread::spawn(move || while full.write_all(&[b'\n'; 4096]).is_ok() {});
    let mut rows = child.stdin.take().expect("it is piped");
    writeln!(rows, "{{\"k\":1}}").expect("it is read");
    while !place.path("store").exists() {
        thread::yield_now();
    }
    let signalled = Instant::now();
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill runs").success());
    let code = child.wait().expect("it ends").code();
    let took = signalled.elapsed();
    assert_eq!(code, Some(130));
    // Many times as long, for a machine that has other things to do.
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop((rows, reader));
    filler.join().expect("it ends as well");
}

#[test]
fn one_who_does_not_listen_to_acknowledgements_loses_no_row() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(60_000));
    let args = ingest(&file, &["--on-error", "skip", "--acks", "--json"]);
    let mut child = place.command(&args).spawn().expect("the binary starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(place.json(&["stats"])["events"], 58_800);
}

#[test]
fn a_file_that_grew_is_taken_up_where_it_ended() {
    let place = Place::new();
    let rows = flights(ROWS);
    let part = rows
        .lines()
        .take(1001)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let file = place.file("flights.csv", part);
    place.ok(&ingest(&file, &["--on-error", "skip"]));
    place.file("flights.csv", &rows);
    let summary = place.json(&ingest(&file, &["--on-error", "skip"]));
    assert_eq!(counts(&summary), [ROWS, ROWS - 1080, 980, 100]);
    assert_eq!(place.payloads(), expected(&rows));
}

#[test]
fn another_file_in_the_same_place_is_refused_before_anything_is_stored() {
    for shards in ["1", "16"] {
        let place = Place::new();
        let file = place.file("f.ndjson", "{\"k\":1}\n{\"k\":1,\"v\":2}\n{\"k\":1}\n");
        let args = ["ingest", &file, "--aggregate", "k"];
        place.ok(&[&args[..], &["--shards", shards]].concat());
        place.file("f.ndjson", "{\"k\":1}\n{\"k\":2}\n{\"k\":3}\n{\"k\":4}\n");
        let sentence = place.fails(2, &args);
        assert!(
            sentence.starts_with(&format!("{file}: its first 3 rows are not those")),
            "{sentence}"
        );
        assert!(sentence.contains("--source NAME"), "{sentence}");
        assert_eq!(place.export(&[]).len(), 3, "with {shards} shards");
        let again = place.json(&[&args[..], &["--source", "the other"]].concat());
        assert_eq!(counts(&again), [4, 4, 0, 0]);
    }
}

#[test]
fn a_shorter_file_in_the_same_place_is_not_taken_for_known_rows() {
    let place = Place::new();
    let file = place.file("f.ndjson", "{\"k\":1}\n{\"k\":1,\"v\":2}\n{\"k\":1}\n");
    let args = ["ingest", &file, "--aggregate", "k"];
    place.ok(&args);
    place.file("f.ndjson", "{\"k\":1}\n{\"k\":1,\"v\":7}\n");
    let sentence = place.fails(2, &args);
    assert!(
        sentence.contains("its first 3 rows are not those"),
        "{sentence}"
    );
    assert_eq!(place.export(&[]).len(), 3);
}

#[test]
fn a_file_that_begins_otherwise_is_another_file() {
    let place = Place::new();
    let file = place.file("f.ndjson", "{\"k\":1}\n{\"k\":2}\n");
    let args = ["ingest", &file, "--aggregate", "k"];
    place.ok(&args);
    place.file("f.ndjson", "{\"k\":7}\n{\"k\":8}\n");
    assert_eq!(counts(&place.json(&args)), [2, 2, 0, 0]);
}

#[test]
fn rows_are_told_by_their_id_wherever_they_come_from() {
    let place = Place::new();
    let one = place.file(
        "one.ndjson",
        "{\"k\":1,\"i\":\"a\"}\n{\"k\":1,\"i\":\"b\"}\n",
    );
    let two = place.file(
        "two.ndjson",
        "{\"k\":1,\"i\":\"b\"}\n{\"k\":1,\"i\":\"c\"}\n{\"k\":1,\"i\":\"c\"}\n",
    );
    let summary = place.json(&["ingest", &one, &two, "--aggregate", "k", "--id", "i"]);
    assert_eq!(counts(&summary), [5, 3, 2, 0]);
    let ids: Vec<_> = place.payloads()["1"]
        .iter()
        .map(|payload| payload["i"].clone())
        .collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[test]
fn one_id_with_other_content_is_refused() {
    let place = Place::new();
    let file = place.file(
        "f.ndjson",
        "{\"k\":1,\"i\":\"a\"}\n{\"k\":1,\"i\":\"a\",\"v\":2}\n",
    );
    let sentence = place.fails(2, &["ingest", &file, "--aggregate", "k", "--id", "i"]);
    assert!(
        sentence.contains("belongs to an event with other content"),
        "{sentence}"
    );
    assert_eq!(place.export(&[]).len(), 1);
}

#[test]
fn types_and_times_of_rows_are_kept() {
    let place = Place::new();
    let file = place.file("f.csv", "k,t,at\na,Sold,2013-01-01T10:00:00Z\nb,Bought,\n");
    place.ok(&[
        "ingest",
        &file,
        "--aggregate",
        "k",
        "--type",
        "t",
        "--time",
        "at",
    ]);
    let events = place.export(&[]);
    let parts = |event: &Value| (event["type"].clone(), event["time"].clone());
    let mut parts: Vec<_> = events
        .iter()
        .map(parts)
        .map(|(of, at)| format!("{of} {at}"))
        .collect();
    parts.sort();
    assert_eq!(
        parts,
        ["\"Bought\" null", "\"Sold\" \"2013-01-01T10:00:00Z\""]
    );
}

#[test]
fn bad_input_is_said_in_one_sentence_and_makes_no_store() {
    let place = Place::new();
    let missing = place.path("missing.csv").display().to_string();
    let said = place.fails(2, &["ingest", &missing, "--aggregate", "k"]);
    assert_eq!(
        said,
        format!("{missing}: can not be opened: no such file or directory")
    );
    let file = place.file("f.csv", "a,b\n1,2\n");
    let said = place.fails(2, &["ingest", &file, "--aggregate", "k"]);
    assert_eq!(
        said,
        format!("{file}:1: the header has no column \"k\"; it has a, b")
    );
    let said = place.fails(2, &["ingest", &file, "--aggregate", "a", "--shards", "3"]);
    assert!(said.contains("3 shards"), "{said}");
    let said = place.fails(
        2,
        &[
            "ingest",
            &file,
            "--aggregate",
            "a",
            "--on-error",
            "quarantine:/no/such/place",
        ],
    );
    assert_eq!(
        said,
        "/no/such/place: can not be made: no such file or directory"
    );
    assert!(!place.path("store").exists());
}

#[test]
fn a_file_that_is_cut_off_leaves_what_came_before() {
    let place = Place::new();
    let rows: String = (0..20_000u64)
        .map(|row| format!("{{\"k\":1,\"v\":{}}}\n", row * 7919))
        .collect();
    let packed = zstd::encode_all(rows.as_bytes(), 1).expect("memory takes it");
    let file = place.file("f.ndjson.zst", &packed[..packed.len() / 2]);
    let sentence = place.fails(2, &["ingest", &file, "--aggregate", "k"]);
    let stored = place.export(&[]).len();
    let expected = format!(
        "{file}:{}: the compressed data ends too early: the file is cut off",
        stored + 1
    );
    assert_eq!(sentence, expected);
    assert!(stored > 1000);
}

#[test]
fn a_directory_that_is_no_store_is_refused_and_left_alone() {
    let place = Place::new();
    let file = place.file("f.ndjson", "{\"k\":1}\n");
    fs::create_dir(place.path("store")).expect("it can be made");
    fs::write(place.path("store/letter.txt"), "dear").expect("it can be written");
    let sentence = place.fails(2, &["ingest", &file, "--aggregate", "k"]);
    assert!(sentence.contains("is not an event store"), "{sentence}");
    assert_eq!(
        fs::read_dir(place.path("store"))
            .expect("it is there")
            .count(),
        1
    );
}

#[test]
fn a_store_that_another_process_writes_to_is_refused() {
    let place = Place::new();
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    writeln!(pipe, "{{\"k\":1}}").expect("it is read");
    running.line().expect("it is acknowledged");
    let file = place.file("f.ndjson", "{\"k\":1}\n");
    let sentence = place.fails(2, &["ingest", &file, "--aggregate", "k"]);
    assert!(
        sentence.contains(&running.child.id().to_string()),
        "it names the process: {sentence}"
    );
    assert_eq!(place.export(&[]).len(), 1, "it can be read meanwhile");
    drop(pipe);
    assert_eq!(running.end().1, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_the_quarantine_is_an_error_of_the_disk() {
    let place = Place::new();
    let file = place.file("f.ndjson", "{\"k\":1}\nno\n");
    let sentence = place.fails(
        3,
        &[
            "ingest",
            &file,
            "--aggregate",
            "k",
            "--on-error",
            "quarantine:/dev/full",
        ],
    );
    assert_eq!(
        sentence,
        "/dev/full: can not be written: no space left on device"
    );
    assert_eq!(place.export(&[]).len(), 1);
}

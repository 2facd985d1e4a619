//! What is in a store, asked in all ways.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::binary::{FLIGHTS, Place, Running, flights, said, said_in_time, segment};

fn with_flights(rows: u64) -> (Place, String) {
    let place = Place::new();
    let file = flights(rows);
    let path = place.file("flights.csv", &file);
    let args = [
        &["ingest", &path],
        &FLIGHTS[..],
        &["--on-error", "skip", "--type-is", "Flight"],
    ];
    place.ok(&args.concat());
    (place, file)
}

fn versions(printed: &str) -> Vec<u64> {
    let version = |line: &str| serde_json::from_str::<Value>(line).ok()?["version"].as_u64();
    printed
        .lines()
        .map(|line| version(line).expect("a line is an event"))
        .collect()
}

#[test]
fn read_prints_one_aggregate_in_the_order_of_its_versions() {
    let (place, _) = with_flights(2000);
    let all = versions(&place.ok(&["read", "N5"]));
    assert!(all.len() > 5 && all.iter().copied().eq(1..=all.len() as u64));
    let newest = all.len() as u64;
    assert_eq!(
        versions(&place.ok(&["read", "N5", "--as-of-version", "2"])),
        [1, 2]
    );
    assert_eq!(
        versions(&place.ok(&["read", "N5", "--from", "3", "--as-of-version", "4"])),
        [3, 4]
    );
    assert_eq!(
        versions(&place.ok(&["read", "N5", "--last", "2"])),
        [newest - 1, newest]
    );
    assert_eq!(versions(&place.ok(&["read", "N5", "--last", "0"])), [0; 0]);
    assert_eq!(
        versions(&place.ok(&["read", "N5", "--as-of-time", "2020-01-01T00:00:00Z"])),
        [0; 0]
    );
    let time = place.json(&["read", "N5"])[2]["commit_time"]
        .as_str()
        .expect("it is text")
        .to_owned();
    assert!(versions(&place.ok(&["read", "N5", "--as-of-time", &time])).contains(&3));
}

#[test]
fn read_of_an_unknown_key_is_a_no() {
    let (place, _) = with_flights(100);
    assert!(
        place
            .fails(1, &["read", "N-none"])
            .starts_with("there is no aggregate \"N-none\" in ")
    );
    let said = place.run(&["read", "\u{1b}[2J", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "[]\n"));
    assert!(!said.err.contains('\u{1b}'), "{:?}", said.err);
}

#[test]
fn with_json_the_events_are_one_array() {
    let (place, _) = with_flights(100);
    let lines = place.export(&[]);
    assert_eq!(place.json(&["export"]), Value::Array(lines.clone()));
    assert_eq!(lines.len(), 98);
    assert_eq!(place.json(&["export", "--types", "None"]), json!([]));
}

#[test]
fn export_gives_all_events_in_the_order_they_were_accepted() {
    let (place, _) = with_flights(3000);
    let events = place.export(&[]);
    assert_eq!(events.len(), 2940);
    let times: Vec<_> = events
        .iter()
        .map(|event| event["commit_time"].as_str().expect("it is text"))
        .collect();
    let trimmed = |time: &str| time.trim_end_matches('Z').to_owned();
    assert!(times.iter().map(|time| trimmed(time)).is_sorted());
}

#[test]
fn export_can_be_narrowed() {
    let (place, _) = with_flights(3000);
    let shards = place.json(&["stats"])["shards"]
        .as_u64()
        .expect("it is a number");
    let mut total = 0;
    for shard in 0..shards {
        let shard = shard.to_string();
        let events = place.export(&["--shard", &shard]);
        total += events.len();
        let positions = events
            .iter()
            .map(|event| event["position"].as_u64().expect("a number"));
        assert!(positions.eq(0..events.len() as u64));
        let later = place.export(&["--shard", &shard, "--from", "7"]);
        assert_eq!(later.len(), events.len() - 7);
    }
    assert_eq!(total, 2940);
    let sentence = place.fails(2, &["export", "--shard", "4096"]);
    assert!(
        sentence.starts_with("there is no shard 4096: the store has 0 to "),
        "{sentence}"
    );
    assert_eq!(place.export(&["--types", "Flight,Other"]).len(), 2940);
    assert_eq!(place.export(&["--types", "Other"]).len(), 0);
    assert_eq!(
        place.export(&["--since", "2020-01-01T00:00:00Z"]).len(),
        2940
    );
    assert_eq!(place.export(&["--until", "2020-01-01T00:00:00Z"]).len(), 0);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let (place, _) = with_flights(20_000);
    let mut running = Running::start(&mut place.command(&["export"]));
    running.line().expect("there is an event");
    let Running { mut child, lines } = running;
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let err = child
        .stderr
        .take()
        .map(std::io::read_to_string)
        .expect("it is piped");
    assert_eq!(err.expect("it can be read"), "");
}

#[test]
fn tail_follows_what_another_process_writes() {
    let (place, _) = with_flights(100);
    let mut from_start = Running::start(&mut place.command(&["tail", "--from-start"]));
    for _ in 0..98 {
        from_start.line().expect("there are 98 events");
    }
    let file = place.file("more.ndjson", "{\"k\":\"later\"}\n");
    place.ok(&["ingest", &file, "--aggregate", "k", "--type-is", "Late"]);
    assert_eq!(from_start.line().expect("it comes")["aggregate"], "later");
    from_start.signal("-INT");
    let (rest, code, err) = from_start.end();
    assert_eq!((rest.len(), code, err.as_str()), (0, Some(0), ""));
}

/// It was noticed with the next event only, which may never come.
#[test]
fn tail_ends_at_once_when_its_reader_is_gone() {
    let (place, _) = with_flights(100);
    let mut running = Running::start(&mut place.command(&["tail", "--from-start"]));
    running.line().expect("there are events");
    let Running { mut child, lines } = running;
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// A list of types was cut at each comma, so a type with one in its name could not be asked for.
#[test]
fn types_with_a_comma_in_their_name_can_be_asked_for() {
    let place = Place::new();
    for name in ["a,b", "a", "c"] {
        let file = place.file(&format!("{name}.ndjson"), "{\"k\":1}\n");
        place.ok(&["ingest", &file, "--aggregate", "k", "--type-is", name]);
    }
    let types = |args: &[&str]| {
        let events = place.export(args);
        let types = events
            .iter()
            .map(|event| event["type"].as_str().expect("text").to_owned());
        types.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(types(&["--types", "a,c"]), "a c");
    assert_eq!(types(&["--types", "a", "--types", "c"]), "a c");
    assert_eq!(types(&["--types", r"a\,b"]), "a,b");
    assert_eq!(types(&["--types", r"a\,b,c"]), "a,b c");
    assert_eq!(types(&["--types", "a,b"]), "a,b a");
}

/// A variable that is set to nothing was taken for a name that is missing.
#[test]
fn an_empty_variable_is_as_if_it_were_not_set() {
    let place = Place::new();
    let file = place.file("rows.ndjson", "{\"k\":1}\n");
    let store = place.path("eventcask").display().to_string();
    place.ok(&["ingest", &file, "--aggregate", "k", "--store", &store]);
    let mut command = place.command(&["read", "1"]);
    command
        .env("EVENTCASK_STORE", "")
        .current_dir(place.path(""));
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("\"aggregate\":\"1\""), "{said:?}");
    let said = place.fails(2, &["read", "1", "--store", ""]);
    assert!(said.starts_with("--store is empty"), "{said}");
}

#[test]
fn tail_begins_at_the_live_end_and_can_be_narrowed() {
    let (place, _) = with_flights(100);
    let mut running = Running::start(&mut place.command(&["tail", "--types", "Late,Mark"]));
    let id = running.child.id().to_string();
    let (sender, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        while let Some(line) = running.line() {
            sender.send(line).expect("it is waited for");
        }
        running.child.wait().expect("it ends").code()
    });
    // It can not be known when it has begun, so marks are written until it sees one.
    let mut marks = 0;
    let first = loop {
        marks += 1;
        let file = place.file(
            "mark.ndjson",
            format!("{{\"k\":\"mark\",\"n\":{marks}}}\n{{\"k\":\"x\"}}\n"),
        );
        place.ok(&["ingest", &file, "--aggregate", "k", "--type-is", "Mark"]);
        if let Ok(line) = seen.recv_timeout(std::time::Duration::from_millis(200)) {
            break line;
        }
        assert!(marks < 100, "it never begins");
    };
    assert_eq!(first["type"], "Mark");
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(reader.join().expect("it does not panic"), Some(0));
}

/// Count, sum, min and max of the delay for each carrier, without the help of the program.
fn group_by_carrier(file: &str) -> BTreeMap<String, Value> {
    let mut groups = BTreeMap::<String, Vec<Option<i64>>>::new();
    for line in file.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        if fields[1] != "NA" {
            groups
                .entry(fields[2].to_owned())
                .or_default()
                .push(fields[3].parse().ok());
        }
    }
    let row = |(carrier, delays): (String, Vec<Option<i64>>)| {
        let known: Vec<_> = delays.iter().flatten().copied().collect();
        let row = json!({
            "key": carrier, "count": delays.len(), "sum:delay": known.iter().sum::<i64>(),
            "min:delay": known.iter().min(), "max:delay": known.iter().max(),
        });
        (carrier, row)
    };
    groups.into_iter().map(row).collect()
}

fn check_view(place: &Place, file: &str) {
    let expected = group_by_carrier(file);
    let all = place.json(&["view", "get", "delays", "--all"]);
    assert_eq!(all, Value::Array(expected.values().cloned().collect()));
    for (carrier, row) in &expected {
        assert_eq!(
            place.json(&["view", "get", "delays", carrier]),
            json!([row])
        );
    }
}

#[test]
fn a_view_equals_a_group_by_over_the_same_rows() {
    let (place, file) = with_flights(4000);
    let aggregations = [
        "--agg",
        "count",
        "--agg",
        "sum:delay",
        "--agg",
        "min:delay",
        "--agg",
        "max:delay",
    ];
    let create = [
        &["view", "create", "delays", "--key", "carrier"],
        &aggregations[..],
    ]
    .concat();
    assert_eq!(place.json(&create)["rows"], 4);
    check_view(&place, &file);
    let rows = flights(9000);
    place.file("flights.csv", &rows);
    let path = place.path("flights.csv").display().to_string();
    let more = [
        &["ingest", &path],
        &FLIGHTS[..],
        &["--on-error", "skip", "--type-is", "Flight"],
    ]
    .concat();
    place.ok(&more);
    check_view(&place, &rows);
    assert_eq!(place.json(&["view", "rebuild", "delays"])["rows"], 4);
    check_view(&place, &rows);
    let sentence = place.fails(2, &create);
    assert!(sentence.contains("already"), "{sentence}");
    assert_eq!(
        place.json(&["view", "drop", "delays"]),
        json!({"name": "delays", "dropped": true})
    );
    let sentence = place.fails(2, &["view", "get", "delays", "--all"]);
    assert!(
        sentence.contains("there is no view named \"delays\""),
        "{sentence}"
    );
}

#[test]
fn the_top_rows_of_a_view_are_those_with_the_highest_values() {
    let (place, file) = with_flights(2000);
    place.ok(&[
        "view",
        "create",
        "delays",
        "--key",
        "carrier",
        "--agg",
        "count",
        "--agg",
        "max:delay",
    ]);
    let top = place.json(&["view", "get", "delays", "--top", "2", "--by", "count"]);
    let mut counts: Vec<_> = group_by_carrier(&file)
        .values()
        .map(|row| row["count"].as_u64())
        .collect();
    counts.sort_by(|one, two| two.cmp(one));
    let found: Vec<_> = top
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|row| row["count"].as_u64())
        .collect();
    assert_eq!(found, counts[..2]);
    let sentence = place.fails(2, &["view", "get", "delays", "--all", "--by", "mean:delay"]);
    assert_eq!(
        sentence,
        "the view has no value \"mean:delay\"; it has count, max:delay"
    );
    assert!(
        place
            .fails(1, &["view", "get", "delays", "ZZ"])
            .contains("\"ZZ\"")
    );
    let table = place.ok(&["view", "get", "delays", "--all"]);
    assert!(
        table.starts_with("carrier  count  max:delay\nAA "),
        "{table}"
    );
}

#[test]
fn views_are_listed_with_what_they_aggregate() {
    let (place, _) = with_flights(100);
    assert_eq!(place.json(&["view", "list"]), json!([]));
    place.ok(&[
        "view", "create", "hourly", "--key", "carrier", "--agg", "count", "--type", "Flight",
        "--window", "1h:time",
    ]);
    let spec =
        json!({"key": "carrier", "type": "Flight", "window": "1h:time", "aggregations": ["count"]});
    let nothing =
        json!({"not_json": 0, "no_key": 0, "unusable_key": 0, "no_time": 0, "unreadable_time": 0});
    assert_eq!(
        place.json(&["view", "list"]),
        json!([{"name": "hourly", "spec": spec, "left_out": nothing}])
    );
    assert!(
        place
            .ok(&["view", "list"])
            .contains("hourly  carrier  count         Flight  1h:time")
    );
    let rows = place.json(&["view", "get", "hourly", "UA"]);
    assert_eq!(rows[0]["window"], "2013-01-01T10:00:00Z");
    let sentence = place.fails(
        2,
        &["view", "create", "x", "--key", "a", "--agg", "median:b"],
    );
    assert!(sentence.contains("is not an aggregation"), "{sentence}");
}

#[test]
fn stats_say_what_a_store_holds() {
    let (place, _) = with_flights(2000);
    place.ok(&[
        "view", "create", "delays", "--key", "carrier", "--agg", "count",
    ]);
    let stats = place.json(&["stats"]);
    assert_eq!(
        (&stats["events"], &stats["aggregates"]),
        (&json!(1960), &json!(97))
    );
    for name in [
        "shards",
        "raw_bytes",
        "disk_bytes",
        "bytes_per_event",
        "segments",
    ] {
        assert!(stats[name].is_number(), "{name}");
    }
    let per_shard = stats["per_shard"].as_array().expect("it is a list");
    let events: u64 = per_shard
        .iter()
        .map(|shard| shard["events"].as_u64().expect("a number"))
        .sum();
    assert_eq!(
        (per_shard.len() as u64, events),
        (stats["shards"].as_u64().expect("a number"), 1960)
    );
    let projection = &stats["projections"][0];
    assert_eq!(
        (&projection["name"], &projection["lag_events"]),
        (&json!("delays"), &json!(0))
    );
    let text = place.ok(&["stats"]);
    assert!(
        text.contains("1,960 events of 97 aggregates") && text.contains("up to date"),
        "{text}"
    );
}

#[test]
fn verify_says_yes_and_names_the_place_of_a_flipped_byte() {
    let (place, _) = with_flights(2000);
    let report = place.json(&["verify"]);
    assert_eq!(
        (&report["ok"], &report["events"], &report["problems"]),
        (&json!(true), &json!(1960), &json!([]))
    );
    assert!(
        place
            .ok(&["verify"])
            .starts_with("all is well: 1,960 events of 97 aggregates")
    );
    let path = segment(&place.path("store"), 0);
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[4096 + 300] ^= 1;
    fs::write(&path, bytes).expect("it can be written");
    let said = place.run(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&said.out).expect("one document is printed");
    assert_eq!((said.code, &report["ok"]), (Some(1), &json!(false)));
    let file = report["problems"][0]["file"]
        .as_str()
        .expect("it names the file");
    assert!(file.ends_with("shards/0000/0000000001.segment"), "{file}");
    assert!(said.err.contains("is damaged in"), "{}", said.err);
}

#[test]
fn inspect_decodes_each_kind_of_file() {
    let (place, _) = with_flights(2000);
    place.ok(&[
        "view", "create", "delays", "--key", "carrier", "--agg", "count",
    ]);
    let inspect = |name: &str| {
        let path = place.path("store").join(name).display().to_string();
        assert!(!place.ok(&["inspect", &path]).is_empty());
        place.json(&["inspect", &path])
    };
    assert_eq!(inspect("MANIFEST")["kind"], "manifest");
    let blocks = &inspect("shards/0000/0000000001.segment")["blocks"];
    assert!(blocks[0]["rows"].as_u64() > Some(0) && blocks[0]["source_marks"].is_array());
    let sections = blocks[0]["sections"].as_array().unwrap();
    let kinds: Vec<_> = sections.iter().map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds[..3], [Some("types"), Some("keys"), Some("group")]);
    let last = &sections[sections.len() - 1];
    assert!(
        last["kind"] == "payloads" && last["type"].is_u64(),
        "{last}"
    );
    assert_eq!(
        inspect("views/0001/definition")["definition"]["name"],
        "delays"
    );
    assert_eq!(inspect("views/0001/0000.snapshot")["kind"], "view state");
    let other = place.file("other", "not ours");
    assert!(
        place
            .fails(2, &["inspect", &other])
            .contains("is no file of an event store")
    );
    let missing = place.path("missing").display().to_string();
    assert!(
        place
            .fails(2, &["inspect", &missing])
            .contains("no such file")
    );
}

/// A pipe was opened to see whether it can be, and waited for somebody to write to it.
#[test]
fn s7_inspect_refuses_what_is_no_plain_file_at_once() {
    let place = Place::new();
    let pipe = place.path("pipe.segment");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("it runs").success());
    let link = place.path("link.segment");
    std::os::unix::fs::symlink(place.file("other", "not ours"), &link).expect("it can be made");
    let directory = place.path("");
    for path in [&pipe, &link, &directory, Path::new("/dev/zero")] {
        let said = said_in_time(place.command(&["inspect", &path.display().to_string()]));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("it is not a plain file"), "{said:?}");
    }
}

#[test]
fn what_is_no_store_is_said_by_every_command() {
    let place = Place::new();
    let commands: [&[&str]; 9] = [
        &["read", "k"],
        &["export"],
        &["tail"],
        &["stats"],
        &["verify"],
        &["view", "list"],
        &["view", "get", "v", "--all"],
        &["view", "drop", "v"],
        &["view", "create", "v", "--key", "k", "--agg", "count"],
    ];
    for args in commands {
        let sentence = place.fails(2, args);
        assert!(
            sentence.contains("is not an event store"),
            "{args:?}: {sentence}"
        );
        assert!(!place.path("store").exists(), "{args:?}");
    }
}

/// Rows that a view left out were never heard of, neither by whoever made it nor by whoever asked.
#[test]
fn a_view_says_how_many_events_it_left_out_and_why() {
    let place = Place::new();
    let rows = r#"{"k":"a","t":0}
{"k":"b","t":"yesterday"}
{"k":"c"}
{"k":"d","key":{"a":1},"t":0}
"#;
    let path = place.file("rows.ndjson", rows);
    place.ok(&["ingest", &path, "--aggregate", "k"]);
    let create = [
        "view", "create", "v", "--key", "k", "--agg", "count", "--window", "1d:t",
    ];
    let said = place.run(&create);
    let told = "left out 2 events: 1 without the time, 1 with a time that can not be read";
    assert!(said.err.contains(told), "{}", said.err);
    let said = place.run(&["view", "get", "v", "a"]);
    assert!(said.err.contains(told), "{}", said.err);
    let left_out =
        json!({"not_json": 0, "no_key": 0, "unusable_key": 0, "no_time": 1, "unreadable_time": 1});
    assert_eq!(place.json(&["view", "list"])[0]["left_out"], left_out);
    assert_eq!(
        place.json(&["stats"])["projections"][0]["left_out"],
        left_out
    );
    assert_eq!(place.json(&["view", "rebuild", "v"])["left_out"], left_out);

    let other = ["view", "create", "w", "--key", "key", "--agg", "count"];
    let left_out = &place.json(&other)["left_out"];
    assert_eq!(
        (&left_out["no_key"], &left_out["unusable_key"]),
        (&json!(3), &json!(1))
    );
}

#[test]
fn the_highest_rows_come_first_also_beyond_the_digits_of_a_float() {
    let place = Place::new();
    let rows = "{\"k\":\"a\",\"ns\":1764400000000000001}\n{\"k\":\"b\",\"ns\":1764400000000000003}\n{\"k\":\"c\",\"ns\":1764400000000000002}\n{\"k\":\"d\"}\n";
    let path = place.file("rows.ndjson", rows);
    place.ok(&["ingest", &path, "--aggregate", "k"]);
    place.ok(&["view", "create", "v", "--key", "k", "--agg", "max:ns"]);
    let keys = |args: &[&str]| {
        let rows = place.json(&[&["view", "get", "v"], args].concat());
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["key"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&["--top", "2", "--by", "max:ns"]), ["b", "c"]);
    assert_eq!(keys(&["--all", "--by", "max:ns"]), ["b", "c", "a", "d"]);
    let now = [
        "--top",
        "1",
        "--by",
        "max:ns",
        "--as-of-time",
        "2200-01-01T00:00:00Z",
    ];
    assert_eq!(keys(&now), ["b"]);
    let said = place.fails(2, &["view", "get", "v", "--top", "1", "--by", "min:ns"]);
    assert!(said.contains("max:ns"), "{said}");
}

#[test]
fn rows_of_windows_that_ended_long_ago_are_dropped_where_that_is_asked_for() {
    let place = Place::new();
    let rows: String = (0..10)
        .map(|hour| format!("{{\"k\":\"a{}\",\"t\":{}}}\n", hour % 2, hour * 3600))
        .collect();
    let path = place.file("rows.ndjson", rows);
    place.ok(&["ingest", &path, "--aggregate", "k"]);
    let create = [
        "view", "create", "v", "--key", "k", "--agg", "count", "--window", "1h:t",
    ];
    place.ok(&[&create[..], &["--keep", "2h"]].concat());
    let all = |place: &Place| place.json(&["view", "get", "v", "--all"]);
    let before = all(&place);
    assert_eq!(before.as_array().expect("a list").len(), 4);
    place.ok(&["view", "rebuild", "v"]);
    assert_eq!(all(&place), before);
    assert_eq!(place.json(&["view", "list"])[0]["spec"]["keep"], "2h");
    let said = place.fails(
        2,
        &[&create[..2], &["w"], &create[3..], &["--keep", "soon"]].concat(),
    );
    assert!(said.contains("such as 30d"), "{said}");
}

/// Columns of flattened tables have dots in their names.
#[test]
fn a_column_with_a_dot_in_its_name_is_found_by_views_as_by_ingest() {
    let place = Place::new();
    let path = place.file("rows.csv", "user.id,amount\nu1,5\nu2,7\nu1,2\n");
    place.ok(&["ingest", &path, "--aggregate", "user.id"]);
    place.ok(&[
        "view",
        "create",
        "v",
        "--key",
        "user.id",
        "--agg",
        "sum:amount",
    ]);
    let rows = place.json(&["view", "get", "v", "--all"]);
    assert_eq!(
        rows,
        json!([{"key": "u1", "sum:amount": 7}, {"key": "u2", "sum:amount": 7}])
    );
}

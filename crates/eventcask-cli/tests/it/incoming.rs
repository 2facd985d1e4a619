//! Files that are not what they were, or not what they seem.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::Value;

use crate::binary::{Place, said};

fn rows(keys: &[&str]) -> String {
    keys.iter()
        .map(|key| format!("{{\"k\":\"{key}\"}}\n"))
        .collect()
}

/// The keys of all events.
fn keys(place: &Place) -> Vec<String> {
    let keys = place.export(&[]);
    let mut keys: Vec<_> = keys
        .iter()
        .map(|event| event["aggregate"].as_str().expect("text").to_owned())
        .collect();
    keys.sort();
    keys
}

fn ingest<'a>(files: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["ingest"], files, &["--aggregate", "k", "--json"], more].concat()
}

/// What a summary says was stored, and the exit code.
fn stored(place: &Place, args: &[&str]) -> (i32, u64) {
    let said = place.run(args);
    let summary: Value = serde_json::from_str(&said.out).unwrap_or_default();
    let stored = summary["stored"].as_u64().unwrap_or_default();
    (said.code.expect("it ended by itself"), stored)
}

/// Rows of shards that had nothing of the file before were stored until the first mark told that it
/// is another one. They are held, or the file is read ahead, until the last mark is met.
#[test]
fn nothing_of_another_file_with_the_same_first_row_is_stored() {
    let many: Vec<_> = (0..2_000).map(|key| format!("old-{key}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for old in [&["start", "a", "b"][..], &["start"], &many] {
        for shards in ["1", "16"] {
            let place = Place::new();
            let old = [&["start"], old].concat();
            let file = place.file("x.ndjson", rows(&old));
            let source = ["--shards", shards, "--source", "s"];
            assert_eq!(
                stored(&place, &ingest(&[&file], &source)).1,
                old.len() as u64
            );
            let before = keys(&place);
            let new: Vec<_> = (0..3_000).map(|key| format!("new-{key}")).collect();
            let new: Vec<_> = new.iter().map(String::as_str).collect();
            let new = rows(&[&["start"], &new[..]].concat());
            place.file("x.ndjson", &new);
            assert_eq!(
                stored(&place, &ingest(&[&file], &["--source", "s"])),
                (2, 0)
            );
            assert_eq!(keys(&place), before, "a file, {shards} shards");
            let piped = place.piped(&ingest(&["-"], &["--source", "s"]), new.as_bytes());
            assert_eq!(piped.code, Some(2), "{piped:?}");
            assert_eq!(keys(&place), before, "a pipe, {shards} shards");
            place.file("x.ndjson", rows(&["start"]));
            assert_eq!(
                stored(&place, &ingest(&[&file], &["--source", "s"])),
                (2, 0)
            );
            assert_eq!(keys(&place), before, "a shorter one, {shards} shards");
            // And what is the same file, longer, is taken up where it ended.
            let longer = rows(&[&old[..], &["one", "more"]].concat());
            let piped = place.piped(&ingest(&["-"], &["--source", "s"]), longer.as_bytes());
            assert_eq!(piped.code, Some(0), "{piped:?}");
            assert_eq!(keys(&place).len(), before.len() + 2);
        }
    }
}

/// Rows of the second file were dropped as known before: its marks were read while the first one
/// was not durable yet.
#[test]
fn a_second_file_under_the_same_source_is_refused_whole() {
    for second in [&["c", "d"][..], &["c", "d", "e", "f", "g"], &["c"]] {
        let place = Place::new();
        let one = place.file("1.ndjson", rows(&["a", "b"]));
        let two = place.file("2.ndjson", rows(second));
        let args = ingest(&[&one, &two], &["--source", "log"]);
        let said = place.run(&args);
        assert_eq!(said.code, Some(2), "{said:?}");
        let summary: Value = serde_json::from_str(&said.out).expect("it is JSON");
        let told = ["stored", "duplicates", "rows"].map(|name| summary[name].as_u64());
        // What is in the second file is not known, though its places are.
        assert_eq!(told, [Some(2), Some(0), Some(2)]);
        assert_eq!(keys(&place), ["a", "b"]);
    }
    let place = Place::new();
    let one = place.file("1.ndjson", rows(&["a", "b"]));
    let args = ingest(&[&one, &one], &[]);
    assert_eq!(stored(&place, &args), (0, 2));
}

/// Names that are not UTF-8 were told apart by how they are shown, which is the same for all of
/// them.
#[test]
fn files_with_names_that_are_not_utf8_are_sources_of_their_own() {
    let place = Place::new();
    let names = [&b"\xfe.ndjson"[..], b"\xff.ndjson"].map(OsStr::from_bytes);
    for name in names {
        fs::write(place.path("").join(name), rows(&["a", "b"])).expect("there is room");
    }
    let mut command = place.command(&["ingest", "--aggregate", "k"]);
    command.current_dir(place.path("")).args(names);
    assert_eq!(said(&mut command).code, Some(0));
    assert_eq!(keys(&place), ["a", "a", "b", "b"]);
}

/// What was printed to a file before, by this command or another one, was emptied.
#[test]
fn rejected_rows_are_not_listed_where_the_command_prints() {
    let place = Place::new();
    let file = place.file("x.ndjson", "{\"k\":\"a\"}\nbroken\n");
    let log = place.file("log", "of another command\n");
    for listing in ["/dev/stdout", "/dev/stderr", &log] {
        let listing = format!("quarantine:{listing}");
        let args = ["ingest", &file, "--aggregate", "k", "--on-error", &listing];
        let mut command = place.command(&args);
        let open = || {
            fs::OpenOptions::new()
                .append(true)
                .open(&log)
                .expect("it is there")
        };
        command.stdout(open()).stderr(open());
        assert_eq!(said(&mut command).code, Some(2), "{listing}");
        assert!(!place.path("store").exists(), "{listing}");
    }
    let log = fs::read_to_string(&log).expect("it is text");
    assert!(log.starts_with("of another command\n"), "{log}");
    // A pipe takes what comes.
    let listing = [
        "ingest",
        &file,
        "--aggregate",
        "k",
        "--on-error",
        "quarantine:/dev/stderr",
    ];
    let said = place.run(&listing);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("\"row\":\"broken\""), "{said:?}");
}

/// A slip of the hand emptied the input.
#[test]
fn rejected_rows_are_not_listed_in_an_input_by_any_name() {
    let place = Place::new();
    let text = "{\"k\":\"a\"}\nbroken\n";
    let file = place.file("x.ndjson", text);
    let other = place.file("y.ndjson", rows(&["b"]));
    let (soft, hard) = (place.path("soft"), place.path("hard"));
    symlink(&file, &soft).expect("a link can be made");
    fs::hard_link(&file, &hard).expect("a link can be made");
    let dotted = place.path(".").join("x.ndjson");
    for listing in [file.as_ref(), &*soft, &*hard, &*dotted] {
        let listing = format!("quarantine:{}", listing.display());
        let args = [
            "ingest",
            &other,
            &file,
            "--aggregate",
            "k",
            "--on-error",
            &listing,
        ];
        let said = place.fails(2, &args);
        assert!(said.contains("is the same file as the input"), "{said}");
        let mut command = place.command(&ingest(&["-"], &["--on-error", &listing]));
        command.stdin(Stdio::from(fs::File::open(&file).expect("it is there")));
        assert_eq!(crate::binary::said(&mut command).code, Some(2));
    }
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
    assert!(!place.path("store").exists());
}

#[test]
fn rejected_rows_are_not_listed_in_a_file_of_the_store() {
    let place = Place::new();
    let file = place.file("x.ndjson", "{\"k\":\"a\"}\nbroken\n");
    let listed_in = |path: &std::path::Path| {
        let listing = format!("quarantine:{}", path.display());
        place.fails(
            2,
            &["ingest", &file, "--aggregate", "k", "--on-error", &listing],
        )
    };
    assert!(listed_in(&place.path("store/q")).contains("is in the store"));
    assert!(!place.path("store").exists());
    place.ok(&["ingest", &file, "--aggregate", "k", "--on-error", "skip"]);
    let manifest = fs::read(place.path("store/MANIFEST")).expect("it is there");
    fs::hard_link(place.path("store/MANIFEST"), place.path("hard")).expect("it can be made");
    symlink(place.path("store/MANIFEST"), place.path("soft")).expect("it can be made");
    for name in ["store/MANIFEST", "store/shards/q", "hard", "soft"] {
        assert!(
            listed_in(&place.path(name)).contains("is in the store"),
            "{name}"
        );
    }
    assert_eq!(
        fs::read(place.path("store/MANIFEST")).expect("it is there"),
        manifest
    );
}

/// The listing of an earlier run was emptied before the inputs were opened.
#[test]
fn a_listing_of_rejected_rows_is_kept_until_there_is_another_one() {
    let place = Place::new();
    let file = place.file("x.ndjson", "{\"k\":\"a\"}\nbroken\n");
    let listing = place.path("q");
    let to = format!("quarantine:{}", listing.display());
    place.ok(&["ingest", &file, "--aggregate", "k", "--on-error", &to]);
    let listed = fs::read_to_string(&listing).expect("it is there");
    assert_eq!(listed.lines().count(), 1);
    let missing = place.path("missing").display().to_string();
    for files in [&[missing.as_str()][..], &[&file, &missing]] {
        place.fails(
            2,
            &[&["ingest"], files, &["--aggregate", "k", "--on-error", &to]].concat(),
        );
        assert_eq!(fs::read_to_string(&listing).expect("it is there"), listed);
    }
    let good = place.file("y.ndjson", rows(&["b"]));
    place.ok(&["ingest", &good, "--aggregate", "k", "--on-error", &to]);
    assert_eq!(fs::read_to_string(&listing).expect("it is there"), "");
}

/// A CSV row that was taken before its line had an end was half a row, and the file was refused for
/// ever once it had grown.
#[test]
fn a_last_csv_row_without_an_end_waits_for_it() {
    let place = Place::new();
    let file = place.file("x.csv", "k,cents\r\na,100\r\nb,12");
    let args = ingest(&[&file], &[]);
    let first = place.json(&args[..args.len() - 1]);
    assert_eq!(
        (&first["stored"], &first["waiting"]),
        (&1.into(), &1.into())
    );
    assert!(
        place
            .ok(&["ingest", &file, "--aggregate", "k"])
            .contains("x.csv:3, the last row, has no end")
    );
    place.file("x.csv", "k,cents\r\na,100\r\nb,1250\r\nc,7\r\n");
    assert_eq!(stored(&place, &args), (0, 2));
    assert_eq!(
        place.payloads()["b"],
        [serde_json::json!({"k": "b", "cents": 1250})]
    );
    assert_eq!(stored(&place, &args), (0, 0));
    // A row of too few fields may be cut as well, and a row with an id.
    let file = place.file("y.csv", "k,cents\nd");
    assert_eq!(stored(&place, &ingest(&[&file], &[])), (0, 0));
    place.file("y.csv", "k,cents\nd,1\ne,2");
    assert_eq!(stored(&place, &ingest(&[&file], &["--id", "k"])), (0, 1));
}

/// The end of a pipe is one for good, and so is that of packed data.
#[test]
fn a_last_csv_row_without_an_end_is_taken_from_a_pipe() {
    let place = Place::new();
    let piped = place.piped(&ingest(&["-"], &[]), b"k,v\na,1\nb,2");
    assert_eq!(piped.code, Some(0), "{piped:?}");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"k,v\nc,1\nd,2").expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    let file = place.file("x.csv.gz", packed);
    assert_eq!(stored(&place, &ingest(&[&file], &[])), (0, 2));
    assert_eq!(keys(&place), ["a", "b", "c", "d"]);
}

/// One such row ended the command, also where bad rows are skipped.
#[test]
fn a_row_of_the_reserved_type_is_one_rejected_row() {
    let place = Place::new();
    let typed = |t: &str, k: &str| format!("{{\"k\":\"{k}\",\"t\":\"{t}\"}}\n");
    let text = typed("X", "a") + &typed("$truncated", "b") + &typed("X", "c");
    let file = place.file("x.ndjson", text);
    let skip = ["--type", "t", "--on-error", "skip"];
    let summary = place.json(&[
        "ingest",
        &file,
        "--aggregate",
        "k",
        skip[0],
        skip[1],
        skip[2],
        skip[3],
    ]);
    assert_eq!(
        (&summary["stored"], &summary["rejected"]),
        (&2.into(), &1.into())
    );
    assert_eq!(keys(&place), ["a", "c"]);
    let said = place.fails(
        2,
        &[
            "ingest",
            &file,
            "--aggregate",
            "k",
            "--type-is",
            "$truncated",
        ],
    );
    assert!(said.starts_with("--type-is: the event type"), "{said}");
}

/// What stands for keys that were erased is ours.
#[test]
fn a_row_with_a_reserved_key_is_one_rejected_row() {
    let place = Place::new();
    let file = place.file("x.ndjson", rows(&["a", "$erased:x", "b"]));
    let csv = place.file("y.csv", "k\nc\n$erased:0:0\n");
    for (file, number, again) in [(&file, 2, "one"), (&csv, 1, "two")] {
        let summary = place.json(&["ingest", file, "--aggregate", "k", "--on-error", "skip"]);
        let told = ["stored", "rejected"].map(|name| summary[name].as_u64());
        assert_eq!(told, [Some(number), Some(1)]);
        let said = place.run(&["ingest", file, "--aggregate", "k", "--source", again]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("reserved"), "{said:?}");
    }
    let said = place.fails(2, &["append", "$erased:x", "Noted", "{}"]);
    assert!(said.contains("reserved"), "{said}");
    let source = ["ingest", &csv, "--aggregate", "k", "--source", "$session/x"];
    let said = place.run(&source);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(keys(&place), ["a", "a", "b", "c", "c"]);
}

/// Nothing was there before, and nothing is there after.
#[test]
fn a_first_ingest_without_a_row_that_can_be_stored_leaves_no_store() {
    let place = Place::new();
    for (name, text) in [
        ("x.ndjson", "broken\n{\"k\":\"a\"}\n"),
        ("x.ndjson", "{\"n\":1}\n"),
        ("x.csv", "k,v\na,\"open\n"),
        ("x.csv", "k,v\na\n"),
        ("x.ndjson.gz", "not packed"),
    ] {
        let file = place.file(name, text);
        let said = place.run(&ingest(&[&file], &[]));
        assert_eq!(said.code, Some(2), "{text}: {said:?}");
        assert!(!place.path("store").exists(), "{text}");
    }
    let file = place.file("x.ndjson", "{\"k\":\"a\"}\nbroken\n");
    assert_eq!(stored(&place, &ingest(&[&file], &[])), (2, 1));
    let file = place.file("empty.ndjson", "");
    place.ok(&["ingest", &file, "--aggregate", "k"]);
}

/// Half a surrogate made a row no JSON in a name, and was taken in a value.
#[test]
fn half_a_surrogate_is_kept_in_names_as_in_values() {
    let place = Place::new();
    let row = r#"{"k":"a","\ud83d":5,"note":"cut \udc00"}"#;
    let file = place.file("x.ndjson", format!("{row}\n"));
    place.ok(&["ingest", &file, "--aggregate", "k"]);
    assert!(place.ok(&["read", "a"]).contains(row));
    let file = place.file("y.ndjson", "{\"k\":\"\\ud83d\"}\n");
    let said = place.fails(2, &["ingest", &file, "--aggregate", "k"]);
    assert!(said.contains("broken escape"), "{said}");
}

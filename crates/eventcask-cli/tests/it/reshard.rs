//! A store that is written anew with other shards, from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::binary::{FLIGHTS, Place, Running, flights, tree};
use crate::small_disk::{Kind, SmallDisk};

/// The same place, looked at through the new store.
fn anew(place: &Place, name: &str) -> Place {
    Place::new().with_store_in(place.path(name))
}

fn target(place: &Place, name: &str) -> String {
    place.path(name).display().to_string()
}

/// All events without their places, in the order of aggregate and version.
fn said(place: &Place) -> BTreeMap<(String, u64), Value> {
    let mut events = place.events();
    for event in events.values_mut() {
        let fields = event.as_object_mut().expect("it is an object");
        assert!(fields.remove("shard").is_some() && fields.remove("position").is_some());
    }
    events
}

#[test]
fn every_event_is_exported_as_before_and_ingest_goes_on() {
    let place = Place::new();
    place.fill_segments(6000);
    let view = ["view", "create", "v", "--key", "carrier", "--agg", "count"];
    place.ok(&view);
    place.ok(&["truncate", "N5", "--before-version", "9"]);
    place.ok(&["truncate", "N7", "--all"]);
    place.ok(&["reclaim"]);
    let before = tree(&place.path("store"));
    for (name, changes) in [
        ("wide", &["--shards", "8"][..]),
        ("one", &["--shards", "1", "--route-by", "category"]),
        ("same", &["--route-by", "key"]),
    ] {
        let to = target(&place, name);
        let small = ["reshard", &to, "--verify", "--segment-bytes", "50000"];
        let report = place.json(&[&small, changes].concat());
        assert_eq!(report["target"], to);
        assert_eq!(report["ok"], true, "{report}");
        assert_eq!(
            (&report["sources"], &report["views"]),
            (&json!(1), &json!(["v"]))
        );
        assert!(report["events"].as_u64() > Some(5000), "{report}");
        assert!(report["given_up"].as_u64() > Some(0) && report["seconds"].is_number());
        let new = anew(&place, name);
        assert_eq!(said(&new), said(&place), "{name}");
        for args in [
            &["view", "get", "v", "--all"][..],
            &["read", "N6", "--last", "1"],
        ] {
            let (new, old) = (new.ok(args), place.ok(args));
            let payload = |text: &str| text.split_once("\"payload\"").map(|(_, it)| it.to_owned());
            assert_eq!(payload(&new), payload(&old), "{args:?}");
        }
        assert_eq!(
            new.ok(&["view", "get", "v", "--all"]),
            place.ok(&["view", "get", "v", "--all"])
        );
        let (stats, old) = (new.json(&["stats"]), place.json(&["stats"]));
        assert_eq!(stats["shards"], report["shards"]);
        assert_eq!(stats["origin"], old["store"]);
        assert_eq!(stats["aggregates"], old["aggregates"]);

        let file = place.path("flights.csv").display().to_string();
        let ingest = ["ingest", &file, "--on-error", "skip"];
        let summary = new.json(&[&ingest[..], &FLIGHTS].concat());
        assert_eq!(summary["stored"], 0, "it knows the rows: {summary}");
        let longer = place.file("flights.csv", flights(6500));
        let ingest = ["ingest", &longer, "--on-error", "skip"];
        let summary = new.json(&[&ingest[..], &FLIGHTS].concat());
        assert_eq!(summary["stored"], 490, "{summary}");
        assert_eq!(new.json(&["verify"])["ok"], true);
        place.file("flights.csv", flights(6000));
    }
    let mut after = tree(&place.path("store"));
    // It says who had the store last; so does its directory, which knows when.
    let mut before = before;
    for path in ["store", "store/LOCK"].map(|name| place.path(name)) {
        before.remove(&path);
        after.remove(&path);
    }
    assert!(before == after, "the source stays as it is");
}

/// A file of which other rows were taken is not that file, in the new store as in the old one.
#[test]
fn another_file_of_the_same_name_is_still_told_apart() {
    let place = Place::new();
    place.fill_segments(1000);
    place.ok(&["reshard", &target(&place, "new"), "--shards", "8"]);
    let other = flights(1000).replace(",B6,", ",ZZ,");
    let file = place.file("flights.csv", other);
    let ingest = ["ingest", &file, "--on-error", "skip"];
    let refused = anew(&place, "new").run(&[&ingest[..], &FLIGHTS].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.err.contains("are not those that were ingested"),
        "{refused:?}"
    );
}

#[test]
fn it_is_said_what_was_done_and_what_does_not_come_along() {
    let place = Place::new();
    place.fill_segments(500);
    let to = target(&place, "new");
    let text = place.ok(&["reshard", &to, "--shards", "4", "--verify"]);
    let says = |words: &str| assert!(text.contains(words), "{text}");
    says(" written to ");
    says("490 events in 4 shards by key");
    says("all is well");
    let manifest = place.json(&["inspect", &format!("{to}/MANIFEST")]);
    assert_eq!(manifest["origin"], place.json(&["stats"])["store"]);
    let origin = place.ok(&["inspect", &format!("{to}/ORIGIN")]);
    assert!(origin.starts_with("origin of store "), "{origin}");
}

#[test]
fn what_can_not_be_is_refused_in_one_sentence_and_leaves_nothing() {
    let place = Place::new();
    place.fill_segments(500);
    let to = target(&place, "new");
    for (args, why) in [
        (&["reshard"][..], "TARGET"),
        (&["reshard", &to], "--shards"),
        (&["reshard", &to, "--shards", "3"], "power of two"),
        (&["reshard", &to, "--shards", "8192"], "power of two"),
        (&["reshard", &to, "--route-by", "tenant"], "key or category"),
    ] {
        let sentence = place.fails(2, args);
        assert!(sentence.contains(why), "{sentence}");
        assert!(!Path::new(&to).exists(), "{args:?}");
    }
    let inner = target(&place, "store/inner");
    let within = place.fails(2, &["reshard", &inner, "--shards", "4"]);
    assert!(within.contains("lies in the store"), "{within}");
    place.file("full", "");
    fs::create_dir(place.path("other")).expect("there is room");
    place.file("other/letter", "dear");
    let full = place.fails(2, &["reshard", &target(&place, "other"), "--shards", "4"]);
    assert!(full.contains("is not empty"), "{full}");
    let none = place.run(&["reshard", &to, "--shards", "4", "--store", "no-such-store"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    place.ok(&["reshard", &to, "--shards", "4"]);
    let again = place.fails(2, &["reshard", &to, "--shards", "4"]);
    assert!(again.contains("is not empty"), "{again}");
}

#[test]
fn a_store_that_somebody_writes_to_is_refused() {
    let place = Place::new();
    place.fill_segments(500);
    let mut command = place.command(&["ingest", "-", "--aggregate", "k", "--acks"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    let mut pipe = running.child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut pipe, b"{\"k\":1}\n").expect("it is read");
    while running.line().expect("it goes on")["acked_rows"] != 1 {}
    let to = target(&place, "new");
    let refused = place.fails(2, &["reshard", &to, "--shards", "4"]);
    assert!(refused.contains("is being written to"), "{refused}");
    assert!(!Path::new(&to).exists());
    drop(pipe);
    assert_eq!(running.end().1, Some(0));
    place.ok(&["reshard", &to, "--shards", "4"]);
}

fn in_small_segments(to: &str) -> [&str; 6] {
    ["reshard", to, "--shards", "8", "--segment-bytes", "30000"]
}

/// Killed, it leaves what is no store and says so; the same command begins it again.
#[test]
fn l14_killed_at_any_moment_it_leaves_no_store_or_a_whole_one() {
    let place = Place::new();
    place.fill_segments(20_000);
    let expected = said(&place);
    let started = Instant::now();
    place.ok(&in_small_segments(&target(&place, "whole")));
    let takes = started.elapsed();
    let (mut unfinished, mut whole) = (0, 0);
    for round in 0..12 {
        let to = target(&place, &format!("new-{round}"));
        let mut child = place
            .command(&in_small_segments(&to))
            .spawn()
            .expect("it runs");
        // Within what it takes, and a little beyond.
        thread::sleep(takes * round / 10);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let new = anew(&place, &format!("new-{round}"));
        if new.run(&["stats"]).code == Some(0) {
            whole += 1;
        } else {
            let refused = new.fails(2, &["stats"]);
            let is_said =
                refused.contains("was not finished") || refused.contains("is not an event store");
            assert!(is_said, "{refused}");
            unfinished += 1;
            place.ok(&in_small_segments(&to));
        }
        assert_eq!(new.json(&["verify"])["ok"], true);
        assert_eq!(said(&new), expected);
    }
    println!("{unfinished} were unfinished, {whole} were whole, each takes {takes:?}");
    assert!(unfinished > 0, "the first is killed at once");
    assert!(takes < Duration::from_secs(60));
}

#[test]
fn f3_a_full_disk_is_an_error_and_leaves_nothing() {
    let place = Place::new();
    place.fill_segments(20_000);
    for kind in [Kind::Tmpfs, Kind::Ext4] {
        let Some(disk) = SmallDisk::mount(&place, kind, 8) else {
            return;
        };
        let to = disk.path("new");
        let args = [
            "reshard",
            &to.display().to_string(),
            "--shards",
            "2",
            "--codec",
            "none",
        ];
        disk.take(6);
        let refused = place.fails(3, &args);
        assert!(refused.contains("No space left on device"), "{refused}");
        let left = fs::read_dir(&to).map_or(0, |names| {
            names
                .filter(|name| name.as_ref().is_ok_and(|name| name.file_name() != "LOCK"))
                .count()
        });
        assert_eq!(left, 0, "what was written is taken away");
        disk.free();
        place.ok(&args);
        let new = Place::new().with_store_in(&to);
        assert_eq!(said(&new), said(&place));
        drop(disk);
        fs::remove_dir(place.path("disk")).expect("it is empty");
    }
}
